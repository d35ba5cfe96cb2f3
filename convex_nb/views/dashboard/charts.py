"""The last hour, minute by minute, as lines of charts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Final

from convex_nb.views.dashboard.blocks import Chart
from convex_nb.views.dashboard.page import OWN

if TYPE_CHECKING:
    from convex_nb.functions.logs.tallies import Tally

MINUTES: Final = 60
_MINUTE_MS: Final = 60_000

Line = tuple[str, Callable[["Tally"], float | None]]


class LastHour:
    """What functions did in each minute of the hour up to now, by the clock that they ran by."""

    def __init__(self, minutes: Iterable[tuple[int, Tally]]) -> None:
        minutes = [(at, tally) for at, tally in minutes if tally.path not in OWN]
        now = time.time() * 1000
        newest = minutes[-1][0] if minutes else now
        # A clock that is moved by hand may be at any time.
        end = newest if abs(now - newest) > MINUTES * _MINUTE_MS else now
        self._first = int(end // _MINUTE_MS) - MINUTES + 1
        self._minutes = [(at, tally) for at, tally in minutes if at // _MINUTE_MS >= self._first]

    def of_kind(self, kind: str) -> LastHour:
        """What functions of one kind did in it."""
        part = copy(self)
        part._minutes = [(at, tally) for at, tally in self._minutes if tally.kind == kind]
        return part

    def total(self, path: str | None = None) -> Tally | None:
        """All of it, of one function or of all; None if nothing ran."""
        return _sum([tally for _, tally in self._minutes if path in (None, tally.path)])

    def chart(self, label: str, unit: str, lines: Iterable[Line], path: str | None = None) -> Chart:
        """Return lines of figures, each made of what ran in a minute."""
        by_minute: list[list[Tally]] = [[] for _ in range(MINUTES)]
        for at, tally in self._minutes:
            place = at // _MINUTE_MS - self._first
            if path in (None, tally.path) and 0 <= place < MINUTES:
                by_minute[place].append(tally)
        sums = [_sum(tallies) for tallies in by_minute]
        drawn = [(name, [None if each is None else figure(each) for each in sums]) for name, figure in lines]
        return {"label": label, "lines": drawn, "unit": unit}


def failures(tally: Tally) -> float | None:
    """Percent of calls that failed."""
    return 100 * tally.errors / tally.calls if tally.calls else None


def hits(tally: Tally) -> float | None:
    """Percent of a query's calls that the cache answered."""
    rate = tally.hit_rate
    return None if rate is None else 100 * rate


def _sum(tallies: Sequence[Tally]) -> Tally | None:
    if not tallies:
        return None
    total = type(tallies[0])("", tallies[0].kind)
    for tally in tallies:
        total.merge(tally)
    return total


def percent(share: float | None) -> str:
    """Return a share in percent as text, a dash where there is none."""
    return "–" if share is None else f"{share:.0f}%" if share in (0, 100) or share >= 10 else f"{share:.1f}%"
