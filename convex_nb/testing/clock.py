"""Time that only moves when a test says so."""

from __future__ import annotations

import threading
from typing import Final

NEW_YEAR_2025: Final = 1_735_689_600_000.0
"""Where a virtual clock starts unless told otherwise, milliseconds since the epoch."""


class VirtualClock:
    """A clock that stands still until `advance` moves it. `now` is in milliseconds since the epoch."""

    def __init__(self, start_ms: float = NEW_YEAR_2025) -> None:
        self._now_ns = round(start_ms * 1e6)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"VirtualClock({self.now!r})"

    @property
    def now(self) -> float:
        """Milliseconds since the epoch."""
        return self._now_ns / 1e6

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._now_ns

    def advance(self, ms: float) -> None:
        """Move the clock by so many milliseconds; back, if they are negative, as clocks of real machines do."""
        with self._lock:
            self._now_ns += round(ms * 1e6)
