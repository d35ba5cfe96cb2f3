"""A segment as a part of a table: with its index runs, and less the rows that no longer count."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb.engine import steps
from convex_nb.engine.indexes.sorted_chunks import SortedChunks
from convex_nb.engine.table_index import BY_ID
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convex_nb.engine.indexes.index import IndexRun
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.steps import Steps
    from convex_nb.engine.table_index import TableIndex
    from convex_nb.language.documents import Document

    Run: TypeAlias = IndexRun | tuple[str, ...]
    """A run, or until somebody asks for it the fields that it will be of."""


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
    def joining(
        cls, parts: Sequence[Part], documents: Sequence[Document], indexes: Sequence[TableIndex]
    ) -> Steps[Part]:
        """What counts of several parts, and ``documents``, as one; at least one row. Costs O(rows) per index."""
        from convex_nb.engine.indexes.index import DERIVED
        from convex_nb.engine.indexes.index_build import building_run
        from convex_nb.engine.indexes.index_merge import merging_runs
        from convex_nb.engine.segments.concatenation import joining
        from convex_nb.engine.segments.segment import Segment

        sources = [*parts]
        table = parts[0].segment.table if parts else None
        for start in range(0, len(documents), steps.SLOW_ROWS):
            sources.append(
                cls.build(Segment.from_documents(documents[start : start + steps.SLOW_ROWS], table), indexes)
            )
            yield
        if len(sources) == 1 and not sources[0].dead[0]:
            part = sources[0]
        else:
            stored = [place for place, index in enumerate(indexes) if index.fields not in DERIVED]
            for source in sources:
                for place in stored:
                    yield from source.building_run(place)
            chosen: list[tuple[Segment, NDArray[np.bool_] | None]] = []
            for source in sources:
                mask = yield from source._alive()
                chosen.append((source.segment, mask))
            segment, new_rows = yield from joining(chosen)
            runs: list[Run] = [index.fields for index in indexes]
            for place, index in enumerate(indexes):
                if place in stored:
                    runs[place] = yield from merging_runs(
                        [source.run(place) for source in sources], new_rows, segment.num_rows
                    )
                elif index.name != BY_ID:
                    runs[place] = yield from building_run(segment, index.fields)
            part = cls(segment, runs)
        # Here, so that no reader has to.
        yield from part.segment.building_lookup()
        return part

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

    def building_run(self, position: int) -> Steps[None]:
        """Build the run of the index at ``position`` in steps, unless there is one."""
        run = self._runs[position]
        if isinstance(run, tuple):
            from convex_nb.engine.indexes.index_build import building_run

            self._runs[position] = yield from building_run(self.segment, run)

    def preparing_run(self, fields: tuple[str, ...]) -> Steps[None]:
        """The same for an index that is not in force."""
        from convex_nb.engine.indexes.index_build import building_run

        self.prepared[fields] = yield from building_run(self.segment, fields)

    def run_or_fields(self, position: int) -> Run:
        """The run of the index at ``position``, its fields where it has not been built yet."""
        return self._runs[position]

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

    def kept(self, position: int, lo: bytes, hi: bytes, rows: NDArray[Any] | slice) -> NDArray[np.intp] | None:
        """Which of ``rows``, those with ``lo <= key < hi`` in the index at ``position``, count; ``None`` for all."""
        dead = self.dead[position]
        if not dead or not dead.count(lo, hi):
            return None
        import numpy as np

        mask = np.ones(self.segment.num_rows, np.bool_)
        mask[[row for _, row in dead.range(lo, hi)]] = False
        return np.flatnonzero(mask[rows])

    def _alive(self) -> Steps[NDArray[np.bool_] | None]:
        """Which rows count; ``None`` for all of them."""
        if not self.dead[0]:
            return None
        import numpy as np

        mask = np.ones(self.segment.num_rows, np.bool_)
        dead = (row for _, row in self.dead[0].range(MIN_KEY, MAX_KEY))
        while rows := list(islice(dead, steps.SLOW_ROWS)):
            mask[rows] = False
            yield
        return mask

    def dead_rows(self) -> list[int]:
        """The rows that no longer count, ascending. Costs O(dead rows)."""
        return sorted([row for _, row in self.dead[0].range(MIN_KEY, MAX_KEY)])

    @property
    def nbytes(self) -> int:
        """Bytes of the columns and the runs that exist."""
        return self.segment.nbytes + sum([run.nbytes for run in self._runs if not isinstance(run, tuple)])
