"""From a document's id to its row in constant time, without an object per id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine import steps
from convex_nb.engine.segments.aligned import aligned
from convex_nb.engine.steps import finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from convex_nb.engine.segments.columns import ArrowArray
    from convex_nb.engine.steps import Steps

PREFIX = 5
"""Characters of an id that choose its bucket."""
DIGITS = 12
"""So many of base 36 fit in 64 bits, and tell almost any two ids apart."""

Letters: TypeAlias = NDArray[numpy.uint8]
Digits: TypeAlias = NDArray[numpy.uint64]
Order: TypeAlias = NDArray[numpy.int32]


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
        finished(self._building(ids, data))

    @classmethod
    def building(cls, ids: ArrowArray, data: bytes) -> Steps[IdLookup]:
        """The same in steps."""
        lookup = cls.__new__(cls)
        yield from lookup._building(ids, data)
        return lookup

    def _building(self, ids: ArrowArray, data: bytes) -> Steps[None]:
        width = _width(ids)
        if width >= DIGITS:
            letters = numpy.frombuffer(data, numpy.uint8).reshape(-1, width)
            prefix = yield from _common_prefix(letters)
            start = min(prefix, width - PREFIX)
            shift = max(0, int(36**PREFIX / len(ids)).bit_length())
            found = yield from _by_digits(letters, start, shift)
            if found is not None:
                self.order, self._starts = found
                self.find = _by_bucket(self.order.data, self._starts.data, data, width, start, shift)
                return
        self.order = yield from _ordered(ids)
        self._starts = numpy.array([0, len(ids)], numpy.int32)
        offsets = memoryview(ids.buffers()[1]).cast("B").cast("i" if str(ids.type) == "string" else "q")
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
    least, most = pc.min_max(pc.binary_length(ids)).as_py().values()
    return least if least == most and len(ids) else 0


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, min(start + steps.ROWS, count)) for start in range(0, count, steps.ROWS))


def _common_prefix(letters: Letters) -> Steps[int]:
    """How many leading characters all ids share."""
    shared = letters.shape[1] if len(letters) > 1 else 0
    for rows in _slices(len(letters)):
        different = (place for place in range(shared) if (letters[rows, place] != letters[0, place]).any())
        shared = next(different, shared)
        yield
    return shared


def _digits(letters: Letters, start: int) -> Digits | None:
    """The numbers that so many characters from ``start`` on spell in base 36, if they do."""
    numbers = numpy.zeros(len(letters), numpy.uint64)
    for place in range(start, start + DIGITS):
        digits = _BASE_36[letters[:, place]]
        if digits.max() == 255:
            return None
        numbers *= numpy.uint64(36)
        numbers += digits
    return numbers


def _by_digits(letters: Letters, start: int, shift: int) -> Steps[tuple[Order, Order] | None]:
    """The rows by id and where each bucket starts, if a few characters in base 36 tell any two ids apart.

    The number of a bucket is that of ``PREFIX`` characters from ``start`` on, without its last ``shift`` bits.
    """
    first = min(start, letters.shape[1] - DIGITS)
    numbers: list[Digits] = []
    orders: list[Order] = []
    for rows in _slices(len(letters)):
        unordered = _digits(letters[rows], first)
        if unordered is None:
            return None
        of_slice = numpy.argsort(unordered)
        numbers.append(unordered[of_slice])
        orders.append((of_slice + rows.start).astype(numpy.int32))
        yield
    merged = numpy.empty(len(letters), numpy.int32)
    counts = numpy.zeros((36**PREFIX >> shift) + 2, numpy.int32)
    left = DIGITS - (start - first)
    place = 0
    for cuts in aligned([(len(each), each.data.__getitem__) for each in numbers], steps.ROWS):
        together = numpy.concatenate([each[a:b] for each, (a, b) in zip(numbers, cuts, strict=True)])
        order = numpy.argsort(together)
        together = together[order]
        if (together[1:] == together[:-1]).any():
            return None
        merged[place : place + len(order)] = numpy.concatenate(
            [each[a:b] for each, (a, b) in zip(orders, cuts, strict=True)]
        )[order]
        place += len(order)
        # What comes before ``start`` all ids share. The numbers ascend, so a piece has the buckets of an interval.
        buckets = together % numpy.uint64(36**left) // numpy.uint64(36 ** (left - PREFIX)) >> numpy.uint64(shift)
        least = int(buckets[0])
        found = numpy.bincount((buckets - numpy.uint64(least)).astype(numpy.int64))
        counts[least + 1 : least + 1 + len(found)] += found.astype(numpy.int32)
        yield
    return merged, numpy.cumsum(counts, dtype=numpy.int32)


def _ordered(ids: ArrowArray) -> Steps[Order]:
    """The rows by id, whatever the ids are."""
    large = pa.large_binary() if str(ids.type).startswith("large") else pa.binary()
    binary = ids.cast(large)
    orders = []
    for rows in _slices(len(ids)):
        orders.append(numpy.asarray(pc.sort_indices(binary[rows])).astype(numpy.int32) + numpy.int32(rows.start))
        yield
    if len(orders) < 2:
        return orders[0] if orders else numpy.empty(0, numpy.int32)
    merged = numpy.empty(len(ids), numpy.int32)
    place = 0
    for cuts in aligned([(len(each), _key_at(binary, each)) for each in orders], steps.ROWS):
        together = numpy.concatenate([each[start:stop] for each, (start, stop) in zip(orders, cuts, strict=True)])
        order = numpy.asarray(pc.sort_indices(binary.take(pa.array(together))))
        merged[place : place + len(order)] = together[order]
        place += len(order)
        yield
    return merged


def _key_at(binary: ArrowArray, order: Order) -> Callable[[int], bytes]:
    return lambda place: binary[int(order[place])].as_py()


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
