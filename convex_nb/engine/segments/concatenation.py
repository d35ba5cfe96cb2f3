"""Several segments as one, in steps: what compaction makes."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine import steps
from convex_nb.engine.segments.aligned import aligned
from convex_nb.engine.segments.columns import LARGE, MOST_BYTES, TYPES, Column, joined_validity, joining_texts
from convex_nb.engine.segments.layout import MAX_COLUMNS, MISSING, common_kind, field_of, frequent_names
from convex_nb.engine.segments.segment import Segment, columns_of
from convex_nb.language.keys import encode_value
from convex_nb.language.keys_columnar import number_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from convex_nb.engine.segments.columns import ArrowArray
    from convex_nb.engine.steps import Steps

Rows: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[numpy.bool_]


class Joined(NamedTuple):
    """Several segments in one."""

    segment: Segment
    new_rows: list[Rows]
    """For every part: where each row went, -1 where it was not chosen."""


class _Piece(NamedTuple):
    """Rows of all parts that come one after another in creation order."""

    spans: list[tuple[Segment, int, int]]
    """The stretches of the parts that they lie in."""
    rows: list[Rows]
    """The chosen rows of each stretch, counted from where it starts."""
    order: Rows | None
    """Those of all stretches in creation order, numbered through; ``None`` if that is as they are."""


def joining(parts: Sequence[tuple[Segment, Mask | None]]) -> Steps[Joined]:
    """One segment of the chosen rows of every part (``None``: all); at least one row in all.

    Columns of the same kind are joined as they are; where kinds differ, a column is encoded anew.
    """
    segments = [segment for segment, _ in parts]
    names = list(dict.fromkeys(name for segment in segments for name in segment.columns))
    counted = "" in names or len(names) > MAX_COLUMNS
    has_rest = False
    size = steps.SLOW_ROWS if counted or any(_differs(name, segments) for name in names) else _size(segments)
    if counted:
        # Which fields are rare enough for the rest column must be counted anew.
        counts: Counter[str] = Counter()
        for piece in _pieces(parts, size):
            counts.update(chain.from_iterable(_documents(piece)))
            yield
        names, has_rest = frequent_names(counts)
    new_rows = [numpy.full(segment.num_rows, -1, numpy.int32) for segment in segments]
    columns: list[list[Column]] = []
    place = 0
    for piece in _pieces(parts, size):
        count = sum(map(len, piece.rows))
        if count:
            columns.append(
                columns_of(_documents(piece), names, has_rest, segments[0].table)
                if counted
                else [_column(name, piece) for name in names]
            )
            went = numpy.arange(place, place + count, dtype=numpy.int32)
            if piece.order is not None:
                went[piece.order] = went.copy()
            ends = numpy.cumsum([len(rows) for rows in piece.rows])
            for of_part, (_, start, _), rows, at in zip(
                new_rows, piece.spans, piece.rows, numpy.split(went, ends[:-1]), strict=True
            ):
                of_part[start + rows] = at
            place += count
        yield
    whole: list[Column] = []
    for of_name in zip(*columns, strict=True):
        whole.append((yield from _joining_column(of_name)))
        yield
    return Joined(Segment(whole), new_rows)


def _differs(name: str, segments: Sequence[Segment]) -> bool:
    """Whether a column has to be encoded anew in some of the segments."""
    fields = [segment.columns[name].field for segment in segments if name in segment.columns]
    return common_kind(fields)[0] == "encoded" and any(field.kind != "encoded" for field in fields)


def _size(segments: Sequence[Segment]) -> int:
    return min(
        steps.rows_per_step(segment.num_rows, sum(column.nbytes for column in segment.columns.values()))
        for segment in segments
    )


def _pieces(parts: Sequence[tuple[Segment, Mask | None]], size: int) -> Iterator[_Piece]:
    for cuts in aligned([(segment.num_rows, _creation_key(segment)) for segment, _ in parts], size):
        spans = [(segment, start, stop) for (segment, _), (start, stop) in zip(parts, cuts, strict=True)]
        rows = [
            numpy.arange(stop - start) if mask is None else numpy.flatnonzero(mask[start:stop])
            for (_, mask), (start, stop) in zip(parts, cuts, strict=True)
        ]
        yield _Piece(spans, rows, _creation_order(spans, rows))


def _creation_key(segment: Segment) -> Callable[[int], bytes]:
    times = segment.columns["_creationTime"].numbers
    id_at = segment.columns["_id"].bytes_at
    return lambda row: b"%b%b" % (encode_value(times[row]), id_at(row))


def _creation_order(spans: Sequence[tuple[Segment, int, int]], rows: Sequence[Rows]) -> Rows | None:
    if sum(len(each) > 0 for each in rows) < 2:
        return None
    chosen = [(segment, start + each) for (segment, start, _), each in zip(spans, rows, strict=True)]
    times = number_order(
        pa.array(numpy.concatenate([numpy.asarray(part.columns["_creationTime"].numbers)[at] for part, at in chosen]))
    )
    if (times[1:] > times[:-1]).all():
        return None
    order = numpy.argsort(times, kind="stable")
    ascending = times[order]
    if (ascending[1:] > ascending[:-1]).all():
        return order
    ids = pa.chunked_array([part.columns["_id"].values.take(pa.array(at)) for part, at in chosen])
    keys = pa.table({"time": times, "id": ids})
    return numpy.asarray(pc.sort_indices(keys, [("time", "ascending"), ("id", "ascending")]))


def _documents(piece: _Piece) -> list[Any]:
    documents = [
        document
        for (segment, start, _), rows in zip(piece.spans, piece.rows, strict=True)
        for document in segment.documents(start + rows)
    ]
    return documents if piece.order is None else [documents[place] for place in piece.order.tolist()]


def _column(name: str, piece: _Piece) -> Column:
    columns = []
    chosen = []
    count = 0
    for (segment, start, stop), rows in zip(piece.spans, piece.rows, strict=True):
        if len(rows):
            column = segment.columns.get(name)
            columns.append((None if column is None else column.slice(start, stop), stop - start))
            chosen.append(count + rows)
            count += stop - start
    rows = numpy.concatenate(chosen)
    if piece.order is not None:
        rows = rows[piece.order]
    elif len(rows) == count:
        return joined_column(name, columns, None)
    return joined_column(name, columns, rows)


def joined_column(name: str, columns: Sequence[tuple[Column | None, int]], rows: Rows | None) -> Column:
    """One column of the columns of all parts (``None``: all its rows lack the field), and of that these rows."""
    fields = [column.field for column, _ in columns if column is not None]
    kind, table = common_kind(fields)
    if kind == "encoded" and any(field.kind != "encoded" for field in fields):
        every: list[Any] = []
        for column, count in columns:
            every += [MISSING] * count if column is None else column.to_list()
        chosen_values = every if rows is None else [every[row] for row in rows]
        return Column.from_values(field_of(name, chosen_values), chosen_values)
    type_ = TYPES[kind]
    if type_ in LARGE and sum(len(column.data) for column, _ in columns if column is not None) > MOST_BYTES:
        type_ = LARGE[type_]
    values = pa.concat_arrays([_values(column, count, type_) for column, count in columns])
    nulls = _marks([(None if column is None else column.null_marks(), count) for column, count in columns])
    whole = _marks([(_whole(column), count) for column, count in columns]) if kind == "number" else None
    if rows is not None:
        chosen = pa.array(rows)
        values, nulls, whole = (None if array is None else array.take(chosen) for array in (values, nulls, whole))
    return Column.fitted(name, kind, values, nulls, whole, table)


def _joining_column(pieces: Sequence[Column]) -> Steps[Column]:
    """One column of its pieces. What is copied at once is bitmaps."""
    name = pieces[0].field.name
    if len(pieces) == 1:
        return pieces[0]
    kind, table = common_kind([piece.field for piece in pieces])
    if kind == "encoded":
        encoded = []
        for piece in pieces:
            field = piece.field._replace(kind="encoded", table=None)
            encoded.append(piece if piece.field.kind == "encoded" else Column.from_values(field, piece.to_list()))
            yield
        pieces = encoded
    content = None
    type_ = TYPES[kind]
    if type_ in LARGE:
        if sum(len(piece.data) for piece in pieces) > MOST_BYTES:
            type_ = LARGE[type_]
        values, content = yield from joining_texts([_values(piece, len(piece), type_) for piece in pieces])
        if kind == "rest":
            # Optional, though every row may have it: that is what decoders expect of it.
            return Column(pieces[0].field, values, content=content)
    elif type_ in (pa.int64(), pa.float64()):
        values = yield from _joining_numbers(pieces, type_)
    else:
        values = pa.concat_arrays([_values(piece, len(piece), type_) for piece in pieces])
    nulls = _marks([(piece.null_marks(), len(piece)) for piece in pieces])
    whole = _marks([(_whole(piece), len(piece)) for piece in pieces]) if kind == "number" else None
    return Column.fitted(name, kind, values, nulls, whole, table, content)


def _joining_numbers(pieces: Sequence[Column], type_: Any) -> Steps[ArrowArray]:
    count = sum(map(len, pieces))
    numbers = numpy.empty(count, type_.to_pandas_dtype())
    place = 0
    for piece in pieces:
        buffer = _values(piece, len(piece), type_).buffers()[1]
        numbers[place : place + len(piece)] = numpy.frombuffer(buffer, numbers.dtype, len(piece))
        place += len(piece)
        yield
    return pa.Array.from_buffers(
        type_, count, [joined_validity([piece.values for piece in pieces]), pa.py_buffer(numbers)]
    )


def sorted_segment(segment: Segment) -> Segment:
    """The rows of a segment that are in any order, in creation order."""
    times = number_order(segment.columns["_creationTime"].values)
    keys = pa.table({"time": times, "id": segment.columns["_id"].values})
    order = numpy.asarray(pc.sort_indices(keys, [("time", "ascending"), ("id", "ascending")]))
    return Segment(
        [joined_column(name, [(column, segment.num_rows)], order) for name, column in segment.columns.items()]
    )


def _values(column: Column | None, count: int, type_: Any) -> ArrowArray:
    if column is None or column.field.kind == "null":
        return pa.nulls(count, type_)
    return column.values if column.values.type == type_ else column.values.cast(type_)


def _whole(column: Column | None) -> ArrowArray | None:
    if column is None or column.field.kind in ("null", "float"):
        return None
    return column.whole if column.field.kind == "number" else column.values.is_valid()


def _marks(parts: Sequence[tuple[ArrowArray | None, int]]) -> ArrowArray | None:
    if all(marks is None for marks, _ in parts):
        return None
    return pa.concat_arrays(
        [pa.array(numpy.zeros(count, numpy.bool_)) if marks is None else marks for marks, count in parts]
    )
