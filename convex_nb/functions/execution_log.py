"""What was run and what it printed, the newest so many."""

from __future__ import annotations

from collections import deque
from itertools import count
from time import time
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from convex_nb.functions.tracebacks import message_of
from convex_nb.language.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas

    from convex_nb.functions.execution import Execution

KEPT: Final = 4096
"""Executions, and as many log lines, that are kept."""


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
    cached: bool
    """Whether the answer was known already."""
    retries: int
    """How often it ran again because of a write conflict."""
    documents_read: int
    """Documents that it read, in the last attempt."""
    documents_written: int
    """Documents that it wrote, in the last attempt."""


class LogLine(NamedTuple):
    """One line of a function's output."""

    number: int
    """The `ExecutionRecord.number` of its call."""
    time_ms: float
    """When that call began, milliseconds since the epoch."""
    path: str
    """The function."""
    level: str
    """`"LOG"` for what was printed."""
    message: str
    """The text."""


class Executions:
    """The newest executions, oldest first."""

    def __init__(self, records: deque[tuple[Any, ...]]) -> None:
        self._records = records

    def __iter__(self) -> Iterator[ExecutionRecord]:
        return iter([ExecutionRecord(*record) for record in tuple(self._records)])

    def __len__(self) -> int:
        return len(self._records)

    def df(self) -> pandas.DataFrame:
        """As a DataFrame, one row for each."""
        return _frame(self, ExecutionRecord._fields)


class ExecutionLog:
    """The log lines of a deployment, oldest first; `executions` are the calls that wrote them."""

    def __init__(self, *, kept: int = KEPT) -> None:
        # Plain tuples: a record is made for every call, and hardly ever looked at.
        self._records: deque[tuple[Any, ...]] = deque(maxlen=kept)
        self._lines: deque[LogLine] = deque(maxlen=kept)
        self._next = count(1).__next__

    @property
    def executions(self) -> Executions:
        """The newest calls, those without output included."""
        return Executions(self._records)

    def __iter__(self) -> Iterator[LogLine]:
        return iter(tuple(self._lines))

    def __len__(self) -> int:
        return len(self._lines)

    def __repr__(self) -> str:
        return "\n".join(f"{line.path}  {line.level}  {line.message}" for line in self) or "no log lines"

    def df(self) -> pandas.DataFrame:
        """The log lines as a DataFrame."""
        return _frame(self, LogLine._fields)

    def ran(
        self, execution: Execution, started: float, ended: float, retries: int, error: BaseException | None = None
    ) -> None:
        """A call returned, or raised `error`. The times are `time.perf_counter`'s."""
        usage = None if execution.transaction is None else execution.transaction.usage
        number = self._next()
        self._records.append(
            (
                number,
                execution.now_ms,
                execution.path,
                execution.kind,
                "success" if error is None else "failure",
                None if error is None else f"{type(error).__name__}: {shorten(message_of(error), 2000)}",
                (ended - started) * 1e3,
                False,
                retries,
                0 if usage is None else usage.documents_read,
                0 if usage is None else usage.documents_written,
            )
        )
        if execution.lines is not None:
            self._lines.extend(
                [LogLine(number, execution.now_ms, execution.path, level, text) for level, text in execution.lines]
            )

    def answered(self, path: str, started: float, ended: float) -> None:
        """A query was answered from the cache."""
        self._records.append(
            (self._next(), time() * 1e3, path, "query", "success", None, (ended - started) * 1e3, True, 0, 0, 0)
        )


def _frame(rows: Iterable[tuple[Any, ...]], columns: tuple[str, ...]) -> pandas.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(columns))
    frame.insert(1, "time", pd.to_datetime(frame.pop("time_ms"), unit="ms", utc=True))
    return frame
