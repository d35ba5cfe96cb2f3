"""Slow work in bounded steps: moving the delta into segments, merging segments, forgetting the past, checkpoints.

A step of the first two prepares a new form of one table beside the readers and writers, then replays the commits that
happened meanwhile and swaps it in. The documents stay the same, and so does the timestamp.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from convex_nb.engine.interrupts import deferred
from convex_nb.engine.part import Part
from convex_nb.engine.schema_push import staged_indexes
from convex_nb.engine.search.upkeep import lacks_searches, prepare_searches, preparing_searches
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.table import TableState

if TYPE_CHECKING:
    from convex_nb.engine.database import Database

RECENT = 4096
"""A delta of more documents than this becomes a segment."""
MOST_PARTS = 6
"""A table has at most so many segments."""
_DEAD_SHARE = 4
"""A segment is written anew when more than one in so many of its rows is dead."""
_CATCH_UP = 64
"""Commits that may still be replayed while others wait."""


class Maintenance:
    """What is due, most urgent first. One thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.steps = 0

    def run(self, budget_ms: float) -> bool:
        """Take steps until ``budget_ms`` is used up or nothing is due; whether something still is.

        A step that has begun is finished: one takes milliseconds for a delta or the log, up to a few seconds for a
        merge of millions of rows.
        """
        deadline = time.monotonic() + budget_ms / 1000
        database = self._database
        committer = database.committer
        now = database.clock.now_ns()
        with deferred, committer.reading_history():
            database.history.trim(now, committer.head)
        since = now - database.history.retention
        while True:
            logged = database.log.maintain(committer.head, database.last_creation_time, since)
            if logged and time.monotonic() >= deadline:
                return True
            due = self._due(committer.head)
            run = None if due is not None else self._run_due(committer.head)
            if due is None and run is None:
                if not logged:
                    return False
                continue
            if time.monotonic() >= deadline:
                return True
            if run is not None:
                run()
            elif due is not None and not self._rewrite(*due):
                return True
            self.steps += 1

    def _run_due(self, head: Snapshot) -> Callable[[], object] | None:
        """What builds the first run that is missing: of an index that is staged, or of a table just opened."""
        for state in head.tables.values():
            for part in state.parts:
                for _, fields in staged_indexes(state):
                    if fields not in part.prepared:
                        return partial(part.prepared_run, fields)
                position = part.unbuilt()
                if position is not None:
                    return partial(part.run, position)
                if lacks_searches(part.segment, state.definition):
                    return partial(next, preparing_searches(part.segment, state.definition), None)
        return None

    def _due(self, head: Snapshot) -> tuple[TableState, tuple[Part, ...], bool] | None:
        """The first table that needs a step: which of its parts to merge, and whether the delta goes with them."""
        for state in head.tables.values():
            for part in state.parts:
                if len(part.dead[0]) * _DEAD_SHARE > part.segment.num_rows:
                    return state, (part,), False
            if len(state.live[0]) > RECENT or len(state.parts) > MOST_PARTS:
                return state, self._mergeable(state), True
        return None

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

    def _rewrite(self, state: TableState, merged: tuple[Part, ...], with_delta: bool) -> bool:
        """Merge ``merged`` (and the delta) into one new part; ``False`` if somebody got in between."""
        database = self._database
        start = database.head
        if start.tables.get(state.name) is not state:
            return False
        parts = tuple([part for part in state.parts if part not in merged])
        recent = state.recent() if with_delta else []
        if recent or any(len(part) for part in merged):
            parts = (*parts, Part.joined(merged, recent, state.indexes))
            prepare_searches(parts[-1].segment, state.definition)
        table = TableState.over(state.name, state.number, state.definition, state.indexes, parts)
        if not with_delta:
            table = table.with_live_of(state)
        return self._swap(start, table)

    def _swap(self, start: Snapshot, table: TableState) -> bool:
        database = self._database
        caught_up = start.timestamp
        while True:
            commits = database.commits_between(caught_up, database.head.timestamp)
            if commits is None or database.head.catalog is not start.catalog:
                return False
            # Most of what happened meanwhile is replayed while commits go on; only the last few hold them up.
            for commit in commits:
                table = table.replay(commit)
            if commits:
                caught_up = commits[-1].timestamp
            if len(commits) <= _CATCH_UP:
                break

        def install(head: Snapshot, timestamp: int) -> Snapshot | None:
            final = table
            if head.catalog is not start.catalog:
                return None
            for commit in database.history.since(caught_up):
                final = final.replay(commit)
            return Snapshot(timestamp, {**head.tables, final.name: final}, head.catalog)

        return database.committer.replace_head(install, keep=False) is not None
