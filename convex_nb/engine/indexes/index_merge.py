"""Index runs of joined segments, made of the runs of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
import pyarrow as pa
from numpy.typing import NDArray

from convex_nb.engine.indexes.index import IndexRun, StoredRun
from convex_nb.engine.indexes.index_build import build_run
from convex_nb.engine.segments.columns import MOST_BYTES
from convex_nb.engine.segments.concatenation import joined
from convex_nb.language.keys import key_function

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from convex_nb.engine.segments.segment import Segment
    from convex_nb.language.documents import Document

REBUILD = 8
"""A run is built anew when more than one in so many keys is not the largest run's: finding their places costs more."""


def join_indexed(
    parts: Sequence[tuple[Segment, NDArray[Any] | None, Sequence[IndexRun | None]]],
    documents: Sequence[Document],
    indexes: Sequence[tuple[str, ...]],
) -> tuple[Segment, list[IndexRun]]:
    """One segment of the chosen rows of every part and of ``documents``, and its run in every index.

    Each part brings its runs, parallel to ``indexes`` (the fields of each); ``None`` stands for one that it has not.
    """
    segment, new_rows = joined([(part, rows) for part, rows, _ in parts], documents)
    runs = []
    for place, fields in enumerate(indexes):
        sources = [(runs_of_part[place], rows) for (_, _, runs_of_part), rows in zip(parts, new_rows, strict=False)]
        if documents:
            sources.append((None, new_rows[-1]))
        runs.append(merged_run(segment, fields, sources))
    # Built here, so that no reader has to.
    _ = segment.lookup
    return segment, runs


def merged_run(
    segment: Segment, fields: tuple[str, ...], sources: Sequence[tuple[IndexRun | None, NDArray[Any]]]
) -> IndexRun:
    """The run of ``segment`` in an index, from the runs of what it was joined of.

    Each source is a run, if there is one, and the new row of each of its rows, -1 where it is gone. Where one stored
    run holds almost all keys, it is taken over without what is gone, and the others are put between: for a million
    keys a fifth of the cost of building the run.
    """
    place = max(range(len(sources)), key=lambda place: _length(sources[place][0]))
    base, base_rows = sources[place]
    others = [source for number, source in enumerate(sources) if number != place]
    if not isinstance(base, StoredRun) or REBUILD * sum(len(rows) for _, rows in others) > segment.num_rows:
        return build_run(segment, fields)
    added = sorted(entry for run, rows in others for entry in _entries(segment, fields, run, rows))
    moved = base_rows[base.rows(0, base.num_rows)]
    kept = numpy.flatnonzero(moved >= 0)
    places = numpy.searchsorted(kept, [base.position(key) for key, _ in added])
    keys = base.to_arrow()
    if added:
        more = pa.array([key for key, _ in added], pa.large_binary())
        type_ = keys.type if keys.nbytes + more.nbytes <= MOST_BYTES else pa.large_binary()
        keys = pa.concat_arrays([keys.cast(type_), more.cast(type_)])
    chosen = numpy.insert(kept, places, numpy.arange(base.num_rows, len(keys)))
    rows = numpy.insert(moved[kept], places, [row for _, row in added])
    return StoredRun.from_arrow(keys.take(pa.array(chosen)), rows.astype(numpy.int32))


def _length(run: IndexRun | None) -> int:
    return 0 if run is None else run.num_rows


def _entries(
    segment: Segment, fields: tuple[str, ...], run: IndexRun | None, rows: NDArray[Any]
) -> Iterator[tuple[bytes, int]]:
    """The keys of a source whose rows are still there, with their new rows."""
    if run is None:
        rows = rows[rows >= 0]
        return zip(map(key_function(fields), segment.documents(rows)), rows.tolist(), strict=True)
    moved = zip(run.keys(0, run.num_rows), rows[run.rows(0, run.num_rows)].tolist(), strict=True)
    return (entry for entry in moved if entry[1] >= 0)
