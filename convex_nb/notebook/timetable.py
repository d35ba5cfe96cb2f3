"""When views of queries that look at the clock run again though nothing was committed: `live(..., every=60)`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from convex_nb.views.live_view import LiveView

LEAST_SECONDS: Final = 0.1


@dataclass
class _Turn:
    view: LiveView
    seconds: float
    due: float


class Timetable:
    """The views that have a period. It starts no thread: whoever refreshes the views asks what is due."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._turns: dict[int, _Turn] = {}

    def set(self, view: LiveView, seconds: float | None) -> None:
        """Give a view a period, or none."""
        if seconds is None:
            self._turns.pop(id(view), None)
        else:
            self._turns[id(view)] = _Turn(view, seconds, self._now() + seconds)

    def wait(self) -> float | None:
        """Return the seconds until the next view is due; None while none is to run."""
        dues = [turn.due for turn in list(self._turns.values()) if _runs(turn.view)]
        return max(0.0, min(dues) - self._now()) if dues else None

    def expire_due(self) -> None:
        """Mark the views that are due. Nothing is made up for: what was missed while nobody looked runs once."""
        now = self._now()
        for turn in list(self._turns.values()):
            if turn.due <= now and _runs(turn.view):
                turn.due = now + turn.seconds
                query = turn.view.query
                if query is not None and query.reads_clock:
                    query.expire()


def seconds_of(every: float | timedelta | None) -> float | None:
    """Return a period in seconds. Raises `ValueError` for what is none."""
    if every is None:
        return None
    seconds = every.total_seconds() if isinstance(every, timedelta) else every
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not LEAST_SECONDS <= seconds < math.inf:
        raise ValueError(f"`every` is a number of seconds, at least {LEAST_SECONDS}, or a timedelta; not {every!r}.")
    return float(seconds)


def _runs(view: LiveView) -> bool:
    return view.query is not None and not view.is_hidden
