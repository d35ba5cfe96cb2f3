"""What a transaction or a live query depends on: document ids and intervals of index keys."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from convex_nb.engine.search.keyspace import Keyspace

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit


class Interval(NamedTuple):
    """The keys ``lo <= key < hi`` of one index: everything that a read consumed, absence included.

    Of a search the index is the `Keyspace` of its terms, or of its vector.
    """

    table: str
    index_name: str
    lo: bytes
    hi: bytes


class Dependency(NamedTuple):
    """The first thing that a later commit changed under a read set."""

    table: str
    id: str | None


class ReadSet:
    """The exact reads of one execution.

    Reads are appended as they happen; ``conflict`` sorts and merges them when a commit has to be checked.
    Ids need no table: they are unique in the deployment.
    """

    __slots__ = ("_merged", "_merged_length", "ids", "intervals")

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.intervals: list[Interval] = []
        self._merged: dict[tuple[str, str], tuple[list[bytes], list[bytes]]] = {}
        self._merged_length = 0

    def __bool__(self) -> bool:
        return bool(self.ids or self.intervals)

    def __repr__(self) -> str:
        return f"ReadSet({len(self.ids)} ids, {len(self.intervals)} intervals)"

    def merged(self) -> dict[tuple[str, str], tuple[list[bytes], list[bytes]]]:
        """The intervals by ``(table, index)``, disjoint and in order, as parallel lists of ``lo`` and ``hi``."""
        if self._merged_length != len(self.intervals):
            grouped: dict[tuple[str, str], list[tuple[bytes, bytes]]] = {}
            for table, index, lo, hi in self.intervals:
                grouped.setdefault((table, index), []).append((lo, hi))
            self._merged = {where: _merge(spans) for where, spans in grouped.items()}
            self._merged_length = len(self.intervals)
        return self._merged

    def __iter__(self) -> Iterator[Interval]:
        """The intervals, merged: what a subscription stores."""
        for (table, index), (los, his) in self.merged().items():
            for lo, hi in zip(los, his, strict=True):
                yield Interval(table, index, lo, hi)

    def tables(self) -> set[str]:
        """The tables of which a range was read (a ``get`` by id is not listed: its id names no table)."""
        return {interval.table for interval in self.intervals}

    def conflict(self, commits: Iterable[Commit]) -> tuple[Dependency, Commit] | None:
        """The first change among ``commits`` that falls into this read set, or ``None``.

        Costs O(changed keys x log intervals).
        """
        if not self:
            return None
        for commit in commits:
            dependency = self.touched_by(commit)
            if dependency is not None:
                return dependency, commit
        return None

    def touched_by(self, commit: Commit) -> Dependency | None:
        """The first document of ``commit`` that this read set depends on, or ``None``."""
        ids = self.ids
        spans = self.merged()
        searched = [(table, index) for table, index in spans if isinstance(index, Keyspace)]
        for write in commit.writes:
            if write.id in ids:
                return Dependency(write.table, write.id)
            if spans:
                for position, index in enumerate(commit.indexes[write.table]):
                    span = spans.get((write.table, index.name))
                    if span is not None and (
                        (write.old_keys is not None and _contains(span, write.old_keys[position]))
                        or (write.new_keys is not None and _contains(span, write.new_keys[position]))
                    ):
                        return Dependency(write.table, write.id)
            for table, terms in searched:
                if table == write.table:
                    span = spans[table, terms]
                    if any(_contains(span, key) for key in terms.changed_keys(write)):
                        return Dependency(table, write.id)
        for table in commit.replaced:
            # Which of the ids were in it is not known any more: a point read of any table counts.
            if ids or any(name == table for name, _ in spans):
                return Dependency(table, None)
        for table, part in commit.parts:
            for position, index in enumerate(commit.indexes[table]):
                span = spans.get((table, index.name))
                if span is not None and any(part.touches(position, lo, hi) for lo, hi in zip(*span, strict=True)):
                    return Dependency(table, None)
            for name, terms in searched:
                if name == table and any(
                    terms.touches(part.segment, lo, hi) for lo, hi in zip(*spans[name, terms], strict=True)
                ):
                    return Dependency(table, None)
            for id in ids:
                if part.segment.find(id) >= 0:
                    return Dependency(table, id)
        return None


def _merge(spans: list[tuple[bytes, bytes]]) -> tuple[list[bytes], list[bytes]]:
    spans.sort()
    los: list[bytes] = []
    his: list[bytes] = []
    for lo, hi in spans:
        if his and lo <= his[-1]:
            his[-1] = max(his[-1], hi)
        else:
            los.append(lo)
            his.append(hi)
    return los, his


def _contains(span: tuple[list[bytes], list[bytes]], key: bytes) -> bool:
    position = bisect_right(span[0], key) - 1
    return position >= 0 and key < span[1][position]
