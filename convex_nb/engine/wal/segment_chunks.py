"""Segments as chunks of bytes: each is an Arrow IPC stream of some of the rows, and can be read without the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy
import pyarrow as pa

from convex_nb.engine.segments.columns import LARGE, VARIABLE, Column, joining_texts
from convex_nb.engine.segments.layout import Field
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.steps import finished
from convex_nb.engine.wal.rows import CHUNK_BYTES
from convex_nb.engine.wal.storage_errors import DamagedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.segments.columns import ArrowArray

_METADATA: Final = b"convex_nb"
_OVERHEAD: Final = 16_384
"""Room in a chunk for what Arrow writes beside the values."""


class Rows(NamedTuple):
    """What one chunk holds: rows of a segment from ``first`` on, and the table that they are of."""

    table: str
    number: int
    first: int
    columns: list[Column]


def segment_to_chunks(segment: Segment, table: str, number: int) -> Iterator[bytes]:
    """The chunks of a segment of ``table``, made one at a time.

    A document of more than a megabyte is a chunk of its own. Costs about a millisecond a chunk.
    """
    columns = list(segment.columns.values())
    arrays, names = [], []
    for place, column in enumerate(columns):
        for mark, array in (("", column.values), ("null", column.nulls), ("whole", column.whole)):
            if array is not None:
                arrays.append(array)
                names.append(f"{place}{mark}")
    batch = pa.RecordBatch.from_arrays(arrays, names=names)
    options = pa.ipc.IpcWriteOptions(compression=_compression())
    fields = [tuple(column.field) for column in columns]
    for first, stop in _cuts(columns):
        about = json.dumps({"table": table, "number": number, "first": first, "fields": fields})
        piece = batch.slice(first, stop - first).replace_schema_metadata({_METADATA: about})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, piece.schema, options=options) as stream:
            stream.write_batch(piece)
        yield sink.getvalue().to_pybytes()


@cache
def _compression() -> str | None:
    # Half the bytes to write and to verify, for a tenth of a second a million documents.
    return "zstd" if pa.Codec.is_available("zstd") else None


def _cuts(columns: list[Column]) -> Iterator[tuple[int, int]]:
    """Stretches of rows whose values have at most a chunk's bytes, at least one row each."""
    count = len(columns[0])
    sizes = numpy.zeros(count, numpy.int64)
    for column in columns:
        sizes += _row_bytes(column.values)
    total = numpy.cumsum(sizes)
    first = 0
    while first < count:
        before = int(total[first - 1]) if first else 0
        stop = int(numpy.searchsorted(total, before + CHUNK_BYTES - _OVERHEAD, "right"))
        stop = max(stop, first + 1)
        yield first, stop
        first = stop


def _row_bytes(values: ArrowArray) -> NDArray[Any] | int:
    if values.type in VARIABLE:
        width = numpy.dtype(numpy.int64 if values.type in LARGE.values() else numpy.int32)
        offsets = numpy.frombuffer(values.buffers()[1], width, len(values) + 1)
        lengths: NDArray[Any] = numpy.diff(offsets) + width.itemsize
        return lengths
    return 9


def read_rows(chunk: bytes) -> Rows:
    """The rows of one chunk. Raises `DamagedError` for what is none."""
    try:
        batch = pa.ipc.open_stream(chunk).read_next_batch()
        about = json.loads(batch.schema.metadata[_METADATA])
        return Rows(about["table"], about["number"], about["first"], list(_columns(about["fields"], [batch])))
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError, StopIteration) as error:
        raise DamagedError(f"an Arrow chunk ({error})") from None


def segment_of_chunks(chunks: Iterable[bytes]) -> Segment:
    """The segment whose chunks these are, all of them in order. Raises `DamagedError`."""
    try:
        batches = [pa.ipc.open_stream(chunk).read_next_batch() for chunk in chunks]
        fields = json.loads(batches[0].schema.metadata[_METADATA])["fields"]
        return Segment(list(_columns(fields, batches)))
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError, IndexError, StopIteration) as error:
        raise DamagedError(f"a segment ({error})") from None


def _columns(fields: Iterable[Iterable[Any]], batches: list[Any]) -> Iterator[Column]:
    names = set(batches[0].schema.names)
    for place, field in enumerate(fields):
        values, nulls, whole = (
            [batch.column(name) for batch in batches] if (name := f"{place}{mark}") in names else []
            for mark in ("", "null", "whole")
        )
        if values[0].type in VARIABLE:
            texts, content = finished(joining_texts(values))
            yield Column(Field(*field), texts, _joined(nulls), _joined(whole), content)
        else:
            yield Column(Field(*field), _joined(values), _joined(nulls), _joined(whole))


def _joined(arrays: list[ArrowArray]) -> ArrowArray | None:
    return pa.concat_arrays(arrays) if arrays else None
