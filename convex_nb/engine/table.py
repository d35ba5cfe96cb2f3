"""One table at one snapshot: Arrow segments, the recent delta of every index, and what of the segments is dead."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from convex_nb.engine.sorted_chunks import SortedChunks
from convex_nb.language.errors import IndexNotFoundError
from convex_nb.language.keys import MAX_KEY, MIN_KEY, key_function

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from convex_nb.engine.commit import Commit, Write
    from convex_nb.engine.index import IndexRun
    from convex_nb.engine.segment import Segment
    from convex_nb.language.documents import Document
    from convex_nb.language.schema import TableDefinition

BY_ID = "by_id"
BY_CREATION_TIME = "by_creation_time"
SHORT = 512
"""Up to this many documents a read merges key by key; longer ones splice the delta into whole slices."""


class TableIndex(NamedTuple):
    """An index of a table: its name, its fields and the function that makes a document's full key."""

    name: str
    fields: tuple[str, ...]
    key_of: Callable[[Document], bytes]


def table_indexes(definition: TableDefinition | None) -> tuple[TableIndex, ...]:
    """The indexes of a table, the two automatic ones first."""
    indexes = [
        TableIndex(BY_ID, ("_id",), key_function(("_id",))),
        TableIndex(BY_CREATION_TIME, ("_creationTime",), key_function(("_creationTime",))),
    ]
    if definition is not None:
        indexes.extend(
            TableIndex(index.name, index.fields, key_function(index.fields))
            for index in definition.indexes
            if not index.staged
        )
    return tuple(indexes)


class Part:
    """One segment, its run in every index of the table, and the keys of its rows that no longer count; immutable.

    ``dead`` is parallel to the table's indexes: under the key that the row has there, the row. A document may have
    rows in several segments, of which all but at most one are dead.
    """

    __slots__ = ("_runs", "dead", "prepared", "segment")

    def __init__(
        self,
        segment: Segment,
        runs: list[IndexRun | None],
        dead: tuple[SortedChunks[int], ...] | None = None,
        prepared: dict[tuple[str, ...], IndexRun] | None = None,
    ) -> None:
        self.segment = segment
        # Runs of staged indexes, by their fields: built in the background, used by the push that turns them on.
        self.prepared = {} if prepared is None else prepared
        # Shared by every version of the part. The run of by_id is built when a scan first asks for it, since ids
        # are found through the segment's own lookup.
        self._runs = runs
        if dead is None:
            nothing: SortedChunks[int] = SortedChunks.empty()
            dead = (nothing,) * len(runs)
        self.dead = dead

    @classmethod
    def build(cls, segment: Segment, indexes: Sequence[TableIndex]) -> Part:
        """Index a segment. Costs O(rows log rows) per index, vectorised."""
        from convex_nb.engine.index_build import build_run

        return cls(segment, [None if index.name == BY_ID else build_run(segment, index.fields) for index in indexes])

    def __len__(self) -> int:
        return self.segment.num_rows - len(self.dead[0])

    def run(self, position: int) -> IndexRun:
        """The run of the index at ``position``."""
        run = self._runs[position]
        if run is None:
            from convex_nb.engine.index_build import build_run

            # Two threads may both build it; either result is right, so no lock.
            run = self._runs[position] = build_run(self.segment, ("_id",))
        return run

    def existing_run(self, position: int) -> IndexRun | None:
        """The run of the index at ``position``, if it has been built."""
        return self._runs[position]

    def prepared_run(self, fields: tuple[str, ...]) -> IndexRun:
        """The run of an index that is not in force, built now unless the background has done so."""
        run = self.prepared.get(fields)
        if run is None:
            from convex_nb.engine.index_build import build_run

            run = self.prepared[fields] = build_run(self.segment, fields)
        return run

    def touches(self, position: int, lo: bytes, hi: bytes) -> bool:
        """Whether a key of the index at ``position`` lies in ``lo <= key < hi``."""
        start, stop = self.run(position).bounds(lo, hi)
        return start < stop

    def bury(self, keys: tuple[bytes, ...], row: int) -> Part:
        """The part without one more row."""
        dead = tuple([chunks.insert(key, row) for chunks, key in zip(self.dead, keys, strict=True)])
        return Part(self.segment, self._runs, dead, self.prepared)

    def alive_rows(self) -> NDArray[np.int64] | None:
        """The rows that count, ascending; ``None`` for all of them. Costs O(rows) if any is dead."""
        if not self.dead[0]:
            return None
        import numpy as np

        return np.delete(np.arange(self.segment.num_rows), self.dead_rows())

    def dead_rows(self) -> list[int]:
        """The rows that no longer count, ascending. Costs O(dead rows)."""
        return sorted([row for _, row in self.dead[0].range(MIN_KEY, MAX_KEY)])

    @property
    def nbytes(self) -> int:
        """Bytes of the columns and the runs that exist."""
        return self.segment.nbytes + sum([run.nbytes for run in self._runs if run is not None])


_first = itemgetter(0)


class TableState:
    """A table at one snapshot; immutable, sharing almost everything with the state before it.

    An index is the runs of all parts, less what of each is dead, plus ``live[i]``: the keys of the documents that
    are in no segment yet, with the documents. ``live`` is parallel to ``indexes``.
    """

    __slots__ = ("_positions", "definition", "indexes", "live", "name", "number", "parts")

    def __init__(
        self,
        name: str,
        number: int,
        definition: TableDefinition | None,
        indexes: tuple[TableIndex, ...],
        parts: tuple[Part, ...],
        live: tuple[SortedChunks[Document], ...],
    ) -> None:
        self.name = name
        self.number = number
        self.definition = definition
        self.indexes = indexes
        self.parts = parts
        self.live = live
        self._positions: dict[str, int] | None = None

    @classmethod
    def create(
        cls, name: str, number: int, definition: TableDefinition | None, parts: Iterable[Part] = ()
    ) -> TableState:
        """A table that holds nothing but ``parts``."""
        return cls.over(name, number, definition, table_indexes(definition), tuple(parts))

    @classmethod
    def over(
        cls,
        name: str,
        number: int,
        definition: TableDefinition | None,
        indexes: tuple[TableIndex, ...],
        parts: tuple[Part, ...],
    ) -> TableState:
        """The same with indexes that are made already."""
        nothing: SortedChunks[Document] = SortedChunks.empty()
        return cls(name, number, definition, indexes, parts, (nothing,) * len(indexes))

    def __repr__(self) -> str:
        return (
            f"TableState({self.name!r}, {len(self)} documents: {len(self.parts)} segments, {len(self.live[1])} recent)"
        )

    def __len__(self) -> int:
        return sum([len(part) for part in self.parts]) + len(self.live[1])

    # -- reading -----------------------------------------------------------------------------------------------

    def position(self, index: str) -> int:
        """The place of an index in ``indexes``. Raises ``IndexNotFoundError``."""
        positions = self._positions
        if positions is None:
            positions = self._positions = {each.name: place for place, each in enumerate(self.indexes)}
        try:
            return positions[index]
        except KeyError:
            raise IndexNotFoundError(self.name, index, tuple(positions)) from None

    def get(self, id: str) -> Document | None:
        """The document with this id. Any string is a legal question. Costs O(segments)."""
        try:
            key = b"\x10" + id.encode() + b"\x00"
        except UnicodeEncodeError:
            return None
        document = self.live[0].get(key)
        if document is not None or not self.parts:
            return document
        for part in self.parts:
            row = part.segment.find(id)
            if row >= 0 and not (part.dead[0] and part.dead[0].get(key) is not None):
                return part.segment.document(row)
        return None

    def owns(self, id: str) -> bool:
        """Whether a document with this id is in the table now."""
        return self.get(id) is not None

    def count(self, position: int, lo: bytes = MIN_KEY, hi: bytes = MAX_KEY) -> int:
        """How many documents have a key in ``lo <= key < hi``. Costs O(segments x log rows)."""
        total = self.live[position].count(lo, hi)
        for part in self.parts:
            start, stop = part.run(position).bounds(lo, hi)
            total += stop - start - part.dead[position].count(lo, hi)
        return total

    def read(self, position: int, lo: bytes, hi: bytes, limit: int | None, reverse: bool) -> list[Document]:
        """The first ``limit`` documents (all, for ``None``) with a key in ``lo <= key < hi``, in order.

        Costs O(segments x log rows) plus about a microsecond a document.
        """
        live = self.live[position]
        parts = self.parts
        if not parts:
            return [document for _, document in islice(live.range(lo, hi, reverse), limit)]
        spans: list[tuple[Part, IndexRun, int, int]] = []
        rows = 0
        for part in parts:
            run = part.run(position)
            start, stop = run.bounds(lo, hi)
            if start < stop:
                spans.append((part, run, start, stop))
                rows += stop - start
        if not spans:
            return [document for _, document in islice(live.range(lo, hi, reverse), limit)]
        fresh = list(islice(live.range(lo, hi, reverse), limit)) if live else []
        hidden = sum([part.dead[position].count(lo, hi) for part, *_ in spans if part.dead[0]])
        if len(spans) == 1 and not fresh and not hidden:
            part, run, start, stop = spans[0]
            return _slice(part, run, start, stop, limit, reverse)
        wanted = rows + len(fresh) if limit is None else min(limit, rows + len(fresh))
        if wanted <= SHORT:
            return self._merge(position, spans, fresh, hidden, wanted, reverse)
        largest = max(spans, key=lambda span: span[3] - span[2])
        edits = rows - (largest[3] - largest[2]) + len(fresh) + hidden
        if edits * 4 > largest[3] - largest[2]:
            return self._merge(position, spans, fresh, hidden, wanted, reverse)
        documents = self._splice(position, largest, spans, fresh if not reverse else fresh[::-1], lo, hi)
        if reverse:
            documents.reverse()
        return documents if limit is None else documents[:limit]

    def _merge(
        self,
        position: int,
        spans: list[tuple[Part, IndexRun, int, int]],
        fresh: list[tuple[bytes, Document]],
        hidden: int,
        wanted: int,
        reverse: bool,
    ) -> list[Document]:
        """Key by key: every source yields its keys in order, dead ones skipped, until enough are there."""
        if hidden:
            streams: list[Iterator[tuple[bytes, Segment | None, Any]]] = [
                _alive(part, position, start, stop, reverse) for part, _, start, stop in spans
            ]
            streams.append(
                zip([key for key, _ in fresh], repeat(None), [document for _, document in fresh], strict=False)
            )
            merged: Iterable[tuple[bytes, Segment | None, Any]]
            merged = heapq.merge(*streams, key=_first, reverse=reverse)
        else:
            entries: list[tuple[bytes, Segment | None, Any]] = [(key, None, document) for key, document in fresh]
            for part, run, start, stop in spans:
                # At most ``wanted`` keys of one source can be among the answer.
                if stop - start > wanted:
                    start, stop = (stop - wanted, stop) if reverse else (start, start + wanted)
                rows = run.rows(start, stop).tolist()
                entries += zip(run.keys(start, stop), repeat(part.segment), rows, strict=False)
            # Timsort finds the sorted stretches: quicker than a heap.
            entries.sort(key=_first, reverse=reverse)
            merged = entries
        return [entry if segment is None else segment.document(entry) for _, segment, entry in islice(merged, wanted)]

    def _splice(
        self,
        position: int,
        largest: tuple[Part, IndexRun, int, int],
        spans: list[tuple[Part, IndexRun, int, int]],
        fresh: list[tuple[bytes, Document]],
        lo: bytes,
        hi: bytes,
    ) -> list[Document]:
        """Whole slices of the largest run, interrupted where another source has a key or one of its own is dead."""
        part, run, start, stop = largest
        others: list[tuple[bytes, Document]] = list(fresh)
        for other, _, other_start, other_stop in spans:
            if other is not part:
                alive = _alive(other, position, other_start, other_stop, reverse=False)
                others.extend([(key, segment.document(row)) for key, segment, row in alive])
        cuts: list[tuple[bytes, Document | None]] = [(key, None) for key, _ in part.dead[position].range(lo, hi)]
        # The sort is stable: where an updated document keeps its key, the dead row is passed before it is replaced.
        cuts += others
        cuts.sort(key=_first)
        documents: list[Document] = []
        at = start
        for key, document in cuts:
            upto, _ = run.bounds(key, MAX_KEY)
            if upto > at:
                documents += part.segment.documents(run.rows(at, upto))
                at = upto
            if document is None:
                at = upto + 1
            else:
                documents.append(document)
        if at < stop:
            documents += part.segment.documents(run.rows(at, stop))
        return documents

    def scan(self, position: int, lo: bytes, hi: bytes, reverse: bool) -> Iterator[Document]:
        """All documents of a range one after another, read in pages that grow, so that stopping early is cheap."""
        key_of = self.indexes[position].key_of
        size = 4
        while True:
            documents = self.read(position, lo, hi, size, reverse)
            yield from documents
            if len(documents) < size:
                return
            last = key_of(documents[-1])
            if reverse:
                hi = last
            else:
                lo = last + b"\x00"
            size = min(size * 4, 4096)

    # -- writing -----------------------------------------------------------------------------------------------

    def keys_of(self, document: Document) -> tuple[bytes, ...]:
        """The document's key in every index."""
        return tuple([index.key_of(document) for index in self.indexes])

    def apply(self, write: Write) -> TableState:
        """The table after one write. Costs O(indexes) copies of a small chunk."""
        live = self.live
        parts = self.parts
        old_keys, new_keys, document = write.old_keys, write.new_keys, write.new
        if old_keys is not None:
            if live[0].get(old_keys[0]) is not None:
                live = tuple(
                    [
                        chunks if new_keys is not None and new_keys[position] == key else chunks.remove(key)
                        for position, (chunks, key) in enumerate(zip(live, old_keys, strict=True))
                    ]
                )
            else:
                parts = self._bury(write.id, old_keys)
        if new_keys is not None:
            live = tuple([chunks.insert(key, document) for chunks, key in zip(live, new_keys, strict=True)])  # type: ignore[arg-type]
        return TableState(self.name, self.number, self.definition, self.indexes, parts, live)

    def _bury(self, id: str, keys: tuple[bytes, ...]) -> tuple[Part, ...]:
        for place, part in enumerate(self.parts):
            row = part.segment.find(id)
            if row >= 0 and part.dead[0].get(keys[0]) is None:
                return (*self.parts[:place], part.bury(keys, row), *self.parts[place + 1 :])
        raise AssertionError(f"{id} is in no segment of {self!r}")

    def with_part(self, part: Part) -> TableState:
        """The table with one more segment."""
        return TableState(self.name, self.number, self.definition, self.indexes, (*self.parts, part), self.live)

    def with_live_of(self, other: TableState) -> TableState:
        """The table with the delta of ``other``, a state of the same table under the same indexes."""
        return TableState(self.name, self.number, self.definition, self.indexes, self.parts, other.live)

    def replay(self, commit: Commit) -> TableState:
        """The table after those changes of ``commit`` that are its own."""
        table = self.empty() if self.name in commit.replaced else self
        for name, part in commit.parts:
            if name == self.name:
                table = table.with_part(part)
        for write in commit.writes:
            if write.table == self.name:
                table = table.apply(write)
        return table

    def with_live(self, documents: Iterable[Document]) -> TableState:
        """The table with these documents in its delta, in place of what is there. Costs O(documents log documents)."""
        documents = list(documents)
        live = tuple(
            [
                SortedChunks.from_sorted(
                    sorted([(index.key_of(document), document) for document in documents], key=_first)
                )
                for index in self.indexes
            ]
        )
        return TableState(self.name, self.number, self.definition, self.indexes, self.parts, live)

    def empty(self) -> TableState:
        """The table with nothing in it."""
        return TableState.over(self.name, self.number, self.definition, self.indexes, ())

    def recent(self) -> list[Document]:
        """The documents that are in no segment, in creation order."""
        return [document for _, document in self.live[1].range(MIN_KEY, MAX_KEY)]


def _slice(part: Part, run: IndexRun, start: int, stop: int, limit: int | None, reverse: bool) -> list[Document]:
    if limit is not None and stop - start > limit:
        start, stop = (stop - limit, stop) if reverse else (start, start + limit)
    documents = part.segment.documents(run.rows(start, stop))
    if reverse:
        documents.reverse()
    return documents


def _keys(part: Part, run: IndexRun, start: int, stop: int, reverse: bool) -> Iterator[tuple[bytes, Segment, int]]:
    segment = part.segment
    for i in range(stop - 1, start - 1, -1) if reverse else range(start, stop):
        yield run.key(i), segment, run.row(i)


def _alive(part: Part, position: int, start: int, stop: int, reverse: bool) -> Iterator[tuple[bytes, Segment, int]]:
    dead = part.dead[position]
    for entry in _keys(part, part.run(position), start, stop, reverse):
        if dead.get(entry[0]) is None:
            yield entry
