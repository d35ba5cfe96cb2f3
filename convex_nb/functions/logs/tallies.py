"""How functions have been doing: counts and durations by function and minute, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log2
from typing import Any, Final

MOST_MINUTES: Final = 10_000
"""Pairs of a function and a minute that are kept; the oldest go first."""
_STEPS: Final = 8
"""Classes of durations for each doubling: a quantile is off by at most 5 percent."""
_MINUTE_MS: Final = 60_000


@dataclass(slots=True)
class Tally:
    """What calls of one function added up to."""

    path: str
    kind: str
    calls: int = 0
    """Calls, answers from the cache included."""
    errors: int = 0
    cached: int = 0
    retries: int = 0
    documents_read: int = 0
    documents_written: int = 0
    durations: dict[int, int] = field(default_factory=dict)
    """Calls by class of duration, those that were answered from the cache left out."""

    def add(self, record: tuple[Any, ...]) -> None:
        """One more call: the fields of an `ExecutionRecord`, by their places since this is done for every call."""
        self.calls += 1
        if record[8]:
            self.cached += 1
            return
        self.errors += record[4] == "failure"
        self.retries += record[9]
        self.documents_read += record[10]
        self.documents_written += record[11]
        step = round(log2(max(record[6], 1e-6)) * _STEPS)
        self.durations[step] = self.durations.get(step, 0) + 1

    def merge(self, other: Tally) -> None:
        """Add another one's calls."""
        self.calls += other.calls
        self.errors += other.errors
        self.cached += other.cached
        self.retries += other.retries
        self.documents_read += other.documents_read
        self.documents_written += other.documents_written
        for step, number in other.durations.items():
            self.durations[step] = self.durations.get(step, 0) + number

    def quantile(self, share: float) -> float | None:
        """Milliseconds within which this share of the calls that ran were over; `None` if none ran."""
        left = share * sum(self.durations.values())
        for step in sorted(self.durations):
            left -= self.durations[step]
            if left <= 0:
                return float(2 ** (step / _STEPS))
        return None

    @property
    def hit_rate(self) -> float | None:
        """The share of the calls of a query that were answered from the cache."""
        return self.cached / self.calls if self.kind == "query" and self.calls else None


class Tallies:
    """Adds up calls: the `ExecutionRecord`s, or plain tuples of the same fields, that wait in `waiting`.

    Whoever appends to it calls `add_up` now and then, which costs half a microsecond for each. Safe for threads.
    """

    def __init__(self) -> None:
        self.waiting: Final[deque[tuple[Any, ...]]] = deque()
        # Of minutes that are not kept any more.
        self._earlier: dict[tuple[str, str], Tally] = {}
        self._minutes: dict[tuple[float, str, str], Tally] = {}
        self._lock = threading.Lock()

    def totals(self) -> list[Tally]:
        """Each function since the deployment was opened, by path."""
        self.add_up()
        totals: dict[tuple[str, str], Tally] = {}
        with self._lock:
            for tally in [*self._earlier.values(), *self._minutes.values()]:
                totals.setdefault((tally.path, tally.kind), Tally(tally.path, tally.kind)).merge(tally)
        return [totals[key] for key in sorted(totals)]

    def minutes(self) -> Iterator[tuple[int, Tally]]:
        """Each function in each minute in which it ran, oldest first: when the minute began, in milliseconds."""
        self.add_up()
        with self._lock:
            minutes = sorted(self._minutes)
            return iter([(int(key[0]) * _MINUTE_MS, self._minutes[key]) for key in minutes])

    def add_up(self) -> None:
        """Take over what waits."""
        with self._lock:
            minutes = self._minutes
            minute, path, kind, tally = -1.0, "", "", None
            while self.waiting:
                record = self.waiting.popleft()
                # Mostly the same function is called again in the same minute.
                if tally is None or record[2] != path or record[1] // _MINUTE_MS != minute or record[3] != kind:
                    minute, path, kind = key = (record[1] // _MINUTE_MS, record[2], record[3])
                    tally = minutes.get(key)
                    if tally is None:
                        tally = minutes[key] = Tally(path, kind)
                tally.add(record)
            while len(minutes) > MOST_MINUTES:
                tally = minutes.pop(next(iter(minutes)))
                self._earlier.setdefault((tally.path, tally.kind), Tally(tally.path, tally.kind)).merge(tally)
