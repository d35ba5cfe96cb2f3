"""Milliseconds since the epoch as Arrow timestamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.segments.columns import ArrowArray

NANOSECONDS: Final = pa.timestamp("ns", tz="UTC")
_MOST_NANOSECONDS: Final = 9.2e12
"""Milliseconds since the epoch up to here are nanoseconds of 64 bits: the year 2261."""
_MOST_MILLISECONDS: Final = 8.64e15
"""Beyond this there are no dates in Convex."""
_BLOCK: Final = 16_384
"""So many numbers at a time stay in the processor's cache, and take no fresh memory."""


def timestamps(milliseconds: ArrowArray) -> ArrowArray:
    """Milliseconds as UTC timestamps, exactly; as they are where one of them is no time."""
    absent = None
    if milliseconds.null_count:
        absent = milliseconds.is_null().to_numpy(**_copying(milliseconds))
        milliseconds = pc.fill_null(milliseconds, 0.0)
    numbers: NDArray[np.float64] = milliseconds.to_numpy(**_copying(milliseconds))
    most = max(abs(numbers.min()), abs(numbers.max())) if len(numbers) else 0.0
    # Not less: also true of NaN.
    if not most < _MOST_MILLISECONDS:
        return milliseconds
    type_, scale = (NANOSECONDS, 1_000_000) if most < _MOST_NANOSECONDS else (pa.timestamp("us", tz="UTC"), 1_000)
    # Whole milliseconds apart from the rest: their product with a million is beyond what a float64 holds exactly.
    ticks = np.empty(len(numbers), np.int64)
    rests = np.empty(min(len(numbers), _BLOCK))
    rounded = np.empty(len(rests), np.int64)
    for start in range(0, len(numbers), _BLOCK):
        block = numbers[start : start + _BLOCK]
        whole = ticks[start : start + _BLOCK]
        rest = rests[: len(block)]
        whole[:] = block
        np.subtract(block, whole, out=rest)
        rest *= scale
        np.rint(rest, out=rest)
        rounded[: len(block)] = rest
        whole *= scale
        whole += rounded[: len(block)]
    return pa.array(ticks, type_, mask=absent)


def _copying(array: ArrowArray) -> dict[str, Any]:
    """An array, unlike a chunked one, asks for leave to copy."""
    return {"zero_copy_only": False} if isinstance(array, pa.Array) else {}
