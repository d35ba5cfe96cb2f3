"""One table at one snapshot: Arrow segments, the recent delta of every index, and what of the segments is dead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING

from convex_nb.engine.indexes.sorted_chunks import SortedChunks
from convex_nb.engine.merge import merged_read
from convex_nb.engine.part import Part
from convex_nb.engine.segments.recent_columns import RecentColumns
from convex_nb.engine.table_index import TableIndex, table_indexes
from convex_nb.language.errors import IndexNotFoundError
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convex_nb.engine.reading.columnar import TableColumns
    from convex_nb.engine.search.sources import Source
    from convex_nb.engine.write import Write
    from convex_nb.language.documents import Document
    from convex_nb.language.schema import TableDefinition

_first = itemgetter(0)


class TableState:
    """A table at one snapshot; immutable, sharing almost everything with the state before it.

    An index is the runs of all parts, less what of each is dead, plus ``live[i]``: the keys of the documents that
    are in no segment yet, with the documents. ``live`` is parallel to ``indexes``.
    """

    __slots__ = (
        "_positions",
        "columns",
        "definition",
        "indexes",
        "live",
        "name",
        "number",
        "parts",
        "recent_columns",
        "sources",
    )

    def __init__(
        self,
        name: str,
        number: int,
        definition: TableDefinition | None,
        indexes: tuple[TableIndex, ...],
        parts: tuple[Part, ...],
        live: tuple[SortedChunks[Document], ...],
        recent_columns: RecentColumns | None = None,
    ) -> None:
        self.name = name
        self.number = number
        self.definition = definition
        self.indexes = indexes
        self.parts = parts
        self.live = live
        # Handed on from state to state while the delta grows: most of it was converted for an earlier one.
        self.recent_columns = RecentColumns() if recent_columns is None else recent_columns
        self._positions: dict[str, int] | None = None
        # What SQL sees, kept by `columnar` once somebody asked for it.
        self.columns: TableColumns | None = None
        # What searches look into, kept by `sources_of` once somebody searched.
        self.sources: Sequence[Source] | None = None

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
        return merged_read(self.parts, self.live[position], position, lo, hi, limit, reverse)

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
        return TableState(self.name, self.number, self.definition, self.indexes, parts, live, self.recent_columns)

    def _bury(self, id: str, keys: tuple[bytes, ...]) -> tuple[Part, ...]:
        for place, part in enumerate(self.parts):
            row = part.segment.find(id)
            if row >= 0 and part.dead[0].get(keys[0]) is None:
                return (*self.parts[:place], part.bury(keys, row), *self.parts[place + 1 :])
        raise AssertionError(f"{id} is in no segment of {self!r}")

    def with_part(self, part: Part) -> TableState:
        """The table with one more segment."""
        return TableState(
            self.name, self.number, self.definition, self.indexes, (*self.parts, part), self.live, self.recent_columns
        )

    def with_live_of(self, other: TableState) -> TableState:
        """The table with the delta of ``other``, a state of the same table under the same indexes."""
        return TableState(
            self.name, self.number, self.definition, self.indexes, self.parts, other.live, other.recent_columns
        )

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
        return self.live[1].values()
