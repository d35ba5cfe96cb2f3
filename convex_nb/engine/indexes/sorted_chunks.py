"""A persistent sorted map of byte keys: every change gives a new map that shares all but one chunk with the old one."""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain, pairwise
from sys import getsizeof
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

V = TypeVar("V")


class SortedChunks(Generic[V]):
    """Keys and values in parallel lists of at most ``CHUNK_SIZE`` entries, found by each chunk's last key.

    No list is changed once a map that holds it has been returned, so that any number of threads may read one.
    A change copies one chunk and the outer lists: microseconds up to a hundred thousand entries; larger changes
    belong into ``merge``.
    """

    __slots__ = ("__weakref__", "_keys", "_length", "_maxima", "_values")

    CHUNK_SIZE: ClassVar[int] = 128
    """A chunk that grows beyond this is split in two; one that shrinks below a quarter joins a neighbour."""

    def __init__(self, maxima: list[bytes], keys: list[list[bytes]], values: list[list[V]], length: int) -> None:
        """Of whole chunks; ``empty`` and ``from_sorted`` are the ways to start."""
        self._maxima = maxima
        self._keys = keys
        self._values = values
        self._length = length

    @classmethod
    def empty(cls) -> SortedChunks[V]:
        """The map without entries."""
        return cls([], [], [], 0)

    @classmethod
    def from_sorted(cls, pairs: Iterable[tuple[bytes, V]]) -> SortedChunks[V]:
        """A map of pairs whose keys strictly ascend; raises ``ValueError`` where they do not. Costs O(n)."""
        keys: list[bytes] = []
        values: list[V] = []
        for key, value in pairs:
            if keys and key <= keys[-1]:
                raise ValueError(f"keys must ascend: {key!r} follows {keys[-1]!r}")
            keys.append(key)
            values.append(value)
        return cls._from_lists(keys, values)

    @classmethod
    def _from_lists(cls, keys: list[bytes], values: list[V]) -> SortedChunks[V]:
        # Three quarters full: room for inserts before the first splits.
        size = max(1, cls.CHUNK_SIZE * 3 // 4)
        starts = range(0, len(keys), size)
        key_chunks = [keys[start : start + size] for start in starts]
        value_chunks = [values[start : start + size] for start in starts]
        return cls([chunk[-1] for chunk in key_chunks], key_chunks, value_chunks, len(keys))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[tuple[bytes, V]]:
        for keys, values in zip(self._keys, self._values, strict=True):
            yield from zip(keys, values, strict=True)

    def __repr__(self) -> str:
        return f"SortedChunks({self._length} entries in {len(self._keys)} chunks)"

    # -- reading -----------------------------------------------------------------------------------------------

    def get(self, key: bytes, default: V | None = None) -> V | None:
        """The value of ``key``. Costs O(log n)."""
        at = bisect_left(self._maxima, key)
        if at == len(self._maxima):
            return default
        keys = self._keys[at]
        place = bisect_left(keys, key)
        if keys[place] == key:
            return self._values[at][place]
        return default

    def values(self) -> list[V]:
        """All values, by their keys."""
        return list(chain.from_iterable(self._values))

    def range(self, lo: bytes, hi: bytes, reverse: bool = False) -> Iterator[tuple[bytes, V]]:
        """Pairs with ``lo <= key < hi``, ascending, or descending with ``reverse``. Costs O(log n) and the pairs."""
        maxima = self._maxima
        if lo >= hi or not maxima:
            return
        first = bisect_left(maxima, lo)
        if first == len(maxima):
            return
        last = bisect_left(maxima, hi, first)
        start = bisect_left(self._keys[first], lo)
        if last == len(maxima):
            last -= 1
            stop = len(self._keys[last])
        else:
            stop = bisect_left(self._keys[last], hi)
        for at in range(last, first - 1, -1) if reverse else range(first, last + 1):
            keys = self._keys[at]
            values = self._values[at]
            if at in (first, last):
                piece = slice(start if at == first else 0, stop if at == last else len(keys))
                keys = keys[piece]
                values = values[piece]
            if reverse:
                yield from zip(reversed(keys), reversed(values), strict=True)
            else:
                yield from zip(keys, values, strict=True)

    def first(self, lo: bytes, hi: bytes, reverse: bool = False) -> tuple[bytes, V] | None:
        """The least pair of ``lo <= key < hi`` (the greatest, with ``reverse``), or ``None``. Costs O(log n)."""
        return next(self.range(lo, hi, reverse), None)

    def count(self, lo: bytes, hi: bytes) -> int:
        """How many keys lie in ``lo <= key < hi``. Costs O(log n) and the chunks in between."""
        maxima = self._maxima
        if lo >= hi or not maxima:
            return 0
        first = bisect_left(maxima, lo)
        if first == len(maxima):
            return 0
        last = bisect_left(maxima, hi, first)
        before = bisect_left(self._keys[first], lo)
        whole = sum(map(len, self._keys[first:last]))
        within = bisect_left(self._keys[last], hi) if last < len(maxima) else 0
        return whole + within - before

    # -- changing ----------------------------------------------------------------------------------------------

    def insert(self, key: bytes, value: V) -> SortedChunks[V]:
        """The map with ``key`` set to ``value``. Costs O(chunk size + number of chunks)."""
        maxima = self._maxima
        at = bisect_left(maxima, key)
        if at == len(maxima):
            if not at:
                return type(self)([key], [[key]], [[value]], 1)
            at -= 1
        keys = self._keys[at]
        place = bisect_left(keys, key)
        values = self._values[at].copy()
        outer_values = self._values.copy()
        if place < len(keys) and keys[place] == key:
            values[place] = value
            outer_values[at] = values
            return type(self)(maxima, self._keys, outer_values, self._length)
        values.insert(place, value)
        keys = keys.copy()
        keys.insert(place, key)
        outer_keys = self._keys.copy()
        if len(keys) > self.CHUNK_SIZE:
            # Appends are the common case: a chunk that grew at the end of the map leaves a full one behind.
            half = len(keys) - 1 if place == len(keys) - 1 and at == len(maxima) - 1 else len(keys) // 2
            maxima = maxima.copy()
            maxima[at : at + 1] = [keys[half - 1], keys[-1]]
            outer_keys[at : at + 1] = [keys[:half], keys[half:]]
            outer_values[at : at + 1] = [values[:half], values[half:]]
        else:
            if place == len(keys) - 1:
                maxima = maxima.copy()
                maxima[at] = key
            outer_keys[at] = keys
            outer_values[at] = values
        return type(self)(maxima, outer_keys, outer_values, self._length + 1)

    def remove(self, key: bytes) -> SortedChunks[V]:
        """The map without ``key``; raises ``KeyError`` where it is not there. Costs O(chunk size + chunks)."""
        at = bisect_left(self._maxima, key)
        if at == len(self._maxima):
            raise KeyError(key)
        keys = self._keys[at]
        place = bisect_left(keys, key)
        if keys[place] != key:
            raise KeyError(key)
        keys = keys.copy()
        del keys[place]
        values = self._values[at].copy()
        del values[place]
        outer_keys = self._keys.copy()
        outer_values = self._values.copy()
        maxima = self._maxima
        if len(keys) * 4 > self.CHUNK_SIZE:
            outer_keys[at] = keys
            outer_values[at] = values
            if place == len(keys):
                maxima = maxima.copy()
                maxima[at] = keys[-1]
        else:
            first = max(0, at - 1)
            last = at + 1 if at else min(2, len(outer_keys))
            joined = [key for chunk in (*outer_keys[first:at], keys, *outer_keys[at + 1 : last]) for key in chunk]
            joined_values = [
                value for chunk in (*outer_values[first:at], values, *outer_values[at + 1 : last]) for value in chunk
            ]
            # Two equal halves where one would be too long: they are far from both limits.
            size = len(joined) if len(joined) <= self.CHUNK_SIZE else (len(joined) + 1) // 2
            starts = range(0, len(joined), max(1, size))
            outer_keys[first:last] = [joined[start : start + size] for start in starts]
            outer_values[first:last] = [joined_values[start : start + size] for start in starts]
            maxima = [
                *maxima[:first],
                *[chunk[-1] for chunk in outer_keys[first : first + len(starts)]],
                *maxima[last:],
            ]
        return type(self)(maxima, outer_keys, outer_values, self._length - 1)

    def merge(self, pairs: Iterable[tuple[bytes, V]]) -> SortedChunks[V]:
        """The map with all ``pairs`` set; their keys strictly ascend. Costs O(pairs + chunks that they fall into)."""
        pairs = list(pairs)
        for (before, _), (after, _) in pairwise(pairs):
            if after <= before:
                raise ValueError(f"keys must ascend: {after!r} follows {before!r}")
        if not self._length:
            return self._from_lists([key for key, _ in pairs], [value for _, value in pairs])
        maxima: list[bytes] = []
        outer_keys: list[list[bytes]] = []
        outer_values: list[list[V]] = []
        length = 0
        place = 0
        last = len(self._maxima) - 1
        for at, (maximum, keys, values) in enumerate(zip(self._maxima, self._keys, self._values, strict=True)):
            upto = len(pairs) if at == last else bisect_left(pairs, maximum, place, key=_key)
            if at < last and upto < len(pairs) and pairs[upto][0] == maximum:
                upto += 1
            if upto > place:
                entries = dict(zip(keys, values, strict=True))
                entries.update(pairs[place:upto])
                piece = self._from_lists(*_unzipped(sorted(entries.items(), key=_key)))
                maxima += piece._maxima
                outer_keys += piece._keys
                outer_values += piece._values
                length += piece._length
                place = upto
            else:
                maxima.append(maximum)
                outer_keys.append(keys)
                outer_values.append(values)
                length += len(keys)
        return type(self)(maxima, outer_keys, outer_values, length)

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and of the lists; what the values take is not counted. Costs O(n)."""
        lists = [self._maxima, self._keys, self._values, *self._keys, *self._values]
        return sum(map(getsizeof, lists)) + sum(sum(map(getsizeof, keys)) for keys in self._keys)

    # -- invariants --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Verifies every invariant; raises ``AssertionError`` with the whole state where one fails. Costs O(n)."""
        try:
            assert len(self._maxima) == len(self._keys) == len(self._values), "outer lists are parallel"
            assert self._length == sum(map(len, self._keys)), "the length is the number of keys"
            everything = [key for keys in self._keys for key in keys]
            assert all(a < b for a, b in pairwise(everything)), "keys strictly ascend"
            for maximum, keys, values in zip(self._maxima, self._keys, self._values, strict=True):
                assert 0 < len(keys) <= self.CHUNK_SIZE, "no chunk is empty or too long"
                assert len(keys) == len(values), "keys and values are parallel"
                assert maximum == keys[-1], "a maximum is its chunk's last key"
        except AssertionError as error:
            state = f"length {self._length}\nmaxima {self._maxima}\nkeys {self._keys}\nvalues {self._values}"
            raise AssertionError(f"{self!r} is broken: {error}\n{state}") from None


def _key(pair: tuple[bytes, V]) -> bytes:
    return pair[0]


def _unzipped(pairs: list[tuple[bytes, V]]) -> tuple[list[bytes], list[V]]:
    return [key for key, _ in pairs], [value for _, value in pairs]
