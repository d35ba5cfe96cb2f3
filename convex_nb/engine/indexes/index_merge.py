"""Sorted runs as one, in steps: what is done piece by piece is a sort of some tens of thousands of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine import steps
from convex_nb.engine.indexes import index
from convex_nb.engine.indexes.index import IndexRun, StoredRun
from convex_nb.engine.segments.aligned import aligned
from convex_nb.engine.segments.columns import MOST_BYTES
from convex_nb.engine.segments.owned_bytes import BytesWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convex_nb.engine.steps import Steps

Rows: TypeAlias = NDArray[Any]


def merging_runs(runs: Sequence[IndexRun], new_rows: Sequence[Rows], num_rows: int) -> Steps[StoredRun]:
    """One run of ``num_rows`` keys. For every run: where each of its rows went, -1 for what is not there any more."""
    # Offsets of 64 bits, since who knows what comes together in a piece.
    keys = [run.to_arrow().cast(pa.large_binary()) for run in runs]
    wide = sum(each.nbytes for each in keys) > MOST_BYTES
    nbytes = 0
    for each, run, rows in zip(keys, runs, new_rows, strict=True):
        nbytes += yield from _kept_bytes(each, run, rows)
    content = BytesWriter(nbytes)
    offsets = numpy.zeros(num_rows + 1, numpy.int64 if wide else numpy.int32)
    order = numpy.empty(num_rows, numpy.int32)
    fences: list[bytes] = []
    place = 0
    size = min(steps.rows_per_step(len(each), each.nbytes) for each in keys)
    for cuts in aligned([(run.num_rows, run.key) for run in runs], size):
        pieces = [
            _chosen(each.slice(start, stop - start), rows[run.rows(start, stop)])
            for each, run, rows, (start, stop) in zip(keys, runs, new_rows, cuts, strict=True)
        ]
        piece, rows = _merged([each for each in pieces if len(each[1])])
        if len(rows):
            stop = place + len(rows)
            _, starts, data = piece.buffers()
            ends = numpy.frombuffer(starts, numpy.int64, len(rows) + 1, piece.offset * 8)
            content.write(memoryview(data)[ends[0] : ends[-1]])
            offsets[place + 1 : stop + 1] = ends[1:] + (int(offsets[place]) - ends[0])
            order[place:stop] = rows
            fences += piece.take(pa.array(numpy.arange(-place % index.FENCE, len(rows), index.FENCE))).to_pylist()
            place = stop
        yield
    return StoredRun(content.content(), offsets, order, fences)


def _kept_bytes(keys: Any, run: IndexRun, new_rows: Rows) -> Steps[int]:
    """How long the keys are that will still be there."""
    offsets = numpy.frombuffer(keys.buffers()[1], numpy.int64, len(keys) + 1, keys.offset * 8)
    if (new_rows >= 0).all():
        return int(offsets[-1] - offsets[0])
    nbytes = 0
    for start in range(0, len(keys), steps.ROWS):
        stop = min(start + steps.ROWS, len(keys))
        nbytes += int(numpy.diff(offsets[start : stop + 1])[new_rows[run.rows(start, stop)] >= 0].sum())
        yield
    return nbytes


def _chosen(keys: Any, rows: Rows) -> tuple[Any, Rows]:
    if (rows >= 0).all():
        return keys, rows
    kept = numpy.flatnonzero(rows >= 0)
    return keys.take(pa.array(kept)), rows[kept]


def _merged(pieces: Sequence[tuple[Any, Rows]]) -> tuple[Any, Rows]:
    if not pieces:
        return None, numpy.empty(0, numpy.int32)
    if len(pieces) == 1:
        return pieces[0]
    keys = pa.concat_arrays([keys for keys, _ in pieces])
    order = pc.sort_indices(keys)
    return keys.take(order), numpy.concatenate([rows for _, rows in pieces])[numpy.asarray(order)]
