"""The newest calls as something that can be watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from convex_nb.functions.logs.execution_log import ExecutionLog, ExecutionRecord

ROWS: Final = 200


class LogFeed:
    """The newest calls with what they printed, newest first, as a live query has documents.

    `on_stale()` is called a moment after a call is over, on another thread; `refresh()` takes over what is new.
    """

    error = None
    duration_ms = 0.0
    tables: Iterable[str] = ()
    reads_clock = False

    def __init__(self, log: ExecutionLog, on_stale: Callable[[], object] = lambda: None, rows: int = ROWS) -> None:
        self._log = log
        self._rows = rows
        self._newest: object = None
        self.value: list[dict[str, Any]] = []
        self.timestamp = 0
        self._sink = log.add_sink(lambda _: on_stale())
        self.refresh()

    @property
    def stale(self) -> bool:
        """Whether a call is not in `value` yet."""
        return self._newest_now() != self._newest

    def refresh(self) -> bool:
        """Take over the newest calls; whether there were any. Costs O(rows + lines)."""
        newest = self._newest_now()
        if newest == self._newest:
            return False
        self._newest = newest
        printed: dict[int, list[str]] = {}
        for line in self._log:
            printed.setdefault(line.number, []).append(line.message)
        calls = list(islice(reversed(self._log.executions), self._rows))
        self.value = [_row(call, printed.get(call.number, ())) for call in calls]
        self.timestamp = round(max([call.time_ms for call in calls], default=0.0) * 1e6)
        return True

    def expire(self) -> None:
        """Time alone changes nothing."""

    def close(self) -> None:
        """Watch no longer."""
        self._log.remove_sink(self._sink)

    def _newest_now(self) -> object:
        # Lines that no call wrote are news as well.
        return next(iter(reversed(self._log.executions)), None), len(self._log), self._log.tail(1)


def _row(call: ExecutionRecord, printed: Iterable[str]) -> dict[str, Any]:
    row = {
        "time": f"{datetime.fromtimestamp(call.time_ms / 1e3, UTC):%H:%M:%S.%f}"[:-3],
        "function": call.path,
        "took_ms": round(call.duration_ms, 3),
        "outcome": call.error or ("cached" if call.cached else "ok"),
        "printed": "\n".join(printed),
        "read": call.documents_read,
        "written": call.documents_written,
        "for": call.caller,
        "request": call.request_id,
    }
    if call.cached:
        del row["took_ms"]
    return row
