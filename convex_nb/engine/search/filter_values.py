"""The values of a filter field of one segment as numbers, of which equal values have equal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convex_nb.engine.indexes.index_build import field_keys
from convex_nb.engine.search.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convex_nb.engine.segments.segment import Segment


class FilterValues:
    """A filter field of a segment; immutable. Values are told apart as index keys are: missing is not null."""

    __slots__ = ("numbers", "vocabulary")

    def __init__(self, segment: Segment, path: str) -> None:
        """Costs O(rows), vectorised but for encoded columns."""
        self.vocabulary, self.numbers = Vocabulary.of(field_keys(segment, path))

    @classmethod
    def of(cls, segment: Segment, path: str) -> FilterValues:
        """Those of a segment, which keeps them."""
        values = segment.derived.get((cls, path))
        if values is None:
            # Two threads may both make them; either are right, so no lock.
            values = segment.derived[cls, path] = cls(segment, path)
        return values

    def equal(self, key: bytes) -> NDArray[np.bool_]:
        """Which rows hold the value with this key."""
        equal: NDArray[np.bool_] = self.numbers == self.vocabulary.find(key)
        return equal

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers and of the values."""
        return int(self.numbers.nbytes) + self.vocabulary.nbytes
