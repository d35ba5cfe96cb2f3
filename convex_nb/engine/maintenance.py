"""Slow work in bounded steps: moving the delta into segments, merging segments, forgetting the past, checkpoints."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from convex_nb.engine.compaction import Compaction
from convex_nb.engine.database_statistics import Upkeep
from convex_nb.engine.interrupts import deferred
from convex_nb.engine.schema_push import staged_indexes
from convex_nb.engine.search.upkeep import lacks_searches, preparing_searches

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.database import Database
    from convex_nb.engine.part import Part
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.steps import Steps
    from convex_nb.engine.table import TableState

RECENT = 4096
"""A delta of more documents than this becomes a segment."""
MOST_PARTS = 6
"""A table has at most so many segments."""
_DEAD_SHARE = 4
"""A segment is written anew when more than one in so many of its rows is dead."""


class Task(NamedTuple):
    """Something that takes many steps."""

    upkeep: Upkeep
    follow: Callable[[], bool]
    """Is called before the past is trimmed; whether the task is still of use."""
    steps: Steps[object]


class Maintenance:
    """What is due, most urgent first. One thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.task: Task | None = None
        self.finished = 0

    @property
    def upkeep(self) -> Upkeep | None:
        """What was begun and is not done yet."""
        task = self.task
        return None if task is None else task.upkeep

    def run(self, budget_ms: float) -> bool:
        """Take steps until ``budget_ms`` is used up or nothing is due; whether something still is.

        A step that has begun is finished: it takes some tens of milliseconds at most, however large a table is.
        """
        deadline = monotonic() + budget_ms / 1000
        database = self._database
        committer = database.committer
        if self.task is not None and not self.task.follow():
            self.task = None
        now = database.clock.now_ns()
        with deferred, committer.reading_history():
            database.history.trim(now, committer.head)
        since = now - database.history.retention
        while True:
            logged = database.log.maintain(committer.head, database.mint.last_creation_time, since)
            if logged and monotonic() >= deadline:
                return True
            task = self.task or self._due(committer.head)
            if task is None:
                if not logged:
                    return False
                continue
            if monotonic() >= deadline:
                return True
            # An interrupt in the middle of a step ends the task: what was made so far is dropped.
            self.task = None
            try:
                next(task.steps)
            except StopIteration:
                self.finished += 1
            else:
                self.task = task

    def _due(self, head: Snapshot) -> Task | None:
        return self._merge_due(head) or self._run_due(head)

    def _run_due(self, head: Snapshot) -> Task | None:
        """What builds the first run that is missing: of an index that is staged, or of a table just opened."""
        for state in head.tables.values():
            for part in state.parts:
                for _, fields in staged_indexes(state):
                    if fields not in part.prepared:
                        return self._indexing(state, part, part.preparing_run(fields))
                position = part.unbuilt()
                if position is not None:
                    return self._indexing(state, part, part.building_run(position))
                if lacks_searches(part.segment, state.definition):
                    return self._indexing(state, part, preparing_searches(part.segment, state.definition))
        return None

    def _indexing(self, state: TableState, part: Part, steps: Steps[None]) -> Task:
        def follow() -> bool:
            now = self._database.head.tables.get(state.name)
            return now is not None and any(each.segment is part.segment for each in now.parts)

        return Task(Upkeep("index", state.name, part.segment.num_rows), follow, steps)

    def _merge_due(self, head: Snapshot) -> Task | None:
        """The first table that needs it: which of its parts to merge, and whether the delta goes with them."""
        for state in head.tables.values():
            for part in state.parts:
                if len(part.dead[0]) * _DEAD_SHARE > part.segment.num_rows:
                    return self._merging(head, state, (part,), delta=False)
            if len(state.live[0]) > RECENT or len(state.parts) > MOST_PARTS:
                return self._merging(head, state, self._mergeable(state), delta=True)
        return None

    def _merging(self, head: Snapshot, state: TableState, merged: tuple[Part, ...], *, delta: bool) -> Task:
        compaction = Compaction(self._database, head, state, merged, delta)
        return Task(Upkeep("merge", state.name, compaction.rows), compaction.follow, compaction.steps())

    def _mergeable(self, state: TableState) -> tuple[Part, ...]:
        """The newest parts that are no larger than what comes after them (size-tiered), and as many as the cap asks."""
        parts = state.parts
        size = len(state.live[0])
        chosen = 0
        for part in reversed(parts):
            if len(part) > 2 * size and len(parts) - chosen < MOST_PARTS:
                break
            size += len(part)
            chosen += 1
        return parts[len(parts) - chosen :]
