"""Segments of a table, and its delta, on the way to becoming one segment, beside readers and writers."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from convex_nb.engine.part import Part
from convex_nb.engine.search.upkeep import preparing_searches
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.table import TableState

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.database import Database
    from convex_nb.engine.steps import Steps
    from convex_nb.engine.table_index import TableIndex

CATCH_UP = 64
"""Changes that may be replayed while others wait; twice as many each time that there were more."""
REPLAYED = 1024
"""Changes that are replayed in one step."""


class Compaction:
    """One merge. What is committed meanwhile is kept, replayed onto the new form, and that is swapped in.

    The documents stay the same, and so does the timestamp.
    """

    def __init__(
        self, database: Database, head: Snapshot, state: TableState, merged: tuple[Part, ...], delta: bool
    ) -> None:
        """Of the parts ``merged`` of a table of ``head``, and of its recent documents if ``delta``."""
        self._database = database
        self._state = state
        self._merged = merged
        self._delta = delta
        self._indexes = _fields(state.indexes)
        self._seen = head.timestamp
        self._commits: deque[Commit] = deque()

    @property
    def table(self) -> str:
        """Whose segments they are."""
        return self._state.name

    @property
    def rows(self) -> int:
        """How many documents the merge brings together."""
        return sum([len(part) for part in self._merged]) + (len(self._state.live[0]) if self._delta else 0)

    def follow(self) -> bool:
        """Note what was committed since the last time, before history forgets it; whether the merge is still of use.

        It is not once the table is another one, or a push has changed its indexes.
        """
        head = self._database.head
        commits = self._database.commits_between(self._seen, head.timestamp)
        now = head.tables.get(self.table)
        if commits is None or now is None or _fields(now.indexes) != self._indexes:
            return False
        commits = [commit for commit in commits if self.table in commit.indexes]
        self._seen = head.timestamp
        self._commits += commits
        return all(self._is_about(commit) for commit in commits)

    def _is_about(self, commit: Commit) -> bool:
        """Whether a commit changed this table as it is, and did not put another in its place."""
        return self.table not in commit.replaced and _fields(commit.indexes[self.table]) == self._indexes

    def steps(self) -> Steps[bool]:
        """Make the segment and swap it in; ``False`` if that became useless."""
        state = self._state
        recent = state.recent() if self._delta else []
        parts = tuple([part for part in state.parts if part not in self._merged])
        if recent or any(len(part) for part in self._merged):
            joined = yield from Part.joining(self._merged, recent, state.indexes)
            yield from preparing_searches(joined.segment, state.definition)
            parts = (*parts, joined)
        table = TableState.over(state.name, state.number, state.definition, state.indexes, parts)
        if not self._delta:
            table = table.with_live_of(state)
        most = CATCH_UP
        while self.follow():
            table = yield from self._caught_up(table)
            if self._database.committer.replace_head(partial(self._installed, table, most)):
                return True
            most *= 2
        return False

    def _caught_up(self, table: TableState) -> Steps[TableState]:
        """The table after everything that was noted, and what is noted on the way."""
        replayed = 0
        while self._commits:
            commit = self._commits.popleft()
            for name, part in commit.parts:
                if name == table.name:
                    table = table.with_part(part)
            for write in commit.writes:
                if write.table == table.name:
                    table = table.apply(write)
                replayed += 1
                if not replayed % REPLAYED:
                    yield
        return table

    def _installed(self, table: TableState, most: int, head: Snapshot) -> Snapshot | None:
        """The head with the new form; ``None`` where too much happened since. Nobody commits meanwhile."""
        now = head.tables.get(table.name)
        later = [commit for commit in self._database.history.since(self._seen) if table.name in commit.indexes]
        if (
            now is None
            or _fields(now.indexes) != self._indexes
            or sum([len(commit.writes) for commit in later]) > most
            or not all(self._is_about(commit) for commit in later)
        ):
            return None
        for commit in later:
            table = commit.replayed_on(table)
        # A push may have changed what documents have to be like.
        final = TableState(
            now.name, now.number, now.definition, now.indexes, table.parts, table.live, table.recent_columns
        )
        return Snapshot(head.timestamp, {**head.tables, now.name: final}, head.catalog, head.dropped)


def _fields(indexes: tuple[TableIndex, ...]) -> list[tuple[str, tuple[str, ...]]]:
    return [(index.name, index.fields) for index in indexes]
