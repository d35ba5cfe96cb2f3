"""Sorted sequences cut at common keys, so that they can be merged piece by piece."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

Sorted: TypeAlias = tuple[int, Callable[[int], Any]]
"""A length, and the function from a place to its key."""


def aligned(sequences: Sequence[Sorted], size: int) -> Iterator[list[tuple[int, int]]]:
    """Where each sequence starts and stops, piece by piece: every key of a piece comes before those of the next.

    A piece has at most ``size`` keys (one of each sequence, if those are more), and about as many where it can. Keys
    that are equal are in the same piece. Costs O(sequences x log size) keys a piece, with a logarithm more.
    """
    share = max(1, size // max(1, len(sequences)))
    starts = [0] * len(sequences)
    while True:
        # From a fair share on, in case all sequences go on alike, to the whole size, in case one goes on alone.
        cuts = []
        for (length, key_at), start in zip(sequences, starts, strict=True):
            reach = share
            while start + reach < length and reach <= size:
                cuts.append(key_at(start + reach))
                reach *= 2
        if not cuts:
            yield [(start, length) for (length, _), start in zip(sequences, starts, strict=True)]
            return
        cuts.sort()
        count = partial(_count, sequences, starts, size)
        # The first cut always fits: no sequence has more than its share before it.
        stops = _before(sequences, starts, size, cuts[max(0, bisect_right(cuts, size, key=count) - 1)])
        yield list(zip(starts, stops, strict=True))
        starts = stops


def _count(sequences: Sequence[Sorted], starts: Sequence[int], size: int, cut: Any) -> int:
    return sum(_before(sequences, starts, size, cut)) - sum(starts)


def _before(sequences: Sequence[Sorted], starts: Sequence[int], size: int, cut: Any) -> list[int]:
    """Where the keys of each sequence that come before ``cut`` end, or where it has more than a piece may have."""
    # Most sequences that follow one another are over or have not begun: one look at each of these is enough.
    return [
        bisect_left(range(min(length, start + size + 1)), cut, start, key=key_at)
        if start < length and key_at(start) < cut
        else start
        for (length, key_at), start in zip(sequences, starts, strict=True)
    ]
