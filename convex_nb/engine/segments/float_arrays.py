"""Arrays of floats as their bytes: a third of what the same numbers take as text, and nothing to parse."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.language.documents import ReadOnlyList

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from convex_nb.engine.segments.columns import ArrowArray


def are_floats(values: Iterable[Any]) -> bool:
    """Whether the elements of all these lists are floats, and there are any. Costs O(elements), in C."""
    lists = [value for value in values if value]
    # Most lists of anything else are known by their first element.
    return {type(each[0]) for each in lists} == {float} and set(map(type, chain.from_iterable(lists))) == {float}


def bytes_of(values: Sequence[float]) -> bytes:
    """The floats one after another, as this machine keeps them."""
    return array("d", values).tobytes()


def floats_of(data: bytes) -> ReadOnlyList:
    """The array that `bytes_of` was given, read-only."""
    return ReadOnlyList(memoryview(data).cast("d").tolist())


def list_array(values: ArrowArray) -> ArrowArray:
    """A column's arrays of bytes as lists of float64, which share them."""
    validity, offsets, data = values.buffers()
    width = numpy.dtype(numpy.int64 if values.type == pa.large_binary() else numpy.int32)
    # Eight times fewer than bytes, so that 32 bits are enough for all that there is room for.
    ends = (numpy.frombuffer(offsets, width, len(values) + 1) // 8).astype(numpy.int32)
    numbers = pa.Array.from_buffers(pa.float64(), int(ends[-1]), [None, data])
    return pa.Array.from_buffers(
        pa.list_(pa.float64()), len(values), [validity, pa.py_buffer(ends)], children=[numbers]
    )


def packed(lists: ArrowArray) -> ArrowArray | None:
    """Arrow's lists of floats as arrays of bytes; ``None`` where elements are null or of another type."""
    type_ = lists.type
    if not any(test(type_) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)):
        return None
    # Only of lists that are there, also where a null has elements.
    numbers = lists.flatten()
    if not pa.types.is_floating(numbers.type) or numbers.null_count:
        return None
    numbers = numpy.ascontiguousarray(numbers.cast(pa.float64()).to_numpy())
    ends = numpy.zeros(len(lists) + 1, numpy.int64)
    numpy.cumsum(pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False), out=ends[1:])
    ends *= 8
    wide = ends[-1] > numpy.iinfo(numpy.int32).max
    offsets = pa.py_buffer(ends if wide else ends.astype(numpy.int32))
    validity = pa.concat_arrays([lists.is_valid()]).buffers()[1] if lists.null_count else None
    return pa.Array.from_buffers(
        pa.large_binary() if wide else pa.binary(), len(lists), [validity, offsets, pa.py_buffer(numbers)]
    )
