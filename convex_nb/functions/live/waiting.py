"""What followed queries wait for: to run, to be announced, to be told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from convex_nb.functions.live.shared_query import SharedQuery


class Waiting:
    """Followed queries by what they wait for, oldest first. Changed under the reactor's lock."""

    __slots__ = ("changed", "due", "held", "marks", "news", "stale")

    def __init__(self) -> None:
        self.due: dict[SharedQuery, None] = {}
        """Eager ones that have to run."""
        self.held: dict[SharedQuery, None] = {}
        """Eager ones that have to run once the cell that is running has ended."""
        self.changed: dict[SharedQuery, None] = {}
        """Eager ones that have run, and whose followers are to be offered the outcome."""
        self.stale: dict[SharedQuery, None] = {}
        """Watched ones that have to run."""
        self.marks: dict[SharedQuery, None] = {}
        """Watched ones whose views are to be told that they are stale."""
        self.news: dict[SharedQuery, None] = {}
        """Watched ones that have run, and whose news no refresh has reported."""

    def __bool__(self) -> bool:
        """Whether a flush has anything to do."""
        return bool(self.due or self.changed or self.marks)

    def mark(self, query: SharedQuery) -> None:
        """A query has to run."""
        if query.is_eager:
            self.due[query] = None
        else:
            self.stale[query] = self.marks[query] = None

    def hold(self, query: SharedQuery) -> None:
        """A query that is due has to wait for the running cell."""
        if query in self.due:
            del self.due[query]
            self.held[query] = None

    def release(self) -> None:
        """The cell is over: what waited for that is due."""
        self.due |= self.held
        self.held = {}

    def begin(self, query: SharedQuery) -> None:
        """A query runs now."""
        for queries in (self.due, self.held, self.stale, self.marks):
            queries.pop(query, None)

    def announce(self, query: SharedQuery) -> None:
        """A query has an outcome that nobody was told of."""
        (self.changed if query.is_eager else self.news)[query] = None

    def forget(self, query: SharedQuery) -> None:
        """Nobody follows a query any more."""
        for queries in self._all():
            queries.pop(query, None)

    def has_to_run(self, query: SharedQuery) -> bool:
        """Whether a query is to run, now or later."""
        return query in self.due or query in self.held or query in self.stale

    def check(self, followed: AbstractSet[SharedQuery]) -> None:
        """Verify that only followed queries wait. Raises `AssertionError`."""
        for queries in self._all():
            assert queries.keys() <= followed, f"{queries.keys() - followed} are forgotten but waiting"

    def _all(self) -> tuple[dict[SharedQuery, None], ...]:
        return self.due, self.held, self.changed, self.stale, self.marks, self.news
