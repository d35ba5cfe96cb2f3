"""The threads that keep the queries of far-away clients current."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from convex_nb.deployment.worker import HAS_THREADS, IDLE_SECONDS, Worker

if TYPE_CHECKING:
    from convex_nb.functions.live.reactor import Reactor

LONGEST_REST: Final = 0.1


class FollowUp:
    """Runs them as soon as a commit has touched them, so that whoever commits pays nothing for them.

    After each round it leaves as much time to others as that took: a cell that commits in a loop keeps half of it. What
    is slow has a thread of its own, which starts when something turns out to be.
    """

    def __init__(self, reactor: Reactor) -> None:
        self._quick = _Rounds(reactor.flush_far)
        self._slow = _Rounds(reactor.flush_slow)
        self.workers = (
            Worker(self._quick, name="convex_nb clients", is_prompt=True),
            Worker(self._slow, name="convex_nb slow queries", is_prompt=True),
        )
        if HAS_THREADS:
            reactor.far.on_due, reactor.far.on_slow_due = [worker.wake for worker in self.workers]


class _Rounds:
    """One of the two kinds of rounds."""

    def __init__(self, flush: Callable[[], bool]) -> None:
        self._flush = flush

    def work(self) -> bool:
        """Make a round; whether another one is due."""
        started = time.perf_counter()
        more = self._flush()
        time.sleep(min(time.perf_counter() - started, LONGEST_REST))
        return more

    def rest(self) -> float:
        """It is woken when there is something to do."""
        return IDLE_SECONDS
