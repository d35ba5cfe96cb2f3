"""Threads that do what nobody should have to wait for: upkeep, and what is due at a time."""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from typing import Final, Protocol

HAS_THREADS: Final = sys.platform != "emscripten"
IDLE_SECONDS: Final = 30.0
"""Without commits it looks this often whether something has become too old to be kept."""
PAUSE_SECONDS: Final = 0.05
"""What it leaves to others between a commit and its own work, and between two slices of that."""

log: Final = logging.getLogger("convex_nb")


class Background(Protocol):
    """What the thread works for."""

    def work(self) -> bool:
        """Do a slice of what is due; whether more is."""
        ...

    def rest(self) -> float:
        """After how many seconds it is to look again, though nobody wakes it."""
        ...


class Worker:
    """A daemon thread, started by the first `wake`, that calls `work` until nothing is due, and sleeps.

    It holds its owner weakly: a deployment that everybody has forgotten ends it. `is_prompt`: it leaves no pause to
    others before it works.
    """

    def __init__(self, owner: Background, *, name: str = "convex_nb worker", is_prompt: bool = False) -> None:
        self._owner = weakref.ref(owner)
        self._name = name
        self._is_prompt = is_prompt
        self._due = threading.Event()
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Something may be due. Costs a fraction of a microsecond; never blocks."""
        if not self._due.is_set():
            self._due.set()
            if self._thread is None:
                self._start()

    def stop(self) -> None:
        """End the thread, after the slice that it is at. Safe on the thread itself, and twice."""
        self._stop.set()
        self._due.set()
        thread = self._thread
        # One that another thread is about to start ends at once.
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(timeout=5)

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None:
                # Another thread has woken it at the same time.
                return
            thread = threading.Thread(
                target=_run, args=(self._owner, self._due, self._stop, self._is_prompt), name=self._name, daemon=True
            )
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:
                # The interpreter is on its way out.
                self._thread = None


def _run(owner: weakref.ref[Background], due: threading.Event, stop: threading.Event, is_prompt: bool = False) -> None:
    failures = 0
    seconds = IDLE_SECONDS
    while not stop.is_set():
        due.wait(seconds)
        due.clear()
        more = True
        while more and not stop.wait(_pause(is_prompt, failures)):
            background = owner()
            if background is None:
                return
            try:
                more = background.work()
                seconds = IDLE_SECONDS if more else min(background.rest(), IDLE_SECONDS)
                failures = 0
            except Exception:
                if not threading.main_thread().is_alive():
                    # The interpreter is on its way out, and refuses what it would not have: an import, a thread.
                    return
                # Said once: what fails for a reason fails again after the next commit.
                if not failures:
                    log.exception("convex_nb: background work failed; it is tried again later")
                failures = min(failures + 1, 10)
                more = False
                seconds = IDLE_SECONDS
            del background


def _pause(is_prompt: bool, failures: int) -> float:
    return 0.0 if is_prompt and not failures else min(PAUSE_SECONDS * 2**failures, IDLE_SECONDS)
