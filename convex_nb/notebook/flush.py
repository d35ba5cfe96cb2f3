"""When live views refresh: together, at most every 100 ms, and whenever a cell has ended."""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from convex_nb.notebook.timetable import Timetable

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.views.live_view import LiveView

INTERVAL: Final = 0.1
"""Seconds between two flushes; four times what the last one took, where that is longer, so that views never eat the
notebook."""
SHARE: Final = 4
HAS_THREADS: Final = sys.platform != "emscripten"

log = logging.getLogger(__name__)


class Flush:
    """Refreshes marked views at one snapshot.

    Commits only call `mark`. Marked views refresh when a cell ends (`now`), or on the one thread that this object owns:
    a daemon, asleep while nothing is marked, absent where Python has no threads. `after` runs after each flush and
    returns the seconds after which it wants to run again, or None. What views send within one `together` leaves as one
    message.
    """

    def __init__(
        self,
        after: Callable[[bool], float | None] | None = None,
        *,
        together: Callable[[], AbstractContextManager[None]] = nullcontext,
        threaded: bool = HAS_THREADS,
    ) -> None:
        self._after = after
        self._together = together
        self._threaded = threaded
        self._views: dict[int, tuple[Deployment, LiveView]] = {}
        self._moved: dict[int, Callable[[], None]] = {}
        self._timetable = Timetable()
        self._listened: WeakSet[Deployment] = WeakSet()
        self._counts_commits = False
        self._flushing = threading.RLock()
        # Whether a view is stale, and when the next flush is wanted though none is: `_wake` has the thread look.
        self._marked = False
        self._due = math.inf
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._next = 0.0
        self._flusher: int | None = None

    @property
    def views(self) -> list[LiveView]:
        """The views that follow commits."""
        return [view for _, view in list(self._views.values())]

    def mark(self) -> None:
        """Note that a view is stale. Called inside commits, on any thread: never blocks."""
        self._marked = True
        self._wake.set()

    def _committed(self, _commit: object) -> None:
        # A paused view says how many commits it is behind; others are marked by those that touch them.
        if self._counts_commits:
            self.mark()

    def add(self, deployment: Deployment, view: LiveView, every: float | None = None) -> None:
        """Let a view follow its deployment's commits and, with a period in seconds, the clock."""
        self._views[id(view)] = (deployment, view)
        if deployment not in self._listened:
            self._listened.add(deployment)
            deployment.on_commit.append(self._committed)
        self._timetable.set(view, every)
        if every is not None:
            self.mark()
        if self._threaded and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="convex_nb views", daemon=True)
            self._thread.start()

    def discard(self, view: LiveView) -> None:
        """Forget a view."""
        self._views.pop(id(view), None)
        self._timetable.set(view, None)
        self._moved.pop(id(view), None)

    def later(self, view: LiveView, move: Callable[[], None]) -> None:
        """Run `move` before the next flush; of several for one view only the last."""
        if self._threaded:
            self._moved[id(view)] = move
            self.mark()
        else:
            move()

    def now(self, *, cell_ended: bool = False) -> float | None:
        """Refresh every marked view; return the seconds until `after` wants to run again. One flush at a time."""
        with self._flushing:
            outer, self._flusher = self._flusher, threading.get_ident()
            try:
                return self._refresh(cell_ended)
            finally:
                self._flusher = outer

    def catch_up(self) -> None:
        """Refresh here and now, unless this thread is at it: an observer that writes is not to call itself."""
        if self._flusher != threading.get_ident():
            self.now()

    def _refresh(self, cell_ended: bool) -> float | None:
        self._timetable.expire_due()
        self._marked = False
        started = time.monotonic()
        while self._moved:
            _, move = self._moved.popitem()
            try:
                move()
            except Exception:
                # A widget has a value that the query refuses: that view stays where it is, the others go on.
                log.exception("convex_nb: a live view could not follow its arguments")
        views = list(self._views.values())
        self._counts_commits = any(view.is_paused for _, view in views)
        with self._together():
            for _, view in views:
                view.expect()
        moved = {
            id(query)
            for deployment in {id(deployment): deployment for deployment, _ in views}.values()
            for query in deployment.refresh()
        }
        with self._together():
            for _, view in views:
                if view.is_among(moved):
                    view.absorb()
                else:
                    view.pump()
        wanted = _sooner(self._after(cell_ended) if self._after else None, self._timetable.wait())
        ended = time.monotonic()
        self._next = ended + max(INTERVAL, SHARE * (ended - started))
        self._due = math.inf if wanted is None else ended + wanted
        if wanted is not None:
            # The thread may be about to wait for longer.
            self._wake.set()
        return wanted

    def if_due(self) -> None:
        """Refresh here and now, unless the last flush was a moment ago or another one is going on."""
        if time.monotonic() >= self._next and self._flushing.acquire(blocking=False):
            try:
                # What it runs may commit, and come here again.
                self._next = time.monotonic() + INTERVAL
                self.now()
            except Exception:
                log.exception("convex_nb: a live view could not be refreshed")
            finally:
                self._flushing.release()

    def close(self) -> None:
        """Stop the thread and leave the deployments. Views stay as they are."""
        for deployment in self._listened:
            if self._committed in deployment.on_commit:
                deployment.on_commit.remove(self._committed)
        self._listened.clear()
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        self._thread = None

    def _run(self) -> None:
        while True:
            left = self._due - time.monotonic()
            self._wake.wait(None if left == math.inf else max(0.0, left))
            self._wake.clear()
            if not (self._marked or self._stop.is_set() or time.monotonic() >= self._due):
                # Another thread has flushed.
                continue
            if self._stop.wait(max(0.0, self._next - time.monotonic())) or self._stop.is_set():
                return
            try:
                self.now()
            except Exception:
                # An observer of a view raised, or the deployment was closed under us: the other views go on.
                log.exception("convex_nb: a live view could not be refreshed")
                self._due = math.inf


def _sooner(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)
