"""Who depends on which keys: the read sets of all live queries in one structure."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from convex_nb.engine.interrupts import deferred
from convex_nb.engine.search.keyspace import Keyspace
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.read_set import ReadSet

Token = Any
"""Whatever the subscriber wants to be named by; hashable."""

CHUNK = 64
"""Intervals that are looked through one by one, half as many to twice as many."""
PREFIX_LENGTHS = 24
"""Lengths of prefixes that are looked up for each key; intervals of further lengths are kept like any others."""


@dataclass(frozen=True, slots=True)
class SubscriptionStatistics:
    """How much is being watched."""

    tokens: int
    """Live queries."""
    ids: int
    """Distinct document ids that somebody read."""
    intervals: int
    """Distinct index intervals that somebody read."""


class IntervalIndex:
    """The intervals of one index and who holds them: whose interval contains a key?

    Three shapes, because live queries have three: a whole index; all keys with one prefix (equalities), found by
    looking the key's own prefixes up; anything else in chunks sorted by ``lo``, each with its greatest ``hi``, and
    the greatest of all chunks up to it, which tells how far back an interval that reaches the key can begin. Equal
    intervals are held once. A question costs O(log intervals + answers) unless most intervals overlap one another.
    """

    __slots__ = ("_chunks", "_greatest", "_holders", "_lengths", "_los", "_prefixes", "_reach", "_whole")

    def __init__(self) -> None:
        self._whole: set[Token] = set()
        self._prefixes: dict[bytes, set[Token]] = {}
        self._lengths: dict[int, int] = {}
        self._holders: dict[tuple[bytes, bytes], set[Token]] = {}
        self._chunks: list[list[tuple[bytes, bytes]]] = []
        self._los: list[bytes] = []
        self._greatest: list[bytes] = []
        self._reach: list[bytes] = []

    def __len__(self) -> int:
        return bool(self._whole) + len(self._prefixes) + len(self._holders)

    def add(self, lo: bytes, hi: bytes, token: Token) -> None:
        """``token`` depends on ``lo <= key < hi``."""
        if lo == MIN_KEY and hi == MAX_KEY:
            self._whole.add(token)
            return
        if hi == lo + MAX_KEY and (len(lo) in self._lengths or len(self._lengths) < PREFIX_LENGTHS):
            holders = self._prefixes.get(lo)
            if holders is None:
                holders = self._prefixes[lo] = set()
                self._lengths[len(lo)] = self._lengths.get(len(lo), 0) + 1
            holders.add(token)
            return
        holders = self._holders.get((lo, hi))
        if holders is None:
            holders = self._holders[(lo, hi)] = set()
            self._insert((lo, hi))
        holders.add(token)

    def remove(self, lo: bytes, hi: bytes, token: Token) -> None:
        """Undo ``add``."""
        if lo == MIN_KEY and hi == MAX_KEY:
            self._whole.discard(token)
            return
        if hi == lo + MAX_KEY:
            holders = self._prefixes.get(lo)
            if holders is not None and token in holders:
                holders.discard(token)
                if not holders:
                    del self._prefixes[lo]
                    self._lengths[len(lo)] -= 1
                    if not self._lengths[len(lo)]:
                        del self._lengths[len(lo)]
                return
        holders = self._holders[(lo, hi)]
        holders.discard(token)
        if not holders:
            del self._holders[(lo, hi)]
            self._remove((lo, hi))

    def find(self, key: bytes, found: set[Token]) -> None:
        """Add to ``found`` everybody whose interval contains ``key``."""
        if self._whole:
            found |= self._whole
        if self._prefixes:
            prefixes = self._prefixes
            for length in self._lengths:
                holders = prefixes.get(key[:length])
                if holders is not None:
                    found |= holders
        if self._chunks:
            place = bisect_right(self._los, key) - 1
            while place >= 0 and self._reach[place] > key:
                if self._greatest[place] > key:
                    for span in self._chunks[place]:
                        if span[0] > key:
                            break
                        if span[1] > key:
                            found |= self._holders[span]
                place -= 1

    def within(self, touches: Callable[[bytes, bytes], bool], found: set[Token]) -> None:
        """Add everybody in whose interval a new segment ``touches``, having a key there. Asks once for each."""
        if self._whole and touches(MIN_KEY, MAX_KEY):
            found |= self._whole
        for lo, holders in self._prefixes.items():
            if not holders <= found and touches(lo, lo + MAX_KEY):
                found |= holders
        for (lo, hi), holders in self._holders.items():
            if not holders <= found and touches(lo, hi):
                found |= holders

    def everybody(self) -> set[Token]:
        """All who hold an interval."""
        return self._whole.union(*self._prefixes.values(), *self._holders.values())

    def held(self) -> dict[tuple[bytes, bytes], set[Token]]:
        """Every interval and who holds it."""
        held = {(lo, lo + MAX_KEY): set(holders) for lo, holders in self._prefixes.items()}
        if self._whole:
            held[MIN_KEY, MAX_KEY] = set(self._whole)
        for span, holders in self._holders.items():
            held.setdefault(span, set()).update(holders)
        return held

    def check(self) -> None:
        """Verify what the search relies on. Raises ``AssertionError`` with its state."""
        state = f"{self._chunks}, los {self._los}, greatest {self._greatest}, reach {self._reach}"
        spans = [span for chunk in self._chunks for span in chunk]
        assert len(spans) == len(self._holders) == len(self._holders.keys() & spans), f"{state}: held {self._holders}"
        assert all(chunk and chunk == sorted(chunk) for chunk in self._chunks), f"{state}: out of order"
        los = [lo for lo, _ in spans]
        assert los == sorted(los), f"{state}: chunks are out of order"
        assert self._los == [chunk[0][0] for chunk in self._chunks], f"{state}: wrong los"
        assert self._greatest == [max([hi for _, hi in chunk]) for chunk in self._chunks], f"{state}: wrong greatest"
        assert self._reach == list(accumulate(self._greatest, max)), f"{state}: wrong reach"
        assert self._lengths == Counter(map(len, self._prefixes)), f"lengths {self._lengths} of {self._prefixes}"

    def _insert(self, span: tuple[bytes, bytes]) -> None:
        place = max(0, bisect_right(self._los, span[0]) - 1)
        if not self._chunks:
            self._chunks.append([])
            self._los.append(MIN_KEY)
            self._greatest.append(MIN_KEY)
            self._reach.append(MIN_KEY)
        chunk = self._chunks[place]
        insort(chunk, span)
        if len(chunk) > 2 * CHUNK:
            half = len(chunk) // 2
            self._chunks[place : place + 1] = [chunk[:half], chunk[half:]]
            for figures in (self._los, self._greatest, self._reach):
                figures.insert(place, MIN_KEY)
            self._measure(place + 1)
        self._measure(place)

    def _remove(self, span: tuple[bytes, bytes]) -> None:
        place = bisect_right(self._los, span[0]) - 1
        # Intervals with one `lo` may lie in several chunks.
        while span not in self._chunks[place]:
            place -= 1
        chunk = self._chunks[place]
        del chunk[bisect_left(chunk, span)]
        if not chunk:
            for figures in (self._chunks, self._los, self._greatest, self._reach):
                del figures[place]
        if place < len(self._chunks):
            self._measure(place)

    def _measure(self, place: int) -> None:
        """Bring the figures of a changed chunk up to date, and the reach of those after it as far as it changes."""
        chunk = self._chunks[place]
        self._los[place] = chunk[0][0]
        self._greatest[place] = max([span[1] for span in chunk])
        reach = self._reach
        greatest = reach[place - 1] if place else MIN_KEY
        for at in range(place, len(reach)):
            greatest = max(greatest, self._greatest[at])
            if reach[at] == greatest and at > place:
                break
            reach[at] = greatest


class Subscriptions:
    """All live read sets, by token. Safe for threads; one lock, held for microseconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indexes: dict[tuple[str, str], IntervalIndex] = {}
        # Those of `_indexes` that are searches, by table.
        self._keyspaces: dict[str, set[Keyspace]] = {}
        self._ids: dict[str, set[Token]] = {}
        self._read_sets: dict[Token, ReadSet] = {}

    def __len__(self) -> int:
        return len(self._read_sets)

    def __contains__(self, token: Hashable) -> bool:
        return token in self._read_sets

    def add(self, read_set: ReadSet, token: Token) -> None:
        """Watch a read set under ``token``, instead of what it watched before. Costs O(intervals)."""
        with deferred, self._lock:
            old = self._read_sets.get(token)
            if old is not None:
                if old.ids == read_set.ids and old.merged() == read_set.merged():
                    self._read_sets[token] = read_set
                    return
                self._forget(old, token)
            self._read_sets[token] = read_set
            for id in read_set.ids:
                self._ids.setdefault(id, set()).add(token)
            for table, index, lo, hi in read_set:
                intervals = self._indexes.get((table, index))
                if intervals is None:
                    intervals = self._indexes[(table, index)] = IntervalIndex()
                    if isinstance(index, Keyspace):
                        self._keyspaces.setdefault(table, set()).add(index)
                intervals.add(lo, hi, token)

    def remove(self, token: Token) -> None:
        """Watch nothing under ``token`` any more; unknown tokens are fine."""
        with deferred, self._lock:
            old = self._read_sets.pop(token, None)
            if old is not None:
                self._forget(old, token)

    def touched(self, commit: Commit) -> set[Token]:
        """Everybody who read something that ``commit`` changed."""
        found: set[Token] = set()
        with self._lock:
            if not self._read_sets:
                return found
            ids = self._ids
            indexes = self._indexes
            for write in commit.writes:
                if ids:
                    holders = ids.get(write.id)
                    if holders is not None:
                        found |= holders
                for position, index in enumerate(commit.indexes[write.table]):
                    intervals = indexes.get((write.table, index.name))
                    if intervals is not None:
                        old = None if write.old_keys is None else write.old_keys[position]
                        new = None if write.new_keys is None else write.new_keys[position]
                        if old is not None:
                            intervals.find(old, found)
                        if new is not None and new != old:
                            intervals.find(new, found)
                for terms in self._keyspaces.get(write.table, ()):
                    for key in terms.changed_keys(write):
                        indexes[write.table, terms].find(key, found)
            for table, part in commit.parts:
                for position, index in enumerate(commit.indexes[table]):
                    intervals = indexes.get((table, index.name))
                    if intervals is not None:
                        intervals.within(partial(part.touches, position), found)
                for terms in self._keyspaces.get(table, ()):
                    indexes[table, terms].within(partial(terms.touches, part.segment), found)
                for id, holders in ids.items():
                    if part.segment.find(id) >= 0:
                        found |= holders
            if commit.replaced:
                found |= self._readers(commit.replaced)
                found.update(*ids.values())
        return found

    def readers(self, tables: frozenset[str]) -> set[Token]:
        """Everybody who read a range of one of these tables, or any document by its id."""
        with self._lock:
            return self._readers(tables).union(*self._ids.values())

    def statistics(self) -> SubscriptionStatistics:
        """Sizes."""
        with self._lock:
            return SubscriptionStatistics(
                len(self._read_sets), len(self._ids), sum([len(each) for each in self._indexes.values()])
            )

    def check(self) -> None:
        """Verify that the structure holds exactly the read sets. Raises ``AssertionError`` with its state."""
        with self._lock:
            expected: dict[tuple[str, str], dict[tuple[bytes, bytes], set[Token]]] = {}
            ids: dict[str, set[Token]] = {}
            for token, read_set in self._read_sets.items():
                for table, index, lo, hi in read_set:
                    expected.setdefault((table, index), {}).setdefault((lo, hi), set()).add(token)
                for id in read_set.ids:
                    ids.setdefault(id, set()).add(token)
            actual = {where: intervals.held() for where, intervals in self._indexes.items()}
            assert actual == expected, f"subscriptions {actual} are not the read sets {expected}"
            keyspaces = {where for where in actual if isinstance(where[1], Keyspace)}
            held = {(table, index) for table, indexes in self._keyspaces.items() for index in indexes}
            assert held == keyspaces, f"searches {held} are not those of the read sets, {keyspaces}"
            assert self._ids == ids, f"watched ids {self._ids} are not those read {ids}"
            for intervals in self._indexes.values():
                intervals.check()

    def _readers(self, tables: frozenset[str]) -> set[Token]:
        found: set[Token] = set()
        for (table, _), intervals in self._indexes.items():
            if table in tables:
                found |= intervals.everybody()
        return found

    def _forget(self, read_set: ReadSet, token: Token) -> None:
        for id in read_set.ids:
            holders = self._ids[id]
            holders.discard(token)
            if not holders:
                del self._ids[id]
        for table, index, lo, hi in read_set:
            intervals = self._indexes[(table, index)]
            intervals.remove(lo, hi, token)
            if not len(intervals):
                del self._indexes[(table, index)]
                if isinstance(index, Keyspace):
                    self._keyspaces[table].discard(index)
