from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import ClassVar

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from convex_nb.engine.indexes.sorted_chunks import Lists, SortedChunks


class TinyChunks(SortedChunks[int]):
    CHUNK_SIZE = 4
    MOST_NOTED = 7


class PairChunks(SortedChunks[int]):
    CHUNK_SIZE = 2


KEYS = st.binary(max_size=2) | st.integers(0, 60).map(lambda n: bytes([n]))


class AgainstDict(RuleBasedStateMachine):
    """Every operation against a dict; all earlier versions must stay as they were."""

    chunks_type: type[SortedChunks[int]] = TinyChunks

    def __init__(self) -> None:
        super().__init__()
        self.chunks = self.chunks_type.empty()
        self.model: dict[bytes, int] = {}
        self.versions: list[tuple[SortedChunks[int], list[tuple[bytes, int]]]] = []

    def keep(self) -> None:
        if len(self.versions) < 8:
            self.versions.append((self.chunks, sorted(self.model.items())))

    @rule(key=KEYS, value=st.integers())
    def insert(self, key: bytes, value: int) -> None:
        self.keep()
        self.chunks = self.chunks.insert(key, value)
        self.model[key] = value

    @rule(start=st.integers(0, 60), length=st.integers(1, 20), up=st.booleans())
    def insert_in_order(self, start: int, length: int, up: bool) -> None:
        for n in range(start, start + length) if up else range(start + length, start, -1):
            self.chunks = self.chunks.insert(bytes([n]), n)
            self.model[bytes([n])] = n

    @rule(key=KEYS)
    def remove_if_there(self, key: bytes) -> None:
        if key not in self.model:
            with pytest.raises(KeyError):
                self.chunks.remove(key)
            return
        self.keep()
        self.chunks = self.chunks.remove(key)
        del self.model[key]

    @rule(at=st.integers(0, 100), length=st.integers(1, 20))
    def remove_stretch(self, at: int, length: int) -> None:
        for key in sorted(self.model)[at : at + length]:
            self.chunks = self.chunks.remove(key)
            del self.model[key]

    @rule(pairs=st.dictionaries(KEYS, st.integers(), max_size=30))
    def merge(self, pairs: dict[bytes, int]) -> None:
        self.keep()
        self.chunks = self.chunks.merge(sorted(pairs.items()))
        self.model |= pairs

    @rule(lo=KEYS, hi=KEYS)
    def read(self, lo: bytes, hi: bytes) -> None:
        expected = [pair for pair in sorted(self.model.items()) if lo <= pair[0] < hi]
        assert list(self.chunks.range(lo, hi)) == expected
        assert list(self.chunks.range(lo, hi, reverse=True)) == expected[::-1]
        assert self.chunks.count(lo, hi) == len(expected)
        assert self.chunks.first(lo, hi) == (expected[0] if expected else None)
        assert self.chunks.first(lo, hi, reverse=True) == (expected[-1] if expected else None)
        assert self.chunks.get(lo) == self.model.get(lo)

    @rule()
    def holds(self) -> None:
        self.chunks.check()
        assert len(self.chunks) == len(self.model)
        assert list(self.chunks) == sorted(self.model.items())

    def teardown(self) -> None:
        self.holds()
        for chunks, content in self.versions:
            assert list(chunks) == content
            assert chunks.values() == [value for _, value in content]


class AgainstDictInPairs(AgainstDict):
    chunks_type = PairChunks


AgainstDict.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
AgainstDictInPairs.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
test_against_dict = AgainstDict.TestCase
test_against_dict_in_pairs = AgainstDictInPairs.TestCase


@given(st.sets(KEYS, max_size=40))
def test_from_sorted(keys: set[bytes]) -> None:
    pairs = [(key, place) for place, key in enumerate(sorted(keys))]
    chunks = TinyChunks.from_sorted(pairs)
    chunks.check()
    assert list(chunks) == pairs


@pytest.mark.parametrize("keys", [[b"b", b"a"], [b"a", b"a"]])
def test_keys_that_do_not_ascend_are_refused(keys: list[bytes]) -> None:
    pairs = [(key, 0) for key in keys]
    with pytest.raises(ValueError, match="ascend"):
        TinyChunks.from_sorted(pairs)
    with pytest.raises(ValueError, match="ascend"):
        TinyChunks.empty().merge(pairs)


def test_get_default() -> None:
    chunks = TinyChunks.from_sorted([(b"a", 1), (b"c", 3)])
    assert chunks.get(b"b", 7) == chunks.get(b"d", 7) == 7
    assert TinyChunks.empty().get(b"a") is None


def test_appending_leaves_full_chunks_behind() -> None:
    chunks: SortedChunks[int] = SortedChunks.empty()
    for n in range(2000):
        chunks = chunks.insert(n.to_bytes(2, "big"), n)
    assert len(chunks._settled().keys) == -(-2000 // SortedChunks.CHUNK_SIZE)


def test_inserts_that_nobody_reads_touch_no_chunk() -> None:
    before = SortedChunks.from_sorted([(b"%04d" % n, n) for n in range(1000)])
    chunks = before
    for n in range(SortedChunks.MOST_NOTED):
        chunks = chunks.insert(b"%04d" % n, -1)
    assert chunks._lists is before._lists
    assert chunks.insert(b"x", 0)._lists is not before._lists
    assert chunks.get(b"0001") == -1
    assert before.get(b"0001") == 1


def test_the_newest_of_what_was_noted_counts() -> None:
    chunks = TinyChunks.empty().insert(b"a", 1).insert(b"b", 2).insert(b"a", 3)
    assert list(chunks) == [(b"a", 3), (b"b", 2)]
    assert list(chunks.remove(b"a").insert(b"b", 4)) == [(b"b", 4)]


class ReadMeanwhile(SortedChunks[int]):
    """Somebody else reads the map while what was noted is brought into its lists."""

    seen: ClassVar[list[list[tuple[bytes, int]]]] = []

    def _with(self, lists: Lists[int], entries: Mapping[bytes, int]) -> Lists[int]:
        result = super()._with(lists, entries)
        if not self.seen:
            self.seen.append([])
            self.seen.append(list(self))
            self.seen.append(list(self.insert(b"c", 3)))
        return result


def test_a_map_may_be_read_by_two_threads_at_once() -> None:
    chunks = ReadMeanwhile.from_sorted([(b"a", 1)]).insert(b"b", 2)
    assert list(chunks) == [(b"a", 1), (b"b", 2)]
    assert ReadMeanwhile.seen[1:] == [[(b"a", 1), (b"b", 2)], [(b"a", 1), (b"b", 2), (b"c", 3)]]


def test_nbytes_grows_with_the_entries() -> None:
    small, large = (SortedChunks.from_sorted([(b"%09d" % n, n) for n in range(count)]).nbytes for count in (100, 1000))
    assert 8 < large / small < 12
    assert large > 1000 * (9 + 16)


def test_check_prints_the_state() -> None:
    chunks = TinyChunks.from_sorted([(bytes([n]), n) for n in range(9)])
    place = bisect_left(chunks._lists.maxima, b"\x04")
    chunks._lists.keys[place].reverse()
    with pytest.raises(AssertionError, match=r"ascend[\s\S]*keys \[\["):
        chunks.check()
