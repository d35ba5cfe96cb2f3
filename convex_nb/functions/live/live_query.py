"""A view of a query that is told when it is stale, and runs again in a refresh."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Literal

from convex_nb.language.describing import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.functions.live.reactor import Reactor
    from convex_nb.functions.live.shared_query import SharedQuery

log: Final = logging.getLogger("convex_nb")


class LiveQuery:
    """A query that is marked when a commit touched it, and runs again when the deployment is refreshed.

    `value` and `error` are those of the last run; `value` is shared, not to be changed, and stays the same object
    while nothing has changed.
    """

    def __init__(self, reactor: Reactor, query: SharedQuery, on_stale: Callable[[], object]) -> None:
        self._reactor = reactor
        self._query = query
        self._on_stale = on_stale
        self._closed = False
        self.seen = 0
        """The result that the last refresh reported."""

    def __repr__(self) -> str:
        return f"<LiveQuery {self.path}: {self.status}{', stale' if self.stale else ''}>"

    @property
    def path(self) -> str:
        """The function's path."""
        return self._query.path

    @property
    def args(self) -> dict[str, Any]:
        """The arguments, normalised."""
        return self._query.args

    @property
    def value(self) -> Any:
        """The last good value."""
        return self._query.outcome.value

    @property
    def error(self) -> Exception | None:
        """What the last run raised, or `None`."""
        return self._query.outcome.error

    @property
    def status(self) -> Literal["ok", "error"]:
        """Whether the last run raised."""
        return "ok" if self._query.outcome.error is None else "error"

    @property
    def timestamp(self) -> int:
        """The commit at which it ran last."""
        return self._query.outcome.timestamp

    @property
    def tables(self) -> frozenset[str]:
        """The tables of which it read a range in the last run."""
        return frozenset(self._query.outcome.read_set.tables())

    @property
    def reads(self) -> list[str]:
        """What the last run read, index by index, such as "messages by by_author, 1 range". Costs O(ranges)."""
        read_set = self._query.outcome.read_set
        lines = [
            f"{table} by {index}, {counted(len(starts), 'range')}"
            for (table, index), (starts, _) in read_set.merged().items()
        ]
        points = len(read_set.ids)
        return [*lines, f"{counted(points, 'document')} by id"] if points else lines

    @property
    def duration_ms(self) -> float:
        """How long the last run took."""
        return self._query.outcome.duration_ms

    @property
    def runs(self) -> int:
        """How often it has run."""
        return self._query.runs

    @property
    def stale(self) -> bool:
        """Whether a commit has touched what the last run read. While it runs again that is still so."""
        return self._query.stale or self._query.running > 0

    @property
    def reads_clock(self) -> bool:
        """Whether the last run looked at the time, so that another one may say something else."""
        return self._query.outcome.reads_clock

    def expire(self) -> None:
        """Have it run again in the next refresh though no commit has touched it: time has passed."""
        if not self._closed:
            self._reactor.expire(self._query)

    def mark(self) -> None:
        """Tell the view that it is stale. What it raises is logged."""
        if not self._closed:
            try:
                self._on_stale()
            except Exception:
                log.exception("convex_nb: the view of %s could not be marked", self.path)

    def close(self) -> None:
        """Follow no longer."""
        self._closed = True
        self._reactor.leave(self._query, self)
