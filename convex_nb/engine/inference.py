"""The shape of a table's documents, as the columns of its segments tell it without making documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.segments.conformance import ACCEPTS
from convex_nb.engine.segments.layout import ENCODED, MISSING
from convex_nb.language.ids_columnar import id_table_numbers
from convex_nb.language.schema_inference import Shape
from convex_nb.language.validators import NullValidator, NumberValidator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from convex_nb.engine.segments.columns import ArrowArray, Column
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.table import TableState

_TEXTS: Final = frozenset({"string", "id"})


def shape_of(state: TableState) -> Shape:
    """The shape of all documents of a table.

    Costs O(documents), some nanoseconds a value of a flat column and some microseconds one of a nested column.
    """
    shape = Shape()
    for part in state.parts:
        _see_segment(shape, part.segment, part.dead_rows())
    for document in state.live[0].values():
        shape.add_document(document)
    return shape


def _see_segment(shape: Shape, segment: Segment, dead: Sequence[int]) -> None:
    alive: ArrowArray | None = None
    if dead:
        mask = numpy.ones(segment.num_rows, numpy.bool_)
        mask[dead] = False
        alive = pa.array(mask)
    shape.objects += segment.num_rows - len(dead)
    for name, column in segment.columns.items():
        kind = column.field.kind
        if name.startswith("_"):
            continue
        if kind == "rest":
            for document in _values(column, alive):
                for other, value in document.items():
                    shape.add_field(other, 1).add(value)
        else:
            _see_column(shape, name, column, alive)


def _see_column(shape: Shape, name: str, column: Column, alive: ArrowArray | None) -> None:
    values = _chosen(column.values, alive)
    marks = column.null_marks()
    null_count = 0 if marks is None else pc.sum(_chosen(marks, alive)).as_py() or 0
    here = len(values) - values.null_count
    if not here + null_count:
        return
    field = shape.add_field(name, here + null_count)
    if null_count:
        field.atoms[NullValidator] = None
    if not here:
        return
    kind = column.field.kind
    if kind in ENCODED:
        for value in _values(column, alive):
            if value is not None:
                field.add(value)
    elif kind == "floats":
        field.element = field.element or Shape()
        if pc.max(pc.binary_length(values)).as_py():
            field.element.atoms[NumberValidator] = None
    elif kind in _TEXTS:
        field.strings += here
        if None not in field.id_tables:
            numbers = numpy.unique(id_table_numbers(values.drop_null())).tolist()
            field.id_tables.update([number or None for number in numbers])
    else:
        field.atoms[ACCEPTS[kind]] = None


def _chosen(values: ArrowArray, alive: ArrowArray | None) -> ArrowArray:
    return values if alive is None else values.filter(alive)


def _values(column: Column, alive: ArrowArray | None) -> Iterable[Any]:
    values = column.to_list()
    marks = [True] * len(values) if alive is None else alive.to_pylist()
    return [value for value, mark in zip(values, marks, strict=True) if mark and value is not MISSING]
