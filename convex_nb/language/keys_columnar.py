"""The bytes of `keys.py` for whole Arrow columns at once.

Keys are Arrow binary arrays with one key a row. A null value has a null key until `fill_absent` says what it stands
for; `join_keys` puts the keys of several fields together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.language.keys import encode_value
from convex_nb.language.values import UNDEFINED

ArrowArray: TypeAlias = Any
Keys: TypeAlias = Any
"""An Arrow ``binary`` or ``large_binary`` array."""

MISSING_KEY: Final = encode_value(UNDEFINED)
NULL_KEY: Final = encode_value(None)
_MOST_BYTES: Final = 2**31 - 1


def number_keys(values: ArrowArray) -> Keys:
    """The keys of a ``float64`` or ``int64`` array of numbers (beyond 2**53 a float64 stands for its neighbours)."""
    matrix = numpy.empty((len(values), 9), numpy.uint8)
    matrix[:, 0] = 0x0D
    matrix[:, 1:] = number_order(values).byteswap().view(numpy.uint8).reshape(-1, 8)
    return _fixed_width(matrix, values)


def number_order(values: ArrowArray) -> NDArray[numpy.uint64]:
    """Numbers as unsigned integers in the same order, the total order's; that of zero where the array is null."""
    floats = numpy.ascontiguousarray(pc.fill_null(values, 0).to_numpy(zero_copy_only=False), dtype=numpy.float64)
    bits = floats.view(numpy.uint64)
    # All bits of negative numbers flip, and the sign bit of the others.
    flip = (bits.view(numpy.int64) >> 63).view(numpy.uint64) | numpy.uint64(1 << 63)
    return bits ^ flip


def boolean_keys(values: ArrowArray) -> Keys:
    """The keys of a ``bool`` array."""
    bits = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return _fixed_width((bits + numpy.uint8(0x0E)).astype(numpy.uint8).reshape(-1, 1), values)


def int64_keys(values: ArrowArray) -> Keys:
    """The keys of an ``int64`` array of `Int64` values: as few bytes as each value needs."""
    numbers = numpy.ascontiguousarray(pc.fill_null(values, 0).to_numpy(zero_copy_only=False), dtype=numpy.int64)
    # A non-negative number with the same bits but the sign, so that one comparison finds the width of both signs.
    magnitude = numbers ^ (numbers >> 63)
    widths = numpy.full(len(numbers), 8, numpy.int64)
    for width in (4, 2, 1):
        widths[magnitude < 1 << (width * 8 - 1)] = width
    widths[numbers == 0] = 0
    starts = numpy.zeros(len(numbers) + 1, numpy.int64)
    numpy.cumsum(widths + 1, out=starts[1:])
    content = numpy.empty(int(starts[-1]), numpy.uint8)
    big_endian = numbers.byteswap().view(numpy.uint8).reshape(-1, 8)
    content[starts[:-1][widths == 0]] = 0x08
    for width, negative, positive in ((1, 0x07, 0x09), (2, 0x06, 0x0A), (4, 0x05, 0x0B), (8, 0x04, 0x0C)):
        chosen = numpy.flatnonzero(widths == width)
        at = starts[chosen]
        content[at] = numpy.where(numbers[chosen] < 0, negative, positive)
        content[at[:, None] + numpy.arange(1, width + 1)] = big_endian[chosen, 8 - width :]
    return _restore_nulls(_from_buffers(content, starts), values)


def string_keys(values: ArrowArray) -> Keys:
    """The keys of a ``string`` or ``large_string`` array."""
    return _text_keys(b"\x10", values.cast(pa.large_binary() if values.type == pa.large_string() else pa.binary()))


def bytes_keys(values: ArrowArray) -> Keys:
    """The keys of a ``binary`` or ``large_binary`` array."""
    return _text_keys(b"\x11", values)


def _text_keys(tag: bytes, values: ArrowArray) -> Keys:
    if pc.any(pc.match_substring(values, b"\x00")).as_py():
        values = pa.array(
            [None if text is None else text.replace(b"\x00", b"\x00\xff") for text in values.to_pylist()], values.type
        )
    return join_keys([_scalar(tag, values), values, _scalar(b"\x00", values)], values.nbytes + 2 * len(values))


def _scalar(content: bytes, like: ArrowArray) -> Any:
    return pa.scalar(content, like.type)


def constant_keys(key: bytes, count: int) -> Keys:
    """The same key for every row."""
    return _fixed_width(numpy.broadcast_to(numpy.frombuffer(key, numpy.uint8), (count, len(key))))


def fill_absent(keys: Keys, nulls: ArrowArray | None, absent: bytes) -> Keys:
    """Replace null keys: by null's own key where ``nulls`` (a ``bool`` array) is true, else by ``absent``."""
    if not keys.null_count:
        return keys
    if nulls is not None:
        keys = pc.if_else(nulls, pa.scalar(NULL_KEY, keys.type), keys)
    return pc.fill_null(keys, pa.scalar(absent, keys.type))


def join_keys(pieces: Sequence[Keys], nbytes: int | None = None) -> Keys:
    """The keys of tuples: those of their fields one after another. ``nbytes`` is how many they come to."""
    if len(pieces) == 1:
        return pieces[0]
    if nbytes is None:
        nbytes = sum(piece.nbytes for piece in pieces)
    if nbytes > _MOST_BYTES or any(piece.type == pa.large_binary() for piece in pieces):
        pieces = [piece.cast(pa.large_binary()) for piece in pieces]
    return pc.binary_join_element_wise(*pieces, pa.scalar(b"", pieces[0].type))


def _fixed_width(matrix: NDArray[numpy.uint8], values: ArrowArray | None = None) -> Keys:
    count, width = matrix.shape
    return _restore_nulls(_from_buffers(matrix, numpy.arange(count + 1, dtype=numpy.int64) * width), values)


def _from_buffers(content: NDArray[numpy.uint8], starts: NDArray[numpy.int64]) -> Keys:
    large = int(starts[-1]) > _MOST_BYTES
    offsets = starts if large else starts.astype(numpy.int32)
    data = pa.py_buffer(numpy.ascontiguousarray(content))
    return pa.Array.from_buffers(
        pa.large_binary() if large else pa.binary(), len(starts) - 1, [None, pa.py_buffer(offsets), data]
    )


def _restore_nulls(keys: Keys, values: ArrowArray | None) -> Keys:
    if values is None or not values.null_count:
        return keys
    return pc.if_else(values.is_valid(), keys, pa.scalar(None, keys.type))
