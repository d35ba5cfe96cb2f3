"""The documents of an index range by where they lie, in order, none of them decoded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from convex_nb.engine.segments.batch_decoder import batch_decoder
from convex_nb.engine.segments.public_columns import Chosen, public_table
from convex_nb.engine.segments.shapes import declared_columns
from convex_nb.language.keys import MAX_KEY
from convex_nb.language.keys_columnar import number_order

if TYPE_CHECKING:
    from convex_nb.engine.indexes.index import IndexRun
    from convex_nb.engine.part import Part
    from convex_nb.engine.segments.columns import ArrowTable
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document

Rows: TypeAlias = NDArray[Any] | slice
"""Row numbers; a slice where they follow one another, so that columns need not be copied."""
Numbers: TypeAlias = NDArray[np.int64]

_CREATION_TIME = 1


class Stretch(NamedTuple):
    """The rows of one segment that are in the range, in key order."""

    segment: Segment
    rows: Rows
    make_keys: Callable[[], list[bytes]]
    """Makes the rows' keys. Costs O(rows)."""
    place_of: Callable[[bytes], int]
    """How many of the rows have a lesser key. Costs O(log rows)."""

    def __len__(self) -> int:
        return self.rows.stop - self.rows.start if isinstance(self.rows, slice) else len(self.rows)


class Selection:
    """A range of an index of a table.

    Its documents are numbered in two ways: by *place*, their order in the query, and by *entry*, segment by segment
    and then the recent ones, each of those in key order. ``recent`` holds the documents that are in no segment.
    """

    __slots__ = ("_offsets", "_order", "hi", "lo", "position", "recent", "reverse", "state", "stretches")

    def __init__(self, state: TableState, position: int, lo: bytes, hi: bytes, reverse: bool = False) -> None:
        """Costs O(segments x log rows) if one segment holds all of the range; else, a pass over it (of the keys of
        the smaller sources for an index other than by_creation_time)."""
        self.state = state
        self.position = position
        self.lo = lo
        self.hi = hi
        self.reverse = reverse
        found = [_stretch(part, position, lo, hi) for part in state.parts]
        self.stretches = [stretch for stretch in found if stretch is not None]
        fresh = list(state.live[position].range(lo, hi))
        self.recent = [document for _, document in fresh]
        lengths = [*map(len, self.stretches), len(fresh)]
        self._offsets: list[int] = [0, *np.cumsum(lengths).tolist()]
        self._order = None if sum(map(bool, lengths)) < 2 else self._merged([key for key, _ in fresh])

    def __len__(self) -> int:
        return self._offsets[-1]

    def __repr__(self) -> str:
        return f"Selection({len(self)} of {self.state!r})"

    def entries(self, places: Numbers | None = None) -> Numbers:
        """The entries at ``places`` (``None``: at all of them)."""
        if places is None:
            places = np.arange(len(self))
        if self.reverse:
            places = len(self) - 1 - places
        return places if self._order is None else self._order[places]

    def places(self, marked: NDArray[np.bool_]) -> Numbers:
        """The places of the entries that are marked, ascending."""
        if self._order is not None:
            marked = marked[self._order]
        if self.reverse:
            marked = marked[::-1]
        return np.flatnonzero(marked)

    def by_source(self, entries: Numbers | None) -> list[tuple[Stretch | None, Rows, Numbers]]:
        """Which rows of each stretch ``entries`` are (numbers of ``recent``, for ``None``), and where among them.

        ``None`` stands for all entries as they are.
        """
        found: list[tuple[Stretch | None, Rows, Numbers]] = []
        for stretch, start, stop in zip([*self.stretches, None], self._offsets[:-1], self._offsets[1:], strict=True):
            if start == stop:
                continue
            if entries is None:
                rows = slice(0, stop - start) if stretch is None else stretch.rows
                found.append((stretch, rows, np.arange(start, stop)))
                continue
            among = np.flatnonzero((entries >= start) & (entries < stop))
            if len(among):
                numbers = entries[among] - start
                found.append((stretch, numbers if stretch is None else chosen_rows(stretch.rows, numbers), among))
        return found

    def documents(self, places: Numbers, fields: Collection[str] | None = None) -> list[Mapping[str, Any]]:
        """The documents at ``places``, or of each those top-level ``fields`` that it has, and perhaps more."""
        documents: list[Any] = [None] * len(places)
        for stretch, rows, among in self.by_source(self.entries(places)):
            assert not isinstance(rows, slice)
            if stretch is None:
                decoded: Sequence[Any] = [self.recent[number] for number in rows.tolist()]
            elif fields is None:
                decoded = stretch.segment.documents(rows)
            else:
                wanted = [column for name, column in stretch.segment.columns.items() if name in fields or not name]
                decoded = batch_decoder(wanted)(rows)
            for place, document in zip(among.tolist(), decoded, strict=True):
                documents[place] = document
        return documents

    def document(self, place: int) -> Document:
        """The document at one place."""
        return self.documents(np.array([place]))[0]  # type: ignore[return-value]

    def to_arrow(
        self, places: Numbers | None = None, fields: Sequence[str] | None = None, *, times: bool = False
    ) -> ArrowTable:
        """The public columns of the documents at ``places`` (``None``: of all); see `public_table`.

        Columns are shared, not copied, where the rows follow one another in one segment.
        """
        declared = declared_columns(self.state.definition)
        as_they_are = places is None and self._order is None and not self.reverse
        if as_they_are and not self.recent:
            parts = [Chosen(stretch.segment, _as_slice(stretch.rows)) for stretch in self.stretches]
            return public_table(parts, fields, declared, times=times)
        parts = []
        arranged: list[Numbers] = []
        for stretch, rows, among in self.by_source(None if as_they_are else self.entries(places)):
            if stretch is not None:
                parts.append(Chosen(stretch.segment, _as_slice(rows)))
                arranged.append(among)
                continue
            chosen = self.recent[rows] if isinstance(rows, slice) else [self.recent[row] for row in rows.tolist()]
            for segment, batch_rows, numbers in self.state.recent_columns.located(chosen, self.state.name):
                parts.append(Chosen(segment, _as_slice(batch_rows)))
                arranged.append(among[numbers])
        table = public_table(parts, fields, declared, times=times)
        order = np.concatenate([np.arange(0), *arranged])
        if bool((order[1:] > order[:-1]).all()):
            return table
        return table.take(pa.array(np.argsort(order)))

    # -- the order of several sources --------------------------------------------------------------------------

    def _merged(self, fresh_keys: list[bytes]) -> Numbers | None:
        """The entries in key order; ``None`` if they stand so already."""
        if self.position == _CREATION_TIME:
            times = np.concatenate([self._times(stretch) for stretch in self.stretches] + [self._recent_times()])
            if bool((times[:-1] < times[1:]).all()):
                return None
            order = np.argsort(times, kind="stable")
            times = times[order]
            if bool((times[:-1] < times[1:]).all()):
                return order
            # Ids decide between equal times, as the keys have it.
        largest = max(range(len(self.stretches)), key=lambda number: len(self.stretches[number]))
        base = self.stretches[largest]
        if 4 * (len(self) - len(base)) > len(base):
            keys = [key for stretch in self.stretches for key in stretch.make_keys()] + fresh_keys
            # Timsort finds the sorted stretches and merges them.
            return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
        others: list[tuple[bytes, int]] = list(zip(fresh_keys, range(self._offsets[-2], len(self)), strict=True))
        for number, stretch in enumerate(self.stretches):
            if number != largest:
                others += zip(stretch.make_keys(), range(self._offsets[number], self._offsets[number + 1]), strict=True)
        others.sort()
        at = [base.place_of(key) for key, _ in others]
        entries = np.arange(self._offsets[largest], self._offsets[largest + 1])
        return np.insert(entries, at, [entry for _, entry in others])

    @staticmethod
    def _times(stretch: Stretch) -> NDArray[np.uint64]:
        values = stretch.segment.columns["_creationTime"].values
        rows = stretch.rows
        return number_order(values[rows]) if isinstance(rows, slice) else number_order(values)[rows]

    def _recent_times(self) -> NDArray[np.uint64]:
        return number_order(pa.array([document["_creationTime"] for document in self.recent], pa.float64()))


def chosen_rows(rows: Rows, numbers: Numbers) -> NDArray[Any]:
    """Some of the rows, by their numbers among them."""
    return numbers + rows.start if isinstance(rows, slice) else rows[numbers]


def _as_slice(rows: Rows) -> Rows:
    """A slice, if the rows follow one another."""
    if isinstance(rows, slice):
        return rows
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and bool((rows[1:] > rows[:-1]).all()):
        return slice(first, last + 1)
    return rows


def _stretch(part: Part, position: int, lo: bytes, hi: bytes) -> Stretch | None:
    run = part.run(position)
    start, stop = run.bounds(lo, hi)
    if start == stop:
        return None
    # Rows are sorted by creation time: this index numbers them as they are.
    rows: Rows = slice(start, stop) if position == _CREATION_TIME else run.rows(start, stop)
    kept = part.kept(position, lo, hi, rows)
    if kept is None:
        return Stretch(
            part.segment, rows, lambda: run.keys(start, stop), lambda key: run.bounds(key, MAX_KEY)[0] - start
        )
    if not len(kept):
        return None
    return Stretch(
        part.segment,
        chosen_rows(rows, kept),
        lambda: _kept_keys(run, start, stop, kept),
        lambda key: int(np.searchsorted(kept, run.bounds(key, MAX_KEY)[0] - start)),
    )


def _kept_keys(run: IndexRun, start: int, stop: int, kept: Numbers) -> list[bytes]:
    keys = run.keys(start, stop)
    return [keys[number] for number in kept.tolist()]
