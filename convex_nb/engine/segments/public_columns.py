"""The columns of segments as DataFrames and SQL see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine.segments.columns import LARGE, MOST_BYTES, Column
from convex_nb.engine.segments.encoded_text import value_of, values_of
from convex_nb.engine.segments.float_arrays import list_array
from convex_nb.engine.segments.layout import MISSING, field_of
from convex_nb.engine.segments.shapes import (
    NOTHING,
    TEXT,
    Shape,
    array_of,
    arrow_type,
    fitting,
    flat_shape,
    holds,
    join,
    plain_text,
    settled,
    shape_of,
)
from convex_nb.engine.segments.timestamps import NANOSECONDS, timestamps

if TYPE_CHECKING:
    from convex_nb.engine.segments.columns import ArrowArray, ArrowTable
    from convex_nb.engine.segments.segment import Segment

Rows: TypeAlias = NDArray[Any] | slice

_SYSTEM: Final[Mapping[str, Shape]] = {"_id": Shape("string"), "_creationTime": Shape("float")}
_CHUNK_ROWS: Final = 16_384
_CHUNK_BYTES: Final = 2**24
"""So much text is decoded at a time, so that the Python objects of a whole column never exist at once."""
_SAMPLE: Final = 256


class Chosen(NamedTuple):
    """Rows of one segment."""

    segment: Segment
    rows: Rows | None = None
    """None of them twice; ``None``: all."""
    dead: NDArray[Any] | None = None
    """Of all of them, rows that are there and do not count."""


def public_table(
    parts: Sequence[Chosen],
    fields: Sequence[str] | None = None,
    declared: Mapping[str, Shape] | None = None,
    *,
    times: bool = False,
) -> ArrowTable:
    """Rows of segments of one table as an Arrow table, one chunk a part or more.

    The type of a column follows from the values of its rows, and from what the schema declared, alone: a boolean,
    string, bytes or number (``int64`` where all are whole Python numbers or all `Int64`, otherwise ``float64``), a
    list, a struct, a map of them; anything else is text, the JSON that people read. Missing and null are both Arrow's
    null. There are the columns that the schema declared, and the others that some row has; ``fields`` chooses, and
    one that no row has is all null. ``_creationTime`` is in milliseconds, or with ``times`` a timestamp.

    Flat columns are shared, not copied, where a part is wanted whole or by a slice. Nested ones are converted, which
    costs some microseconds a row, and for a whole part is done once.
    """
    declared = {} if declared is None else declared
    columns = [columns_of(part.segment, fields) for part in parts]
    names = dict.fromkeys(field_names(columns, declared) if fields is None else fields)
    found = {}
    for name in names:
        held = [each.get(name) for each in columns]
        column = public_column(name, parts, held, declared, needed=fields is not None, times=times)
        if column is not None:
            found[name] = column
    return pa.table(found)


def field_names(columns: Sequence[Mapping[str, Column]], declared: Mapping[str, Shape]) -> dict[str, None]:
    """The fields that may have a column: the system's, those of the schema in its order, and the others."""
    return dict.fromkeys([*_SYSTEM, *declared, *[name for each in columns for name in each]])


def public_column(
    name: str,
    parts: Sequence[Chosen],
    columns: Sequence[Column | None],
    declared: Mapping[str, Shape],
    *,
    needed: bool = False,
    times: bool = False,
) -> ArrowArray | None:
    """One column of `public_table`, of what each part has of the field; ``None`` where no row has it.

    It is made all the same if the schema declares it, or if it is ``needed``.
    """
    pieces = [_Piece(column, part) for column, part in zip(columns, parts, strict=True)]
    if times and name == "_creationTime" and all(piece.has_times() for piece in pieces):
        return pa.chunked_array([piece.times() for piece in pieces], NANOSECONDS)
    told = declared.get(name, _SYSTEM.get(name, NOTHING))
    shapes = [shape for piece in pieces if (shape := piece.shape(told)) is not None]
    if not (shapes or needed or name in declared or name in _SYSTEM):
        return None
    shape = settled(told, shapes)
    type_ = arrow_type(shape)
    arrays = [array for piece in pieces for array in piece.arrays(shape)]
    if any(array.type in LARGE.values() for array in arrays):
        type_ = LARGE.get(type_, type_)
    arrays = [array if array.type == type_ else array.cast(type_, safe=False) for array in arrays]
    return pa.chunked_array(arrays, type_)


def taken(array: ArrowArray, rows: Rows) -> ArrowArray:
    """Some rows of an array; shared, not copied, for a slice."""
    return array[rows] if isinstance(rows, slice) else array.take(pa.array(rows))


def columns_of(segment: Segment, names: Sequence[str] | None) -> Mapping[str, Column]:
    """The segment's columns by field, those of its rest column taken apart."""
    if "" not in segment.columns:
        return segment.columns
    columns = {name: column for name, column in segment.columns.items() if name}
    rests = segment.columns[""].to_list()
    if names is None:
        names = list(dict.fromkeys(name for rest in rests if rest is not MISSING for name in rest))
    for name in names:
        if name not in columns:
            values = [MISSING if rest is MISSING else rest.get(name, MISSING) for rest in rests]
            columns[name] = Column.from_values(field_of(name, values), values)
    return columns


class _Piece:
    """What the chosen rows of one segment have in one field."""

    __slots__ = ("_count", "column", "dead", "rows", "size")

    def __init__(self, column: Column | None, part: Chosen) -> None:
        self.column = column
        self.rows = part.rows
        self.dead = part.dead
        rows = part.rows
        self.size = (
            part.segment.num_rows if rows is None else rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        )
        # How many count.
        self._count = self.size - (0 if part.dead is None else len(part.dead))

    # -- what there is -----------------------------------------------------------------------------------------

    def shape(self, declared: Shape) -> Shape | None:
        """The shape of the values that count; ``None`` where no row that counts has the field, not even as null."""
        column = self.column
        if column is None:
            return None
        values = column.values
        if self._some(len(values) - values.null_count, values.is_valid):
            return self._shape_of_values(column, declared)
        marks = column.null_marks()
        return NOTHING if marks is not None and self._some(marks.true_count, lambda: marks) else None

    def _shape_of_values(self, column: Column, declared: Shape) -> Shape:
        kind = column.field.kind
        if kind == "encoded":
            return self._shape_of_texts(column, declared)
        if kind == "floats":
            return self._shape_of_floats(column)
        if kind != "number":
            return flat_shape(kind)
        whole, values = column.whole, column.values
        assert whole is not None
        wholes = whole.true_count
        if not self._some(wholes, lambda: whole):
            return Shape("float")
        floats = len(values) - values.null_count - wholes
        return Shape("number" if self._some(floats, lambda: pc.and_not(values.is_valid(), whole)) else "int")

    def _shape_of_floats(self, column: Column) -> Shape:
        # Arrays that count may all be empty.
        filled = pc.fill_null(pc.greater(pc.binary_length(column.values), 0), False)
        return Shape("list", Shape("float") if self._some(filled.true_count, lambda: filled) else NOTHING)

    def _some(self, total: int, marks: Callable[[], ArrowArray]) -> bool:
        """Whether a row that counts is marked, where ``total`` rows of the segment are."""
        assert self.column is not None
        if not total or len(self.column) - total < self._count:
            return total > 0 and self._count > 0
        bits = marks().to_numpy(zero_copy_only=False)
        if self.dead is not None:
            return total > int(bits[self.dead].sum())
        return bool(bits[self.rows].any())

    def _shape_of_texts(self, column: Column, declared: Shape) -> Shape:
        if self._is_few(column):
            return self._shape_of_rows(column, self._counting(), declared)
        whole = _whole_shape(column, declared)
        if self._count == len(column):
            return whole
        # Fewer values cannot have a wider shape; so if a few have the same, all do.
        found = self._shape_of_rows(column, self._counting(_SAMPLE), declared)
        return found if found == whole else self._shape_of_rows(column, self._counting(), declared)

    @staticmethod
    def _shape_of_rows(column: Column, rows: Rows, declared: Shape) -> Shape:
        return reduce(join, [shape_of(values, declared) for values in _decoded(column, rows)], NOTHING)

    def _counting(self, most: int | None = None) -> Rows:
        """The rows that count, or the first ``most`` of them."""
        assert self.column is not None
        if self.dead is not None:
            length = len(self.column)
            reach = length if most is None else min(length, most + len(self.dead))
            return numpy.setdiff1d(numpy.arange(reach), self.dead)[:most]
        rows = slice(0, len(self.column)) if self.rows is None else self.rows
        if not isinstance(rows, slice):
            return rows[:most]
        return rows if most is None else slice(rows.start, min(rows.stop, rows.start + most))

    # -- arrays ------------------------------------------------------------------------------------------------

    def has_times(self) -> bool:
        """Whether all values, of rows that were not chosen too, are times that a timestamp holds."""
        return self.column is not None and _times(self.column).type == NANOSECONDS

    def times(self) -> ArrowArray:
        """The chosen values as timestamps."""
        assert self.column is not None
        return self._taken(_times(self.column))

    def arrays(self, shape: Shape) -> list[ArrowArray]:
        """The chosen values, those that count as values of ``shape``, in one array or several, up to a cast."""
        column = self.column
        kind = "null" if column is None else column.field.kind
        if column is None or kind == "null":
            return [pa.nulls(self.size, arrow_type(shape))]
        if shape == TEXT:
            return [self._taken(_converted(column, TEXT, lambda: _plain_text(column)))]
        if kind == "encoded":
            if self._is_few(column) and not (column.public and column.public[0] == shape):
                return [array_of(values, shape) for values in _decoded(column, self.rows)]
            whole = _converted(column, shape, lambda: _converted_texts(column, shape))
            return list(self._taken(whole).chunks)
        if kind == "floats":
            if holds(shape, flat_shape(kind)):
                return [self._taken(list_array(column.values))]
            # Those that count are empty arrays.
            return [self._taken(array_of(fitting(column.to_list(), shape), shape))]
        # Of a column with both, whole numbers alone may have been chosen, or none of them.
        if holds(shape, flat_shape(kind)) or (kind == "number" and shape.kind in ("int", "float")):
            return [self._taken(column.values)]
        # Only rows that do not count have values.
        return [pa.nulls(self.size, arrow_type(shape))]

    def _taken(self, array: ArrowArray) -> ArrowArray:
        return array if self.rows is None else taken(array, self.rows)

    # -- texts -------------------------------------------------------------------------------------------------

    def _is_few(self, column: Column) -> bool:
        """Whether it is cheaper to decode the chosen rows alone, and again the next time."""
        return self.rows is not None and 2 * self.size < len(column)


def _decoded(column: Column, rows: Rows | None = None) -> Iterator[list[Any]]:
    """The values of an encoded column, piece by piece."""
    texts = column.values if rows is None else taken(column.values, rows)
    length = pc.binary_length(texts).fill_null(0).to_numpy(zero_copy_only=False)
    ends = numpy.cumsum(length, dtype=numpy.int64)
    start = 0
    while start < len(texts):
        most = (ends[start - 1] if start else 0) + _CHUNK_BYTES
        stop = min(start + _CHUNK_ROWS, max(start + 1, int(numpy.searchsorted(ends, most))))
        yield values_of(texts[start:stop].to_pylist())
        start = stop


def _whole_shape(column: Column, declared: Shape) -> Shape:
    """The shape of all values of an encoded column; kept."""
    if column.shape is None or column.shape[0] != declared:
        found = reduce(join, [shape_of(values, declared) for values in _decoded(column)], NOTHING)
        column.shape = (declared, found)
    return column.shape[1]


def _converted(column: Column, shape: Any, convert: Callable[[], ArrowArray]) -> ArrowArray:
    """The whole column converted; the newest conversion is kept."""
    kept = column.public
    if kept is None or kept[0] != shape:
        # Two threads may both convert it; either result is right, so no lock.
        kept = column.public = (shape, convert())
    return kept[1]


def _times(column: Column) -> ArrowArray:
    return _converted(column, NANOSECONDS, lambda: timestamps(column.values))


def _converted_texts(column: Column, shape: Shape) -> ArrowArray:
    whole = column.shape
    if whole is None or not holds(shape, whole[1]):
        # What does not fit are values of rows that do not count.
        arrays = [array_of(fitting(values, shape), shape) for values in _decoded(column)]
    else:
        arrays = [array_of(values, shape) for values in _decoded(column)]
    return pa.chunked_array(arrays, arrow_type(shape))


# Only the lossless encoding has such objects: field names do not start with a dollar sign, and in a text the
# quotes would be escaped.
_TAGGED: Final = r'[{]"[$](integer|float|bytes)":"'


def _plain_text(column: Column) -> ArrowArray:
    """The JSON that people read of every value. Shares the encoded text where that is the same."""
    if column.field.kind != "encoded":
        values = [None if value is MISSING or value is None else plain_text(value) for value in column.to_list()]
        return pa.array(
            values, LARGE[pa.string()] if sum(len(v) for v in values if v) > MOST_BYTES // 4 else pa.string()
        )
    texts = column.values
    tagged = pc.fill_null(pc.match_substring_regex(texts, _TAGGED), False)
    if not pc.any(tagged).as_py():
        return texts
    plain = [plain_text(value_of(text.encode())) for text in texts.filter(tagged).to_pylist()]
    return pc.replace_with_mask(texts, tagged, pa.array(plain, texts.type))
