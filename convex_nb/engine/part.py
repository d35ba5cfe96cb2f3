"""A segment as a part of a table: with its index runs, and less the rows that no longer count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from convex_nb.engine.indexes.sorted_chunks import SortedChunks
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convex_nb.engine.indexes.index import IndexRun
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.table import TableIndex
    from convex_nb.language.documents import Document

    Run: TypeAlias = IndexRun | tuple[str, ...]
    """A run, or until somebody asks for it the fields that it will be of."""

BY_ID = "by_id"


class Part:
    """One segment, its run in every index of the table, and the keys of its rows that no longer count; immutable.

    ``dead`` is parallel to the table's indexes: under the key that the row has there, the row. A document may have
    rows in several segments, of which all but at most one are dead.
    """

    __slots__ = ("_runs", "dead", "prepared", "segment")

    def __init__(
        self,
        segment: Segment,
        runs: list[Run],
        dead: tuple[SortedChunks[int], ...] | None = None,
        prepared: dict[tuple[str, ...], IndexRun] | None = None,
    ) -> None:
        self.segment = segment
        # Runs of staged indexes, by their fields: built in the background, used by the push that turns them on.
        self.prepared = {} if prepared is None else prepared
        # Shared by every version of the part.
        self._runs = runs
        if dead is None:
            nothing: SortedChunks[int] = SortedChunks.empty()
            dead = (nothing,) * len(runs)
        self.dead = dead

    @classmethod
    def build(cls, segment: Segment, indexes: Sequence[TableIndex]) -> Part:
        """Index a segment. Costs O(rows log rows) per index, vectorised."""
        from convex_nb.engine.indexes.index_build import build_run

        # The run of by_id is built when a scan first asks for it: ids are found through the segment's own lookup.
        return cls(
            segment,
            [index.fields if index.name == BY_ID else build_run(segment, index.fields) for index in indexes],
        )

    @classmethod
    def unindexed(cls, segment: Segment, indexes: Sequence[TableIndex]) -> Part:
        """A segment whose runs are built when somebody asks for them."""
        return cls(segment, [index.fields for index in indexes])

    @classmethod
    def joined(cls, parts: Sequence[Part], documents: Sequence[Document], indexes: Sequence[TableIndex]) -> Part:
        """What counts of several parts, and ``documents``, as one; at least one row.

        Costs O(rows) per index, vectorised.
        """
        from convex_nb.engine.indexes.index_merge import join_indexed

        places = [place for place, index in enumerate(indexes) if index.name != BY_ID]
        segment, joined = join_indexed(
            [(part.segment, part.alive_rows(), [part.existing_run(place) for place in places]) for part in parts],
            documents,
            [indexes[place].fields for place in places],
        )
        runs: list[Run] = [index.fields for index in indexes]
        for place, run in zip(places, joined, strict=True):
            runs[place] = run
        return cls(segment, runs)

    def __len__(self) -> int:
        return self.segment.num_rows - len(self.dead[0])

    def run(self, position: int) -> IndexRun:
        """The run of the index at ``position``."""
        run = self._runs[position]
        if isinstance(run, tuple):
            from convex_nb.engine.indexes.index_build import build_run

            # Two threads may both build it; either result is right, so no lock.
            run = self._runs[position] = build_run(self.segment, run)
        return run

    def run_or_fields(self, position: int) -> Run:
        """The run of the index at ``position``, its fields where it has not been built yet."""
        return self._runs[position]

    def existing_run(self, position: int) -> IndexRun | None:
        """The run of the index at ``position``, if it has been built."""
        run = self._runs[position]
        return None if isinstance(run, tuple) else run

    def unbuilt(self) -> int | None:
        """The first index whose run is still to be built, by_id aside: it may never be asked for."""
        for position, run in enumerate(self._runs):
            if isinstance(run, tuple) and run != ("_id",):
                return position
        return None

    def prepared_run(self, fields: tuple[str, ...]) -> IndexRun:
        """The run of an index that is not in force, built now unless the background has done so."""
        run = self.prepared.get(fields)
        if run is None:
            from convex_nb.engine.indexes.index_build import build_run

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

    def without(self, rows: Sequence[int], indexes: Sequence[TableIndex]) -> Part:
        """The part, all of it alive, without these rows. Costs O(rows log rows) per index."""
        documents = self.segment.documents(rows)
        dead = [
            SortedChunks.from_sorted(
                sorted([(index.key_of(document), row) for document, row in zip(documents, rows, strict=True)])
            )
            for index in indexes
        ]
        return Part(self.segment, self._runs, tuple(dead), self.prepared)

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
        return self.segment.nbytes + sum([run.nbytes for run in self._runs if not isinstance(run, tuple)])
