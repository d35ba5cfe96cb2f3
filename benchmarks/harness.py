"""One comparison: ours and a peer, alternating in one run, medians."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

SAMPLE_SECONDS = 0.01
"""A sample repeats a quick operation until it lasts about this long, so that the clock's own cost vanishes."""

MIN_ROUNDS, MAX_ROUNDS = 5, 61
SLOW_SECONDS, SLOW_ROUNDS = 1.0, 3
"""Of rounds that take this long, fewer are enough: what disturbs a short sample is small beside them."""
LONG_SECONDS = 10.0
"""Of calls that take this long the first is enough: so is what only a first one pays for."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    `ours` and `peer` do the same work once. With unit "seconds" their time is taken; with "bytes" or "count", or with
    `returned`, they return the figure and run once. `target` is the largest ratio ours / peer that we promise, or None
    where it is only reported. `before` runs untimed ahead of every sample of either side, for work that uses something
    up; a sample is then one call. A call that does `calls` operations in a loop says so, and figures are per operation.
    """

    name: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    peer_name: str
    target: float | None = None
    unit: Literal["seconds", "bytes", "count"] = "seconds"
    returned: bool = False
    before: Callable[[], object] | None = None
    calls: int = 1
    seconds: float = 2.0
    """How long the line may take altogether; a few rounds are made whatever they take. Half of it without a target."""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A line that this machine cannot measure, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Figure:
    """What a line measured: medians per operation, in the line's unit."""

    name: str
    peer_name: str
    unit: str
    ours: float
    peer: float
    ratio: float
    target: float | None
    rounds: int

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None for a line without one."""
        return None if self.target is None else self.ratio <= self.target


def measure(line: Line) -> Figure:
    """Takes alternating samples of both sides until the line's time is used up."""
    if line.unit != "seconds" or line.returned:
        return _figure(line, [_returned(line.ours)], [_returned(line.peer)])
    ours_once, ours_repeats = _repeats(line, line.ours)
    peer_once, peer_repeats = _repeats(line, line.peer)
    if min(ours_once, peer_once) > LONG_SECONDS:
        return _figure(line, [ours_once], [peer_once])
    ours: list[float] = []
    peer: list[float] = []
    gc.collect()
    start = perf_counter()
    end = start + (line.seconds / 2 if line.target is None else line.seconds)
    while len(ours) < _fewest(len(ours), perf_counter() - start) or (perf_counter() < end and len(ours) < MAX_ROUNDS):
        # Who goes first changes each round, so that neither side always meets the other's warm or cold caches.
        if len(ours) % 2:
            ours.append(_sample(line, line.ours, ours_repeats))
            peer.append(_sample(line, line.peer, peer_repeats))
        else:
            peer.append(_sample(line, line.peer, peer_repeats))
            ours.append(_sample(line, line.ours, ours_repeats))
    return _figure(line, ours, peer)


def _fewest(rounds: int, seconds: float) -> int:
    """How many rounds there have to be, after so many in so many seconds."""
    return SLOW_ROUNDS if seconds > rounds * SLOW_SECONDS else MIN_ROUNDS


def _sample(line: Line, operation: Callable[[], object], repeats: int) -> float:
    if line.before is not None:
        line.before()
    start = perf_counter()
    for _ in range(repeats):
        operation()
    return (perf_counter() - start) / repeats


def _repeats(line: Line, operation: Callable[[], object]) -> tuple[float, int]:
    """How long one call takes, and how many make a sample."""
    once = _sample(line, operation, 1)
    if once < SLOW_SECONDS:
        # The first call has paid for imports and caches.
        once = _sample(line, operation, 1)
    if line.before is not None:
        return once, 1
    return once, max(1, round(SAMPLE_SECONDS / max(once, 1e-7)))


def _returned(operation: Callable[[], object]) -> float:
    value = operation()
    if not isinstance(value, int | float):
        raise TypeError(f'a line of unit "bytes" returns its figure as a number, not {type(value).__name__}')
    return float(value)


def _figure(line: Line, ours: list[float], peer: list[float]) -> Figure:
    ours_median = statistics.median(ours) / line.calls
    peer_median = statistics.median(peer) / line.calls
    return Figure(
        name=line.name,
        peer_name=line.peer_name,
        unit=line.unit,
        ours=ours_median,
        peer=peer_median,
        ratio=ours_median / peer_median,
        target=line.target,
        rounds=len(ours),
    )
