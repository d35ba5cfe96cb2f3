"""What is followed from outside of this process: run by nobody's commit, but by whoever has been asked to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final, TypeAlias

from convex_nb.functions.live.groups import Groups

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.live.shared_query import SharedQuery

    Run: TypeAlias = Callable[[SharedQuery, Snapshot], None]

SLOW_MS: Final = 50.0


def is_slow(query: SharedQuery) -> bool:
    """Whether its last run took so long that nobody else should wait for the next one."""
    return query.outcome.duration_ms > SLOW_MS


class FarQueries:
    """Those that a commit has touched, those that have news, and the groups that take these over together.

    `on_due` is called as soon as there is something to do, on any thread and under locks: it must be brief. Whoever it
    tells has a `round` made; for what is slow, that is `on_slow_due` and a `slow_round`, which rounds go on beside.
    However fast commits come, queries run no more often than that.
    """

    def __init__(self, database: Database) -> None:
        self.on_due: Callable[[], object] = lambda: None
        self.on_slow_due: Callable[[], object] = lambda: None
        self.groups = Groups(database)
        # Ordered sets, changed under the reactor's lock.
        self.due: dict[SharedQuery, None] = {}
        self.changed: dict[SharedQuery, None] = {}
        self._database = database
        self._turn = threading.Lock()
        self._slow_turn = threading.Lock()

    def wake(self) -> None:
        """Something that had to wait may run."""
        self.on_due()
        self.on_slow_due()

    def invalidate(self, query: SharedQuery) -> None:
        """It has to run again."""
        self.due[query] = None
        (self.on_slow_due if is_slow(query) else self.on_due)()

    def announce(self, query: SharedQuery) -> None:
        """It has run, and there is news."""
        self.changed[query] = None
        self.on_due()

    def forget(self, query: SharedQuery) -> None:
        """Nobody follows it any more."""
        self.due.pop(query, None)
        self.changed.pop(query, None)

    def check(self, followed: AbstractSet[SharedQuery]) -> None:
        """Verify that only followed queries wait. Raises `AssertionError`."""
        waiting = self.due.keys() | self.changed.keys()
        assert waiting <= followed, f"{waiting - followed} are forgotten but waiting"

    def round(self, run: Run, waits: Callable[[SharedQuery], bool]) -> bool:
        """Run what is due and quick, all at one snapshot, and announce it; whether more is. Some may have to wait."""
        with self._turn:
            self._round(self._database.head, run, waits)
            return bool(self.changed) or any(not waits(query) and not is_slow(query) for query in tuple(self.due))

    def _round(self, snapshot: Snapshot, run: Run, waits: Callable[[SharedQuery], bool]) -> None:
        for query in tuple(self.due):
            if not waits(query) and not is_slow(query):
                run(query, snapshot)
        self._announce()
        self.groups.move(snapshot)

    def _announce(self) -> None:
        for query in tuple(self.changed):
            self.changed.pop(query, None)
            for follower in query.subscriptions:
                follower.offer(query.outcome)

    def slow_round(
        self, run: Run, waits: Callable[[SharedQuery], bool], followed: Callable[[], Collection[SharedQuery]]
    ) -> bool:
        """Run what is due and slow, all at one snapshot; whether there was anything.

        Rounds go on meanwhile, so that when this is over others may have run for later commits. What each of
        `followed()` gave at the beginning is kept until then: who follows both is shown that moment.
        """
        groups = self.groups
        with self._slow_turn:
            if not self._slow(waits):
                return False
            with self._turn:
                snapshot = self._database.head
                self._round(snapshot, run, waits)
                groups.former = {each: each.outcome for each in followed() if not each.stale and not each.running}
                groups.moment = snapshot.timestamp
            try:
                for query in sorted(self._slow(waits), key=_duration):
                    run(query, snapshot)
                    with self._turn:
                        self._announce()
                        groups.move_back(snapshot)
            finally:
                groups.moment, groups.former = -1, {}
                # Who has been moved may be able to go on from there.
                self.on_due()
            return True

    def _slow(self, waits: Callable[[SharedQuery], bool]) -> list[SharedQuery]:
        return [query for query in tuple(self.due) if is_slow(query) and not waits(query)]


def _duration(query: SharedQuery) -> float:
    return query.outcome.duration_ms
