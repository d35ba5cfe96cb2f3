"""A persistent sorted map of byte keys: every change gives a new map that shares nearly all chunks with the old one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import chain, pairwise
from operator import itemgetter
from sys import getsizeof
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

V = TypeVar("V")

Noted: TypeAlias = tuple[Any, bytes, V, int]
"""An entry that is not in the lists yet: what was noted before it, if anything, its key, its value, and how many."""


class Lists(NamedTuple, Generic[V]):
    """The chunks of a map. None of these lists is changed once a map has them."""

    maxima: list[bytes]
    keys: list[list[bytes]]
    values: list[list[V]]
    length: int


class SortedChunks(Generic[V]):
    """Keys and values in parallel lists of at most ``CHUNK_SIZE`` entries, found by each chunk's last key.

    An insert only notes its entry; the first read, or the insert after ``MOST_NOTED``, brings what was noted into the
    lists, all at once: most maps are replaced by the next before anybody reads them, and a copied chunk is hundreds of
    references all over the memory. Any number of threads may read one map.
    """

    __slots__ = ("__weakref__", "_lists", "_noted")

    CHUNK_SIZE: ClassVar[int] = 128
    """A chunk that grows beyond this is split; one that shrinks below a quarter joins a neighbour."""
    MOST_NOTED: ClassVar[int] = 64
    """Entries that wait for a read at most."""

    def __init__(self, lists: Lists[V], noted: Noted[V] | None = None) -> None:
        """Of whole chunks; ``empty`` and ``from_sorted`` are the ways to start."""
        self._lists = lists
        self._noted = noted

    @classmethod
    def empty(cls) -> SortedChunks[V]:
        """The map without entries."""
        return cls(Lists([], [], [], 0))

    @classmethod
    def from_sorted(cls, pairs: Iterable[tuple[bytes, V]]) -> SortedChunks[V]:
        """A map of pairs whose keys strictly ascend; raises ``ValueError`` where they do not. Costs O(n)."""
        return cls(cls._from_pairs(_ascending(pairs)))

    @classmethod
    def _from_pairs(cls, pairs: Sequence[tuple[bytes, V]]) -> Lists[V]:
        # Three quarters full: room for inserts before the first splits.
        size = max(1, cls.CHUNK_SIZE * 3 // 4)
        pieces = [pairs[start : start + size] for start in range(0, len(pairs), size)]
        keys = [[key for key, _ in piece] for piece in pieces]
        values = [[value for _, value in piece] for piece in pieces]
        return Lists([chunk[-1] for chunk in keys], keys, values, len(pairs))

    def __len__(self) -> int:
        return self._settled().length

    def __iter__(self) -> Iterator[tuple[bytes, V]]:
        lists = self._settled()
        for keys, values in zip(lists.keys, lists.values, strict=True):
            yield from zip(keys, values, strict=True)

    def __repr__(self) -> str:
        return f"SortedChunks({len(self)} entries in {len(self._settled().keys)} chunks)"

    # -- reading -----------------------------------------------------------------------------------------------

    def _settled(self) -> Lists[V]:
        """The lists, with everything in them.

        Threads may do this at once: to set an entry twice is to set it once. So ``_noted`` is read before ``_lists``
        and written after it.
        """
        noted = self._noted
        lists = self._lists
        if noted is None:
            return lists
        if noted[3] == 1 and lists.length:
            lists = self._with_one(lists, noted[1], noted[2])
        else:
            entries: dict[bytes, V] = {}
            while noted is not None:
                noted, key, value, _ = noted
                entries.setdefault(key, value)
            if lists.length:
                lists = self._with(lists, entries)
            else:
                lists = self._from_pairs(sorted(entries.items(), key=_key))
        self._lists = lists
        self._noted = None
        return lists

    def get(self, key: bytes, default: V | None = None) -> V | None:
        """The value of ``key``. Costs O(log n)."""
        maxima, chunks, values, _ = self._settled() if self._noted is not None else self._lists
        at = bisect_left(maxima, key)
        if at == len(maxima):
            return default
        keys = chunks[at]
        place = bisect_left(keys, key)
        if keys[place] == key:
            return values[at][place]
        return default

    def values(self) -> list[V]:
        """All values, by their keys."""
        return list(chain.from_iterable(self._settled().values))

    def range(self, lo: bytes, hi: bytes, reverse: bool = False) -> Iterator[tuple[bytes, V]]:
        """Pairs with ``lo <= key < hi``, ascending, or descending with ``reverse``. Costs O(log n) and the pairs."""
        maxima, key_chunks, value_chunks, _ = self._settled()
        if lo >= hi or not maxima:
            return
        first = bisect_left(maxima, lo)
        if first == len(maxima):
            return
        last = bisect_left(maxima, hi, first)
        start = bisect_left(key_chunks[first], lo)
        if last == len(maxima):
            last -= 1
            stop = len(key_chunks[last])
        else:
            stop = bisect_left(key_chunks[last], hi)
        for at in range(last, first - 1, -1) if reverse else range(first, last + 1):
            keys = key_chunks[at]
            values = value_chunks[at]
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
        maxima, keys, _, _ = self._settled()
        if lo >= hi or not maxima:
            return 0
        first = bisect_left(maxima, lo)
        if first == len(maxima):
            return 0
        last = bisect_left(maxima, hi, first)
        before = bisect_left(keys[first], lo)
        whole = sum(map(len, keys[first:last]))
        within = bisect_left(keys[last], hi) if last < len(maxima) else 0
        return whole + within - before

    # -- changing ----------------------------------------------------------------------------------------------

    def insert(self, key: bytes, value: V) -> SortedChunks[V]:
        """The map with ``key`` set to ``value``. Costs O(1), and its share of a ``merge``."""
        noted = self._noted
        if noted is None:
            return type(self)(self._lists, (None, key, value, 1))
        if noted[3] < self.MOST_NOTED:
            return type(self)(self._lists, (noted, key, value, noted[3] + 1))
        return type(self)(self._settled(), (None, key, value, 1))

    def merge(self, pairs: Iterable[tuple[bytes, V]]) -> SortedChunks[V]:
        """The map with all ``pairs`` set; their keys strictly ascend. Costs O(chunks)."""
        pairs = _ascending(pairs)
        lists = self._settled()
        return type(self)(self._with(lists, dict(pairs)) if lists.length else self._from_pairs(pairs))

    def _with_one(self, lists: Lists[V], key: bytes, value: V) -> Lists[V]:
        """The lists with one entry set, which is what a read after each insert comes to."""
        maxima, outer_keys, outer_values, length = lists
        at = bisect_left(maxima, key)
        if at == len(maxima) or len(outer_keys[at]) >= self.CHUNK_SIZE:
            return self._with(lists, {key: value})
        keys = outer_keys[at]
        place = bisect_left(keys, key)
        values = outer_values[at].copy()
        outer_values = outer_values.copy()
        outer_values[at] = values
        if keys[place] == key:
            values[place] = value
            return Lists(maxima, outer_keys, outer_values, length)
        values.insert(place, value)
        keys = keys.copy()
        keys.insert(place, key)
        outer_keys = outer_keys.copy()
        outer_keys[at] = keys
        return Lists(maxima, outer_keys, outer_values, length + 1)

    def _with(self, lists: Lists[V], entries: Mapping[bytes, V]) -> Lists[V]:
        """The lists with entries set; there are some already."""
        maxima, outer_keys, outer_values = lists.maxima.copy(), lists.keys.copy(), lists.values.copy()
        length = lists.length
        last = len(maxima) - 1
        added = sorted(entries)
        stop = len(added)
        # From the last chunk to the first: one that is split moves none that is still to come.
        while stop:
            at = bisect_left(maxima, added[stop - 1])
            if at > last:
                at = last
            start = bisect_right(added, maxima[at - 1], 0, stop) if at and stop > 1 else 0
            keys = shared = outer_keys[at]
            values = outer_values[at].copy()
            for key in added[start:stop]:
                place = bisect_left(keys, key)
                if place < len(keys) and keys[place] == key:
                    values[place] = entries[key]
                    continue
                if keys is shared:
                    keys = keys.copy()
                keys.insert(place, key)
                values.insert(place, entries[key])
            stop = start
            length += len(keys) - len(shared)
            if len(keys) > self.CHUNK_SIZE:
                # Appends are the common case: a chunk that grew at the end of the map leaves full ones behind.
                pieces = -(-len(keys) // max(1, self.CHUNK_SIZE * 3 // 4))
                size = self.CHUNK_SIZE if at == last else -(-len(keys) // pieces)
                starts = range(0, len(keys), size)
                outer_keys[at : at + 1] = chunks = [keys[place : place + size] for place in starts]
                outer_values[at : at + 1] = [values[place : place + size] for place in starts]
                maxima[at : at + 1] = [chunk[-1] for chunk in chunks]
            else:
                outer_keys[at] = keys
                outer_values[at] = values
                maxima[at] = keys[-1]
        return Lists(maxima, outer_keys, outer_values, length)

    def remove(self, key: bytes) -> SortedChunks[V]:
        """The map without ``key``; raises ``KeyError`` where it is not there. Costs O(chunk size + chunks)."""
        maxima, outer_keys, outer_values, length = self._settled()
        at = bisect_left(maxima, key)
        if at == len(maxima):
            raise KeyError(key)
        keys = outer_keys[at]
        place = bisect_left(keys, key)
        if keys[place] != key:
            raise KeyError(key)
        keys = keys.copy()
        del keys[place]
        values = outer_values[at].copy()
        del values[place]
        outer_keys = outer_keys.copy()
        outer_values = outer_values.copy()
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
        return type(self)(Lists(maxima, outer_keys, outer_values, length - 1))

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and of the lists; what the values take is not counted. Costs O(n)."""
        maxima, keys, values, _ = self._settled()
        lists = [maxima, keys, values, *keys, *values]
        return sum(map(getsizeof, lists)) + sum(sum(map(getsizeof, chunk)) for chunk in keys)

    # -- invariants --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Verifies every invariant; raises ``AssertionError`` with the whole state where one fails. Costs O(n)."""
        lists = self._settled()
        try:
            assert len(lists.maxima) == len(lists.keys) == len(lists.values), "outer lists are parallel"
            assert lists.length == sum(map(len, lists.keys)), "the length is the number of keys"
            everything = [key for keys in lists.keys for key in keys]
            assert all(a < b for a, b in pairwise(everything)), "keys strictly ascend"
            for maximum, keys, values in zip(lists.maxima, lists.keys, lists.values, strict=True):
                assert 0 < len(keys) <= self.CHUNK_SIZE, "no chunk is empty or too long"
                assert len(keys) == len(values), "keys and values are parallel"
                assert maximum == keys[-1], "a maximum is its chunk's last key"
        except AssertionError as error:
            state = f"length {lists.length}\nmaxima {lists.maxima}\nkeys {lists.keys}\nvalues {lists.values}"
            raise AssertionError(f"{self!r} is broken: {error}\n{state}") from None


_key = itemgetter(0)


def _ascending(pairs: Iterable[tuple[bytes, V]]) -> list[tuple[bytes, V]]:
    pairs = list(pairs)
    for (before, _), (after, _) in pairwise(pairs):
        if after <= before:
            raise ValueError(f"keys must ascend: {after!r} follows {before!r}")
    return pairs
