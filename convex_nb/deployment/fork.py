"""A copy of a deployment to try things on: it shares the documents until one of the two changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from convex_nb.deployment.foundation import Foundation
from convex_nb.engine.database import Database
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.table import TableState

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.definition import Function

_LEFT_OUT: Final = frozenset({"_scheduled_functions", "_cron_jobs", "_cron_runs"})
"""What the original is going to do is not done twice."""


class Forking(Foundation):
    """What a deployment does with copies of itself."""

    def fork(self) -> Deployment:
        """A deployment in memory with the same documents, schema and functions; nothing flows back.

        Both share what neither of them changes. Scheduled functions and crons stay with the original. Its past begins
        now. Costs O(tables + functions).
        """
        from convex_nb.deployment.deployment import Deployment

        self._check_open()
        forked = Deployment(_forked_database(self._database), self._mode)
        modules: dict[str, list[Function]] = {}
        for path, function in self._registry.functions.items():
            modules.setdefault(path.rpartition(":")[0], []).append(function)
        forked._registry.register_modules(modules)
        # The same objects are registered twice: the entry that they know stays that of the original.
        self._registry.register_modules(modules)
        return forked


def _forked_database(database: Database) -> Database:
    head = database.head
    tables = {
        name: TableState(name, state.number, state.definition, state.indexes, state.parts, state.live)
        for name, state in head.tables.items()
        if name not in _LEFT_OUT
    }
    forked = Database(
        clock=database.clock,
        limits=database.limits,
        random_bytes=database.random_bytes,
        retention=database.history.retention,
        first=Snapshot(head.timestamp, tables, head.catalog),
        creation_time=database.last_creation_time,
    )
    for number, name in database.table_names.items():
        forked.remember_table(name, number)
    return forked
