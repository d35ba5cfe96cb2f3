"""Where the engine gets the time."""

from __future__ import annotations

from time import time_ns
from typing import Protocol


class Clock(Protocol):
    """Where the engine gets the time."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch; may stand still or go back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time_ns()
