"""The sorted keys of one segment in one index, and the row of each."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy
import pyarrow as pa
from numpy.typing import NDArray

from convex_nb.engine import steps
from convex_nb.engine.segments.owned_bytes import owned_bytes
from convex_nb.language.keys import encode_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.segments.columns import ArrowArray
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.steps import Steps

FENCE = 64
"""Every 64th key is kept as a Python object, so that a search looks at six others at most."""
DERIVED = (("_creationTime",), ("_id",))
"""The fields of indexes that keep no keys: a segment's rows and its id lookup are in their order."""

Rows: TypeAlias = NDArray[numpy.int32]


class IndexRun:
    """Full keys in ascending order, each with the row of its document; immutable.

    ``key(i)`` is the ``i``-th key. `StoredRun` keeps them; `DerivedRun` makes them of the segment's columns.
    """

    __slots__ = ("_fences", "_order", "_row_of", "key", "num_rows")

    key: Callable[[int], bytes]

    def __init__(self, order: Rows, fences: list[bytes] | None = None) -> None:
        """``order`` are the rows in key order; the subclass has set ``key``. Fences are made unless they are given."""
        self.num_rows = len(order)
        self._order = order
        self._row_of = order.data
        self._fences = [self.key(i) for i in range(0, self.num_rows, FENCE)] if fences is None else fences

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_rows} keys, {self.nbytes} bytes)"

    def row(self, i: int) -> int:
        """The row of the document with the ``i``-th key."""
        return self._row_of[i]

    def rows(self, start: int, stop: int) -> Rows:
        """The rows of keys ``start`` to ``stop``, in key order, without a copy."""
        return self._order[start:stop]

    def keys(self, start: int, stop: int) -> list[bytes]:
        """Keys ``start`` to ``stop``."""
        return [self.key(i) for i in range(start, min(stop, self.num_rows))]

    def bounds(self, lo: bytes, hi: bytes) -> tuple[int, int]:
        """Where the keys with ``lo <= key < hi`` start and stop. Costs O(log n): some three microseconds."""
        start = self.position(lo)
        return start, max(start, self.position(hi))

    def position(self, key: bytes) -> int:
        """How many keys are less than ``key``. Costs O(log n)."""
        block = bisect_left(self._fences, key)
        if not block:
            return 0
        key_at = self.key
        lo = (block - 1) * FENCE + 1
        hi = min(block * FENCE, self.num_rows)
        while lo < hi:
            middle = (lo + hi) >> 1
            if key_at(middle) < key:
                lo = middle + 1
            else:
                hi = middle
        return lo

    def to_arrow(self) -> ArrowArray:
        """The keys as a binary array. Costs O(n) slow steps where they are not stored."""
        return pa.array(self.keys(0, self.num_rows), pa.large_binary())

    @property
    def nbytes(self) -> int:
        """Bytes of what this run alone keeps."""
        return sum(map(len, self._fences)) + 41 * len(self._fences)

    def check(self) -> None:
        """Verifies that keys ascend and that every row has one. Costs O(n)."""
        keys = self.keys(0, self.num_rows)
        for place, (before, after) in enumerate(pairwise(keys)):
            assert before < after, f"{self!r}: key {place} is {before!r}, the next is {after!r}"
        rows = numpy.sort(self._order)
        assert (rows == numpy.arange(self.num_rows)).all(), f"{self!r}: rows {self._order.tolist()}"
        assert self._fences == keys[::FENCE], f"{self!r}: fences {self._fences}, keys {keys[::FENCE]}"


class StoredRun(IndexRun):
    """A run that keeps its keys, one after another in one buffer."""

    __slots__ = ("_content", "_offsets")

    def __init__(self, content: bytes, offsets: NDArray[Any], order: Rows, fences: list[bytes] | None = None) -> None:
        """``offsets`` say where each key starts in ``content``, and the last where it ends."""
        self._content = content
        self._offsets = starts = offsets.data
        self.key = lambda i: content[starts[i] : starts[i + 1]]
        super().__init__(order, fences)

    @classmethod
    def from_arrow(cls, keys: ArrowArray, order: Rows) -> StoredRun:
        """Of a binary array of the keys in ascending order, which is copied, and their rows."""
        _, offsets, content = keys.buffers()
        width = numpy.dtype(numpy.int64 if keys.type == pa.large_binary() else numpy.int32)
        return cls(
            owned_bytes(content),
            numpy.frombuffer(offsets, width, len(keys) + 1) if len(keys) else numpy.zeros(1, width),
            order,
        )

    def to_arrow(self) -> ArrowArray:
        """The keys as a binary array, shared."""
        type_ = pa.large_binary() if self._offsets.itemsize == 8 else pa.binary()
        buffers = [None, pa.py_buffer(self._offsets), pa.py_buffer(self._content)]
        return pa.Array.from_buffers(type_, self.num_rows, buffers)

    def keys(self, start: int, stop: int) -> list[bytes]:
        """Keys ``start`` to ``stop``."""
        content = self._content
        return [content[a:b] for a, b in pairwise(self._offsets[start : stop + 1].tolist())]

    def position(self, key: bytes) -> int:
        # The base's, spelled out: every read of an index comes through here twice.
        block = bisect_left(self._fences, key)
        if not block:
            return 0
        content = self._content
        offsets = self._offsets
        lo = (block - 1) * FENCE + 1
        hi = min(block * FENCE, self.num_rows)
        while lo < hi:
            middle = (lo + hi) >> 1
            if content[offsets[middle] : offsets[middle + 1]] < key:
                lo = middle + 1
            else:
                hi = middle
        return lo

    @property
    def nbytes(self) -> int:
        """Bytes of the keys, their rows and the fences."""
        return len(self._content) + self._offsets.nbytes + self._order.nbytes + super().nbytes


class DerivedRun(IndexRun):
    """``by_creation_time`` and ``by_id``: what the segment keeps anyway gives the keys and their order."""

    __slots__ = ()

    def __init__(self, order: Rows, key: Callable[[int], bytes], fences: list[bytes] | None = None) -> None:
        """``key`` gives the ``i``-th key."""
        self.key = key
        super().__init__(order, fences)

    @classmethod
    def by_creation_time(cls, segment: Segment) -> Steps[DerivedRun]:
        """A segment's rows are in this order already."""
        times = segment.columns["_creationTime"].numbers
        id_at = segment.columns["_id"].bytes_at

        def key(i: int) -> bytes:
            return b"%b\x10%b\x00" % (encode_value(times[i]), id_at(i))

        fences: list[bytes] = []
        for start in range(0, segment.num_rows, FENCE * steps.SLOW_ROWS):
            fences += map(key, range(start, min(start + FENCE * steps.SLOW_ROWS, segment.num_rows), FENCE))
            yield
        return cls(numpy.arange(segment.num_rows, dtype=numpy.int32), key, fences)

    @classmethod
    def by_id(cls, segment: Segment) -> DerivedRun:
        """The segment's id lookup has them sorted."""
        id_at = segment.columns["_id"].bytes_at
        order = segment.lookup.order
        row_of = order.data
        return cls(order, lambda i: b"\x10%b\x00" % id_at(row_of[i]))
