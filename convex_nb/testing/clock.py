"""Time that only moves when a test says so."""

from __future__ import annotations

import threading
from datetime import timedelta
from math import isfinite
from typing import Final, Protocol
from weakref import WeakSet

from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError

NEW_YEAR_2025: Final = 1_735_689_600_000.0
"""Where a virtual clock starts unless told otherwise, milliseconds since the epoch."""


class Follower(Protocol):
    """Something that happens by the clock: the scheduled functions and crons of a deployment."""

    def run_due(self) -> object:
        """Run what is due now."""
        ...

    def next_due_ms(self) -> float | None:
        """The first time after now at which something is due."""
        ...


class VirtualClock:
    """A clock that stands still until `advance` moves it. `now` is in milliseconds since the epoch."""

    def __init__(self, start_ms: float = NEW_YEAR_2025) -> None:
        self._now_ns = _nanoseconds(start_ms)
        self._lock = threading.Lock()
        self._followers: WeakSet[Follower] = WeakSet()

    def __repr__(self) -> str:
        return f"VirtualClock({self.now!r})"

    @property
    def now(self) -> float:
        """Milliseconds since the epoch."""
        return self._now_ns / 1_000_000

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._now_ns

    def follow(self, follower: Follower) -> None:
        """Let a follower run what is due, at its time, whenever the clock is moved. It is held weakly."""
        self._followers.add(follower)

    def advance(self, ms: float | timedelta) -> None:
        """Move the clock by so many milliseconds; what is due on the way runs, at its own time, before this returns.

        Negative ones move it back, as clocks of real machines do; nothing runs then. Raises `InvalidValueError`.
        """
        if isinstance(ms, timedelta):
            ms = ms / timedelta(milliseconds=1)
        if isinstance(ms, bool) or not isinstance(ms, (int, float)) or not isfinite(ms):
            raise InvalidValueError(
                f"advance() takes a number of milliseconds or a timedelta, not {describe(ms, 80)}. The clock stands.",
                value=ms,
            )
        if ms < 0:
            with self._lock:
                self._now_ns += _nanoseconds(ms)
            return
        target = self._now_ns + _nanoseconds(ms)
        while True:
            followers = list(self._followers)
            for follower in followers:
                follower.run_due()
            times = [follower.next_due_ms() for follower in followers]
            due = min([_not_before(time) for time in times if time is not None], default=target + 1)
            self._move_to(min(due, target))
            if due > target:
                return

    def _move_to(self, ns: int) -> None:
        # What ran may have moved the clock itself, and further.
        with self._lock:
            self._now_ns = max(self._now_ns, ns)


def _nanoseconds(ms: float) -> int:
    whole = int(ms // 1)
    return whole * 1_000_000 + round((ms - whole) * 1e6)


def _not_before(ms: float) -> int:
    """The first nanosecond that is, in milliseconds, not before `ms`."""
    ns = _nanoseconds(ms)
    while ns / 1_000_000 < ms:
        ns += 1
    return ns
