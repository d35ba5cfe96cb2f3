"""How a segment's rows are divided, so that what is made of them is made in short steps."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convex_nb.engine.segments.columns import Column


def stretches_of(rows: int, column: Column | None, most_rows: int, most_bytes: int) -> list[int]:
    """Where each stretch begins, and where the last one ends: at most so many rows, and bytes if they are several."""
    starts = [0]
    offsets = None if column is None else column.offsets
    while starts[-1] < rows:
        start = starts[-1]
        stop = min(start + most_rows, rows)
        if offsets is not None:
            stop = max(start + 1, bisect_right(offsets, offsets[start] + most_bytes, start, stop + 1) - 1)
        starts.append(stop)
    return starts
