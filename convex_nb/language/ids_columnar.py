"""The ids of `ids.py` for whole columns at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.language.ids import ALPHABET, INTERNAL_BYTES, encode_table_number

ArrowArray: TypeAlias = Any
Bytes: TypeAlias = NDArray[numpy.uint8]

DAY_MS: Final = 86_400_000
_NO_DIGIT: Final = 255
_LETTER_OF: Final = (ALPHABET.encode() * 8)[:256]
_DIGIT_OF: Final = bytes(ALPHABET.find(chr(code)) if chr(code) in ALPHABET else _NO_DIGIT for code in range(256))


def new_ids(table_number: int, creation_time: float, random: Callable[[int], bytes], count: int) -> ArrowArray:
    """Ids of a table that nobody has had before: random bytes, and the day of a `_creationTime`."""
    width = INTERNAL_BYTES - 2
    internals = numpy.empty((count, INTERNAL_BYTES), numpy.uint8)
    internals[:, :width] = numpy.frombuffer(random(width * count), numpy.uint8).reshape(count, width)
    internals[:, width:] = numpy.frombuffer((int(creation_time // DAY_MS) & 0xFFFF).to_bytes(2, "big"), numpy.uint8)
    return encode_ids(table_number, internals)


def encode_ids(table_number: int, internals: Bytes) -> ArrowArray:
    """The ids of many internal parts, an array of shape (n, 16), as an Arrow string array."""
    letters = _letters(numpy.frombuffer(encode_table_number(table_number), numpy.uint8), internals)
    count, width = letters.shape
    offsets = numpy.arange(count + 1, dtype=numpy.int64) * width
    large = int(offsets[-1]) > 2**31 - 1
    return pa.Array.from_buffers(
        pa.large_string() if large else pa.string(),
        count,
        [None, pa.py_buffer(offsets if large else offsets.astype(numpy.int32)), pa.py_buffer(letters.tobytes())],
    )


def id_table_numbers(ids: ArrowArray) -> NDArray[numpy.uint32]:
    """The table number of each id of a string array; zero for what is not an id (and for null)."""
    found = numpy.zeros(len(ids), numpy.uint32)
    lengths = pc.fill_null(pc.binary_length(ids), 0).to_numpy(zero_copy_only=False)
    binary = ids.cast(pa.large_binary())
    for width in (31, 32, 34, 36, 37):
        rows = numpy.flatnonzero(lengths == width)
        if len(rows):
            _, offsets, data = binary.take(pa.array(rows)).buffers()
            start = numpy.frombuffer(offsets, numpy.int64, 1)[0]
            content = numpy.frombuffer(data, numpy.uint8, len(rows) * width, start)
            found[rows] = _table_numbers(content.reshape(-1, width))
    return found


def _letters(prefix: Bytes, internals: Bytes) -> Bytes:
    """The characters of ids with one vint."""
    count = len(internals)
    size = len(prefix) + INTERNAL_BYTES + 2
    groups = -(-size // 5)
    data = numpy.zeros((count, groups * 5), numpy.uint8)
    data[:, : len(prefix)] = prefix
    data[:, len(prefix) : size - 2] = internals
    data[:, size - 2 : size] = _checksums(data[:, : size - 2])
    # Five bytes are eight characters: every group is one number.
    wide = numpy.zeros((count, groups, 8), numpy.uint8)
    wide[:, :, 3:] = data.reshape(count, groups, 5)
    numbers = wide.view(">u8")[:, :, 0].astype(numpy.uint64)
    digits = numpy.empty((count, groups, 8), numpy.uint8)
    for place in range(8):
        digits[:, :, place] = numbers >> numpy.uint64(35 - 5 * place) & numpy.uint64(31)
    letters = numpy.frombuffer(digits.tobytes().translate(_LETTER_OF), numpy.uint8)
    return letters.reshape(count, groups * 8)[:, : (size * 8 + 4) // 5]


def _checksums(body: Bytes) -> Bytes:
    # The second sum adds up the running first ones; both are of bytes, and wrap around as these do.
    sums = numpy.zeros((2, len(body)), numpy.uint8)
    first, second = sums
    for place in range(body.shape[1]):
        first += body[:, place]
        second += first
    return sums.T


def _table_numbers(letters: Bytes) -> NDArray[numpy.uint32]:
    """The table numbers of texts of one length that some id has."""
    count, width = letters.shape
    groups = -(-width // 8)
    digits = numpy.zeros((count, groups * 8), numpy.uint8)
    digits[:, :width] = numpy.frombuffer(letters.tobytes().translate(_DIGIT_OF), numpy.uint8).reshape(count, width)
    good = (digits < 32).all(axis=1)
    by_group = digits.reshape(count, groups, 8)
    bits = numpy.zeros((count, groups), numpy.uint64)
    for place in range(8):
        bits |= (by_group[:, :, place] & 31).astype(numpy.uint64) << numpy.uint64(35 - 5 * place)
    data = bits.astype(">u8").view(numpy.uint8).reshape(count, groups, 8)[:, :, 3:].reshape(count, groups * 5)
    size = width * 5 // 8
    prefix_bytes = size - INTERNAL_BYTES - 2
    prefix = data[:, :prefix_bytes].astype(numpy.uint64)
    numbers = numpy.zeros(count, numpy.uint64)
    for place in range(prefix_bytes):
        numbers |= (prefix[:, place] & 127) << numpy.uint64(7 * place)
        good &= (prefix[:, place] >= 128) == (place < prefix_bytes - 1)
    # The shortest form of a number does not end with a zero byte, and zero is no table.
    good &= (prefix[:, -1] != 0) & (numbers < 2**32)
    good &= (_checksums(data[:, : size - 2]) == data[:, size - 2 : size]).all(axis=1)
    # The bits beyond the last whole byte are zero in what `encode_ids` writes.
    good &= (data[:, size:] == 0).all(axis=1)
    return numpy.where(good, numbers, 0).astype(numpy.uint32)
