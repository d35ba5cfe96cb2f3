"""What is followed from outside of this process: run by nobody's commit, but by whoever has been asked to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from convex_nb.functions.live.groups import Groups

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.live.live_query import SharedQuery


class FarQueries:
    """Those that a commit has touched, those that have news, and the groups that take these over together.

    `on_due` is called as soon as there is something to do, on any thread and under locks: it must be brief. Whoever it
    tells has a `round` made. However fast commits come, queries run no more often than that.
    """

    def __init__(self, database: Database) -> None:
        self.on_due: Callable[[], object] = lambda: None
        self.groups = Groups(database)
        # Ordered sets, changed under the reactor's lock.
        self.due: dict[SharedQuery, None] = {}
        self.changed: dict[SharedQuery, None] = {}
        self._database = database
        self._turn = threading.Lock()

    def invalidate(self, query: SharedQuery) -> None:
        """It has to run again."""
        self.due[query] = None
        self.on_due()

    def announce(self, query: SharedQuery) -> None:
        """It has run, and there is news."""
        self.changed[query] = None
        self.on_due()

    def round(self, run: Callable[[SharedQuery, Snapshot], None], waits: Callable[[SharedQuery], bool]) -> bool:
        """Run what is due, all at one snapshot, and announce it; whether more is due. Some may have to wait."""
        with self._turn:
            snapshot = self._database.head
            for query in tuple(self.due):
                if not waits(query):
                    run(query, snapshot)
            for query in tuple(self.changed):
                self.changed.pop(query, None)
                for follower in query.subscriptions:
                    follower.offer(query.outcome)
            self.groups.move(snapshot)
            return bool(self.changed) or not all(waits(query) for query in tuple(self.due))
