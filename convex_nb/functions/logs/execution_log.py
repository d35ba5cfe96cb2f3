"""What was run and what it printed, the newest so many."""

from __future__ import annotations

from collections import deque
from itertools import count
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from convex_nb.functions.logs.events import Event, console_event, execution_event
from convex_nb.functions.logs.exceptions import Exceptions
from convex_nb.functions.logs.request_ids import RequestIds, mark
from convex_nb.functions.logs.sinks import Sink, Sinks, as_sink, is_address
from convex_nb.functions.logs.tallies import Tallies
from convex_nb.functions.tracebacks import message_of
from convex_nb.language.describing import describe, shorten
from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas

    from convex_nb.engine.usage import Usage
    from convex_nb.functions.execution import Execution
    from convex_nb.functions.origin import Origin

KEPT: Final = 4096
"""Executions, and as many log lines, that are kept."""
_TALLIED_EVERY: Final = 512
_SIZED_EVERY: Final = 16
SHOWN: Final = 30
"""Lines that a log shows of itself."""

Line: TypeAlias = tuple[float, str, str, bool, str | None]
"""Time, level, text, whether it was cut, system code."""


class ExecutionRecord(NamedTuple):
    """One call of a function."""

    number: int
    """Counts the calls of this deployment."""
    time_ms: float
    """When it began, milliseconds since the epoch."""
    path: str
    """The function."""
    kind: str
    """`"query"`, `"mutation"` or `"action"`."""
    status: Literal["success", "failure"]
    """How it ended."""
    error: str | None
    """The error's class and message."""
    duration_ms: float
    """How long it took, commit and retries included."""
    handler_ms: float
    """How long the function's own code ran, its reads and writes included, in the last attempt."""
    cached: bool
    """Whether the answer was known already."""
    retries: int
    """How often it ran again because of a write conflict."""
    documents_read: int
    """Documents that it read, in the last attempt."""
    documents_written: int
    """Documents that it wrote, in the last attempt."""
    bytes_read: int
    """Their size: exact where a limit counts bytes, otherwise guessed by the first one of some call."""
    bytes_written: int
    """The same of what it wrote."""
    ranges_read: int
    """Index ranges and single documents that it asked for, in the last attempt."""
    request_id: str
    """The same for a call from outside and all calls that actions make in it."""
    parent: int | None
    """The `number` of the action that made the call."""
    caller: str
    """Whom it was for: `"admin"`, `"user"` or `"anonymous"` (clients), `"system"` (scheduled)."""
    occ_info: dict[str, Any] | None
    """The last write conflict: `table_name`, `document_id`, `write_source`, `retry_count`."""
    queue_length: int
    """Mutations of its client that were waiting for one another, this one included."""
    job_id: str | None
    """The scheduled job that it was."""
    file_bytes_read: int
    """Bytes of stored files that it read, or gave out in URLs."""
    file_bytes_written: int
    """Bytes that it stored as files."""


class LogLine(NamedTuple):
    """One line of a function's output."""

    number: int
    """The `ExecutionRecord.number` of its call."""
    time_ms: float
    """When it was written, milliseconds since the epoch."""
    path: str
    """The function."""
    level: str
    """`"LOG"` for what was printed; `"DEBUG"`, `"INFO"`, `"WARN"`, `"ERROR"`."""
    message: str
    """The text."""
    request_id: str
    """The request that its call belongs to."""
    is_truncated: bool
    """Whether it was too long and lost its end."""
    system_code: str | None
    """What the system itself warns of."""


class Executions:
    """The newest executions, oldest first."""

    def __init__(self, records: deque[tuple[Any, ...]], request_id: RequestIds) -> None:
        self._records = records
        self._request_id = request_id

    def __iter__(self) -> Iterator[ExecutionRecord]:
        return iter([_record(each, self._request_id) for each in tuple(self._records)])

    def __reversed__(self) -> Iterator[ExecutionRecord]:
        return (_record(each, self._request_id) for each in reversed(tuple(self._records)))

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"{len(self):,} executions; `.df()` shows them"

    def df(self) -> pandas.DataFrame:
        """As a DataFrame, one row for each."""
        return _frame(self, ExecutionRecord._fields)


class ExecutionLog:
    """The log lines of a deployment, oldest first; `executions` are the calls that wrote them.

    The newest 4,096 of either are kept. `add_sink` hands everything on to somewhere that keeps it.
    """

    def __init__(self, *, kept: int = KEPT) -> None:
        # Plain tuples: a record is made for every call, and hardly ever looked at.
        self._records: deque[tuple[Any, ...]] = deque(maxlen=kept)
        self._lines: deque[LogLine] = deque(maxlen=kept)
        self.next_number: Final = count(1).__next__
        self.request_id: Final = RequestIds()
        self.tallies: Final = Tallies()
        self._count: Final = self.tallies.waiting.append
        self._sizes: Final[dict[str, tuple[int, tuple[int, int]]]] = {}
        self.sinks: Final = Sinks(self._events)
        self.exceptions: Final = Exceptions()
        self.describe: Callable[[], Event] = dict
        """Says which deployment an event is of."""

    @property
    def executions(self) -> Executions:
        """The newest calls, those without output included."""
        return Executions(self._records, self.request_id)

    def __iter__(self) -> Iterator[LogLine]:
        return iter(tuple(self._lines))

    def __len__(self) -> int:
        return len(self._lines)

    def __repr__(self) -> str:
        lines = [f"{line.path}  {line.level}  {line.message}" for line in self.tail()]
        earlier = len(self) - len(lines)
        return "\n".join([f"({earlier:,} earlier lines)"] * (earlier > 0) + lines) or "no log lines"

    def tail(self, number: int = SHOWN) -> list[LogLine]:
        """The newest lines, oldest first."""
        lines = list(self)
        return lines[max(0, len(lines) - number) :]

    def df(self) -> pandas.DataFrame:
        """The log lines as a DataFrame."""
        return _frame(self, LogLine._fields)

    # -- sinks ---------------------------------------------------------------------------------------------------

    def add_sink(
        self, sink: Sink | str | PathLike[str], *, secret: str | None = None, form: Literal["json", "jsonl"] = "json"
    ) -> Sink:
        """Hand on every call and line from now on: to a callable, in lists of events, to a file of JSON lines, or to an
        address that they are posted to.

        Events are dicts of the reference's log streams. Batches come a moment after the calls, on another thread; the
        last one when the deployment is closed. What is posted is signed with `secret=`, or with the `.secret` that
        this one makes up; `form="jsonl"` posts lines. Returns what `remove_sink` takes.
        """
        if is_address(sink):
            added = self.sinks.open_address(sink, {"secret": secret, "form": form})
        elif secret is not None or form != "json":
            raise InvalidValueError(
                f"`secret` and `form` are for an address, which {describe(sink, 80)} is not.", value=sink
            )
        else:
            added = as_sink(sink)
        self.sinks.add(added)
        return added

    def remove_sink(self, sink: Sink) -> None:
        """Hand on to this one no more, after what has happened so far."""
        self.sinks.remove(sink)

    def tell(self, topic: str, time_ms: float, fields: Event) -> None:
        """Hand on to the sinks what no call tells of."""
        if self.sinks.any:
            self.sinks.put({"topic": topic, "timestamp": int(time_ms), **fields})

    def _events(self, call: Event | tuple[tuple[Any, ...] | None, list[LogLine]]) -> Iterable[Event]:
        if isinstance(call, dict):
            yield {**call, "convex": self.describe()}
            return
        raw, lines = call
        record = None if raw is None else _record(raw, self.request_id)
        deployment = self.describe()
        yield from [console_event(line, record, deployment) for line in lines]
        if record is not None:
            yield execution_event(record, deployment)

    # -- writing -------------------------------------------------------------------------------------------------

    def ran(
        self, execution: Execution, started: float, ended: float, retries: int, error: BaseException | None = None
    ) -> None:
        """A call returned, or raised `error`. The times are `time.perf_counter`'s."""
        usage = None if execution.transaction is None else execution.transaction.usage
        origin = execution.origin
        conflict = execution.conflict
        number = execution.number
        if usage is None or not (usage.ranges_read or usage.documents_written):
            read = written = bytes_read = bytes_written = ranges = 0
        else:
            read, written, bytes_read, bytes_written, ranges = usage.figures(self._sizes_of(execution.path, usage))
        record = (
            number,
            execution.now_ms,
            execution.path,
            execution.kind,
            "success" if error is None else "failure",
            None if error is None else f"{type(error).__name__}: {shorten(message_of(error), 2000)}",
            (ended - started) * 1e3,
            execution.handler_seconds * 1e3,
            False,
            retries,
            read,
            written,
            bytes_read,
            bytes_written,
            ranges,
            execution.request,
            None if origin.parent is None else origin.parent.number,
            origin.caller,
            None
            if conflict is None
            else {
                "table_name": conflict.table,
                "document_id": conflict.document_id,
                "write_source": conflict.source,
                "retry_count": retries,
            },
            origin.queue_length,
            origin.job_id,
            execution.file_bytes_read,
            execution.file_bytes_written,
        )
        self._records.append(record)
        self._count(record)
        if not number % _TALLIED_EVERY:
            self.tallies.add_up()
        if error is not None:
            mark(error, self.request_id(execution.request))
            if self.exceptions.any:
                self.exceptions.report(error, execution, self.request_id(execution.request), self.describe())
        lines: list[LogLine] = []
        if execution.lines is not None:
            request_id = self.request_id(execution.request)
            lines = [
                LogLine(number, time_ms, execution.path, level, text, request_id, is_cut, code)
                for time_ms, level, text, is_cut, code in execution.lines
            ]
            self._lines.extend(lines)
        if self.sinks.any:
            self.sinks.put((record, lines))

    def _sizes_of(self, path: str, usage: Usage) -> tuple[int, int]:
        """How large the documents are that a function reads and writes: looked at in one call of sixteen."""
        calls, sizes = self._sizes.get(path, (0, (0, 0)))
        if not calls % _SIZED_EVERY or (usage.documents_read and not sizes[0]):
            sizes = usage.first_sizes()
        elif usage.documents_written and not sizes[1]:
            sizes = sizes[0], usage.first_sizes()[1]
        self._sizes[path] = (calls + 1, sizes)
        return sizes

    def note(self, path: str, level: str, message: str, now_ms: float) -> None:
        """Add a line about a function that did not run: `number` 0, no request."""
        line = LogLine(0, now_ms, path, level, message, "", False, None)
        self._lines.append(line)
        if self.sinks.any:
            self.sinks.put((None, [line]))

    def answered(self, path: str, started: float, ended: float, now_ms: float, origin: Origin) -> None:
        """A query was answered from the cache."""
        number = self.next_number()
        parent = origin.parent
        record = (
            number,
            now_ms,
            path,
            "query",
            "success",
            None,
            (ended - started) * 1e3,
            0.0,
            True,
            0,
            0,
            0,
            0,
            0,
            0,
            number if parent is None else parent.request,
            None if parent is None else parent.number,
            origin.caller,
            None,
            0,
            None,
            0,
            0,
        )
        self._records.append(record)
        self._count(record)
        if not number % _TALLIED_EVERY:
            self.tallies.add_up()
        if self.sinks.any:
            self.sinks.put((record, []))


_REQUEST: Final = ExecutionRecord._fields.index("request_id")


def _record(raw: tuple[Any, ...], request_id: RequestIds) -> ExecutionRecord:
    return ExecutionRecord._make((*raw[:_REQUEST], request_id(raw[_REQUEST]), *raw[_REQUEST + 1 :]))


def _frame(rows: Iterable[tuple[Any, ...]], columns: tuple[str, ...]) -> pandas.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(columns))
    frame.insert(1, "time", pd.to_datetime(frame.pop("time_ms"), unit="ms", utc=True))
    if "parent" in frame:
        frame["parent"] = frame["parent"].astype("Int64")
    return frame
