"""From a document's id to its row in constant time, without an object per id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.segments.columns import ArrowArray

PREFIX = 5
"""Characters of an id that choose its bucket."""


class IdLookup:
    """The rows of an id column sorted by id, and where in that order each bucket of ids starts.

    A bucket is the number that a few characters of the id spell in base 36, scaled so that there are about as
    many buckets as rows. That keeps the order of ids (their alphabet is ascending in base 36), so that a bucket is
    a stretch of the sorted rows; where the column's texts are not such ids, all are one bucket. Eight bytes a row.
    """

    __slots__ = ("_starts", "find", "order")

    find: Callable[[str], int]
    order: NDArray[numpy.int32]

    def __init__(self, ids: ArrowArray, data: bytes) -> None:
        """Index a string array, whose content ``data`` is. Costs O(n log n)."""
        width = _width(ids)
        letters = numpy.frombuffer(data, numpy.uint8).reshape(-1, width) if width else None
        self.order = _sorted_rows(ids, letters)
        self._starts = numpy.array([0, len(ids)], numpy.int32)
        offsets = memoryview(ids.buffers()[1]).cast("B").cast("i" if str(ids.type) == "string" else "q")
        start, shift = 0, 0
        if letters is not None:
            digits = _BASE_36[letters[:, : _common_prefix(letters) + PREFIX]]
            start = digits.shape[1] - PREFIX
            if width >= PREFIX and (digits[:, start:] < 36).all():
                numbers = digits[:, start:].astype(numpy.int32) @ (36 ** numpy.arange(PREFIX)[::-1]).astype(numpy.int32)
                shift = max(0, int(36**PREFIX / len(ids)).bit_length())
                numbers >>= shift
                counts = numpy.bincount(numbers, minlength=(36**PREFIX >> shift) + 1)
                self._starts = numpy.concatenate([[0], numpy.cumsum(counts)]).astype(numpy.int32)
                self.find = _by_bucket(self.order.data, self._starts.data, data, width, start, shift)
                return
        self.find = _by_search(self.order.data, data, offsets)

    @property
    def nbytes(self) -> int:
        """Bytes of the sorted rows and the bucket table."""
        return self.order.nbytes + self._starts.nbytes


_BASE_36 = numpy.full(256, 255, numpy.uint8)
_BASE_36[ord("0") : ord("9") + 1] = numpy.arange(10)
_BASE_36[ord("a") : ord("z") + 1] = numpy.arange(10, 36)


def _width(ids: ArrowArray) -> int:
    """The length that all ids have, or zero."""
    lengths = pc.min_max(pc.binary_length(ids)).as_py()
    return lengths["min"] if lengths["min"] == lengths["max"] else 0


def _common_prefix(letters: NDArray[numpy.uint8]) -> int:
    """How many leading characters all ids share, as far as that leaves ``PREFIX`` characters."""
    most = max(0, letters.shape[1] - PREFIX)
    for place in range(most):
        if (letters[:, place] != letters[0, place]).any():
            return place
    return most if len(letters) > 1 else 0


def _sorted_rows(ids: ArrowArray, letters: NDArray[numpy.uint8] | None) -> NDArray[numpy.int32]:
    if letters is not None and letters.shape[1] >= 12:
        # Twelve base-36 digits fit in 64 bits, and tell almost any two ids apart.
        start = min(_common_prefix(letters), letters.shape[1] - 12)
        numbers = numpy.zeros(len(letters), numpy.uint64)
        for place in range(start, start + 12):
            numbers *= numpy.uint64(36)
            numbers += _BASE_36[letters[:, place]]
        order = numpy.argsort(numbers)
        ascending = numbers[order]
        if (_BASE_36[letters[:, start : start + 12]] < 36).all() and (ascending[1:] > ascending[:-1]).all():
            return order.astype(numpy.int32)
    binary = ids.cast("large_binary" if str(ids.type).startswith("large") else "binary")
    return numpy.asarray(pc.sort_indices(binary)).astype(numpy.int32)


def _by_bucket(order: Any, starts: Any, data: bytes, width: int, start: int, shift: int) -> Callable[[str], int]:
    stop = start + PREFIX

    def find(id: str) -> int:
        """The row of the document with this id, or -1; any text is a legal question."""
        try:
            bucket = int(id[start:stop], 36) >> shift
            lo = starts[bucket]
            hi = starts[bucket + 1]
            key = id.encode()
        except (ValueError, IndexError):
            return -1
        while lo < hi:
            middle = (lo + hi) >> 1
            row: int = order[middle]
            found = data[row * width : (row + 1) * width]
            if found == key:
                return row
            if found < key:
                lo = middle + 1
            else:
                hi = middle
        return -1

    return find


def _by_search(order: Any, data: bytes, offsets: Any) -> Callable[[str], int]:
    def find(id: str) -> int:
        """The row of the document with this id, or -1; any text is a legal question."""
        try:
            key = id.encode()
        except UnicodeEncodeError:
            return -1
        lo, hi = 0, len(order)
        while lo < hi:
            middle = (lo + hi) >> 1
            row: int = order[middle]
            found = data[offsets[row] : offsets[row + 1]]
            if found == key:
                return row
            if found < key:
                lo = middle + 1
            else:
                hi = middle
        return -1

    return find
