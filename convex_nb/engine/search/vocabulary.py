"""Sorted distinct keys: the terms of a text index, the values of a filter field."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.segments.owned_bytes import owned_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.segments.columns import ArrowArray


FENCE = 64


class Vocabulary:
    """Distinct bytes in ascending order; a key's number is its place. Immutable."""

    __slots__ = ("_data", "_fences", "_offsets", "keys")

    def __init__(self, keys: ArrowArray) -> None:
        """Of an Arrow array that is sorted already, neither sliced nor null."""
        _, offsets, data = keys.buffers() if len(keys) else (None, pa.py_buffer(bytes(8)), None)
        format: Any = "q" if pa.types.is_large_binary(keys.type) else "i"
        self._offsets: Any = memoryview(offsets).cast("B")[: (len(keys) + 1) * (8 if format == "q" else 4)].cast(format)
        self._data = owned_bytes(None if data is None else data.slice(0, self._offsets[len(keys)]))
        # Every 64th key is at hand, so that a search looks at six others.
        self._fences = [self.key(number) for number in range(0, len(keys), FENCE)]
        self.keys = pa.Array.from_buffers(keys.type, len(keys), [None, offsets, pa.py_buffer(self._data)])

    @classmethod
    def of(cls, keys: ArrowArray) -> tuple[Vocabulary, NDArray[np.int32]]:
        """The vocabulary of many keys, and the number of each of them. Costs O(n) and a sort of the distinct ones."""
        encoded = keys.dictionary_encode()
        order = pc.sort_indices(encoded.dictionary)
        ranks = np.empty(len(order), np.int32)
        ranks[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        return cls(encoded.dictionary.take(order)), ranks[encoded.indices.to_numpy(zero_copy_only=False)]

    def __len__(self) -> int:
        return len(self.keys)

    def key(self, number: int) -> bytes:
        """The key with this number."""
        return self._data[self._offsets[number] : self._offsets[number + 1]]

    def find(self, key: bytes) -> int:
        """The number of a key, -1 where it is not there. Costs O(log n)."""
        number = self.place(key)
        return number if number < len(self) and self.key(number) == key else -1

    def place(self, key: bytes) -> int:
        """How many keys are less. Costs O(log n)."""
        fence = bisect_left(self._fences, key)
        if not fence:
            return 0
        first = (fence - 1) * FENCE + 1
        return bisect_left(range(len(self.keys)), key, first, min(first + FENCE - 1, len(self.keys)), key=self.key)

    @property
    def nbytes(self) -> int:
        """Bytes of the keys."""
        return len(self._data) + int(self._offsets.nbytes)
