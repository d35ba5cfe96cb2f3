"""Followers that move from one moment to the next together: what one client sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.live.shared_query import Outcome, SharedQuery

_RECENT: Final = 256
"""More commits than can be published whose marks are still to come: at most one for each thread that commits."""


class Group(Protocol):
    """Followers of several queries who are never to see results of two moments side by side."""

    def move(self, snapshot: Snapshot, /) -> bool:
        """Take over the outcomes as of `snapshot`; false if that is not possible yet."""
        ...


class Groups:
    """The groups of a deployment that have news to take over. Safe for threads."""

    def __init__(self, database: Database) -> None:
        self.moment = -1
        self.former: Mapping[SharedQuery, Outcome] = {}
        """What queries gave as of `moment`, though they may have run since."""
        self._database = database
        self._waiting: dict[Group, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, group: Group) -> None:
        """Let a group move at the end of each round of runs, until it has."""
        self._waiting[group] = None

    def forget(self, group: Group) -> None:
        """Let it stay where it is."""
        self._waiting.pop(group, None)

    def arrive(self, group: Group) -> None:
        """Let a group move now or, if something has to run first, at the end of the round that does."""
        self.expect(group)
        if group.move(self._database.head):
            self.forget(group)

    def move(self, snapshot: Snapshot) -> None:
        """A round has run all that was to run at `snapshot`."""
        for group in list(self._waiting):
            if group.move(snapshot):
                self.forget(group)

    def move_back(self, snapshot: Snapshot) -> None:
        """What was to run at an earlier `snapshot` has: who is still before it moves there, and goes on to wait."""
        for group in list(self._waiting):
            group.move(snapshot)

    def outcomes(self, queries: Iterable[SharedQuery], snapshot: Snapshot, since: int) -> list[Outcome] | None:
        """What queries give as of `snapshot`; `None` if one of them has yet to run for it, or has run for a later one.

        `since` is an earlier commit for which this was answered before, or 0. Costs O(queries x commits since).
        """
        now = snapshot.timestamp
        known = max(since, self._database.history.floor)
        commits = self._database.commits_between(known, now) or []
        # Older ones have left their marks. The newest may not have.
        recent = commits[-_RECENT:]
        outcomes = []
        for query in queries:
            outcome = query.outcome
            is_known = outcome.timestamp == now
            if now == self.moment and not is_known and query in self.former:
                outcome, is_known = self.former[query], True
            if outcome.timestamp > now:
                return None
            if len(commits) > len(recent) and not is_known and (query.stale or query.running):
                return None
            later = [commit for commit in recent if commit.timestamp > outcome.timestamp]
            if later and outcome.read_set.conflict(later) is not None:
                return None
            outcomes.append(outcome)
        return outcomes
