"""The sorted keys of one segment in one index, and the row of each."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

FENCE = 64
"""Every 64th key is kept as a Python object, so that a search makes six keys at most."""

Rows = NDArray[numpy.int32]


class IndexRun:
    """Full keys in ascending order, in one buffer, each with the row of its document; immutable."""

    __slots__ = ("_content", "_fences", "_offsets", "_row_numbers", "_rows", "num_rows")

    def __init__(self, content: bytes, offsets: NDArray[Any], rows: Rows) -> None:
        """Of the keys' bytes one after another, where each starts (and the last ends), and their rows."""
        self.num_rows = len(rows)
        self._content = content
        self._offsets = offsets.data
        self._row_numbers = rows
        self._rows = rows.data
        self._fences = [self.key(i) for i in range(0, self.num_rows, FENCE)]

    def __repr__(self) -> str:
        return f"IndexRun({self.num_rows} keys, {self.nbytes} bytes)"

    def key(self, i: int) -> bytes:
        """The ``i``-th key."""
        return self._content[self._offsets[i] : self._offsets[i + 1]]

    def row(self, i: int) -> int:
        """The row of the document with the ``i``-th key."""
        return self._rows[i]

    def rows(self, start: int, stop: int) -> Rows:
        """The rows of keys ``start`` to ``stop``, in key order, without a copy."""
        return self._row_numbers[start:stop]

    def bounds(self, lo: bytes, hi: bytes) -> tuple[int, int]:
        """Where the keys with ``lo <= key < hi`` start and stop. Costs O(log n), some three microseconds."""
        start = self._position(lo)
        return start, max(start, self._position(hi))

    def _position(self, key: bytes) -> int:
        """How many keys are less than ``key``."""
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

    def keys(self, start: int, stop: int) -> list[bytes]:
        """Keys ``start`` to ``stop``."""
        offsets = self._offsets[start : stop + 1].tolist()
        content = self._content
        return [content[a:b] for a, b in pairwise(offsets)]

    @property
    def nbytes(self) -> int:
        """Bytes of the keys, their rows and the fences."""
        fences = sum(map(len, self._fences)) + 41 * len(self._fences)
        return len(self._content) + self._offsets.nbytes + self._rows.nbytes + fences


def run_of_keys(keys: Sequence[bytes]) -> IndexRun:
    """A run of one key per row, in row order. Costs O(n log n)."""
    rows = sorted(range(len(keys)), key=keys.__getitem__)
    ordered = [keys[row] for row in rows]
    offsets = numpy.zeros(len(keys) + 1, numpy.int64)
    numpy.cumsum([len(key) for key in ordered], out=offsets[1:])
    return IndexRun(b"".join(ordered), offsets, numpy.array(rows, numpy.int32))
