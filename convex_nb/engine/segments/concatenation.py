"""Several segments, and documents that are in none, as one: what compaction makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine.segments.columns import LARGE, MOST_BYTES, TYPES, Column
from convex_nb.engine.segments.layout import MAX_COLUMNS, MISSING, common_kind, field_of
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.keys_columnar import number_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convex_nb.engine.segments.columns import ArrowArray
    from convex_nb.language.documents import Document

Rows: TypeAlias = NDArray[Any]


class Joined(NamedTuple):
    """Several segments in one."""

    segment: Segment
    new_rows: list[Rows]
    """For every part, and then the documents if there were any: where each row went, -1 where it was not chosen."""


def joined(parts: Sequence[tuple[Segment, Rows | None]], documents: Sequence[Document] = ()) -> Joined:
    """One segment of the chosen rows of every part (``None``: all) and of ``documents``; at least one row in all.

    Columns of the same kind are joined as they are; where kinds differ, a column is encoded anew.
    """
    chosen = list(parts)
    if documents:
        chosen.append((Segment.from_documents(documents, parts[0][0].table if parts else None), None))
    order = _creation_order(chosen)
    names = list(dict.fromkeys(name for segment, _ in chosen for name in segment.columns))
    if "" in names or len(names) > MAX_COLUMNS:
        # Which fields are rare enough for the rest column must be counted anew.
        segment = Segment.from_documents(
            [document for segment, rows in chosen for document in segment.documents(_row_numbers(segment, rows))]
        )
    else:
        segment = Segment(
            [
                joined_column(name, [(part.columns.get(name), part.num_rows) for part, _ in chosen], order)
                for name in names
            ]
        )
    ends = numpy.cumsum([part.num_rows for part, _ in chosen])
    new_rows = numpy.full(ends[-1], -1, numpy.int64)
    new_rows[slice(None) if order is None else order] = numpy.arange(segment.num_rows)
    return Joined(segment, numpy.split(new_rows, ends[:-1]))


def _row_numbers(segment: Segment, rows: Rows | None) -> Rows:
    return numpy.arange(segment.num_rows) if rows is None else numpy.asarray(rows)


def _creation_order(parts: Sequence[tuple[Segment, Rows | None]]) -> Rows | None:
    """The chosen rows, numbered through all parts, in ``(_creationTime, _id)`` order; ``None`` if that is all as is."""
    starts = numpy.cumsum([0, *(segment.num_rows for segment, _ in parts)])
    rows = numpy.concatenate([_row_numbers(*part) + start for part, start in zip(parts, starts, strict=False)])
    times = numpy.concatenate([number_order(segment.columns["_creationTime"].values) for segment, _ in parts])[rows]
    if (times[1:] > times[:-1]).all():
        return None if len(rows) == starts[-1] and (rows[1:] > rows[:-1]).all() else rows
    order = numpy.argsort(times, kind="stable")
    ascending = times[order]
    if not (ascending[1:] > ascending[:-1]).all():
        ids = pa.chunked_array([segment.columns["_id"].values for segment, _ in parts]).take(pa.array(rows))
        keys = pa.table({"time": times, "id": ids})
        order = numpy.asarray(pc.sort_indices(keys, [("time", "ascending"), ("id", "ascending")]))
    return rows[order]


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
