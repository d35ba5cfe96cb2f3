"""Results of long ranges, carried over from one run of a live query to the next."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Catalog, Snapshot
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document

LEAST = 256
"""Ranges shorter than this are quicker to read than to keep."""
LARGEST_PATCH = 8
"""A range is read anew when more than one in so many of its documents changed."""


class _Range(NamedTuple):
    table: str
    position: int
    lo: bytes
    hi: bytes
    reverse: bool


class _Result(NamedTuple):
    timestamp: int
    catalog: Catalog
    documents: list[Document]
    used: bool


class Materialised:
    """The long ranges that one live query read in its last run.

    A range that is read again is patched with the commits since, which costs a copy of the list and O(log documents)
    for each change, instead of decoding every document. What a run did not ask for again is dropped by ``turn``.
    Used by one run at a time.
    """

    __slots__ = ("_database", "_results", "patched", "read_anew")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._results: dict[_Range, _Result] = {}
        self.patched = 0
        self.read_anew = 0

    def __len__(self) -> int:
        return len(self._results)

    def turn(self) -> None:
        """A run is over: forget the ranges that it did not read."""
        self._results = {where: result._replace(used=False) for where, result in self._results.items() if result.used}

    def read(
        self, snapshot: Snapshot, state: TableState, position: int, lo: bytes, hi: bytes, reverse: bool
    ) -> list[Document]:
        """All documents of a range at ``snapshot``: a list of the caller's own."""
        where = _Range(state.name, position, lo, hi, reverse)
        kept = self._results.get(where)
        documents = None if kept is None else self._patch(kept, snapshot, state, where)
        if documents is None:
            documents = state.read(position, lo, hi, None, reverse)
            self.read_anew += 1
        else:
            self.patched += 1
        if len(documents) < LEAST:
            self._results.pop(where, None)
            return documents
        self._results[where] = _Result(snapshot.timestamp, snapshot.catalog, documents, used=True)
        return documents.copy()

    def _patch(self, kept: _Result, snapshot: Snapshot, state: TableState, where: _Range) -> list[Document] | None:
        if kept.catalog is not snapshot.catalog or kept.timestamp > snapshot.timestamp:
            return None
        if kept.timestamp == snapshot.timestamp:
            return kept.documents
        commits = self._database.commits_between(kept.timestamp, snapshot.timestamp)
        if commits is None:
            return None
        # The net change of each document that was or is in the range: its key then, its key and content now.
        before: dict[str, bytes | None] = {}
        after: dict[str, tuple[bytes, Document] | None] = {}
        for commit in commits:
            if any(name == where.table for name, _ in commit.parts) or where.table in commit.replaced:
                return None
            for write in commit.writes:
                if write.table == where.table:
                    if write.id not in before:
                        before[write.id] = None if write.old_keys is None else write.old_keys[where.position]
                    after[write.id] = (
                        None
                        if write.new_keys is None or write.new is None
                        else (write.new_keys[where.position], write.new)
                    )
            if len(before) * LARGEST_PATCH > len(kept.documents):
                return None
        documents = kept.documents.copy()
        if where.reverse:
            documents.reverse()
        key_of = state.indexes[where.position].key_of
        for id, old_key in before.items():
            new = after[id]
            was = old_key is not None and where.lo <= old_key < where.hi
            if new is not None and where.lo <= new[0] < where.hi:
                place = bisect_left(documents, new[0], key=key_of)
                if was and old_key == new[0]:
                    documents[place] = new[1]
                    continue
                documents.insert(place, new[1])
            if was:
                assert old_key is not None
                del documents[bisect_left(documents, old_key, key=key_of)]
        if where.reverse:
            documents.reverse()
        return documents
