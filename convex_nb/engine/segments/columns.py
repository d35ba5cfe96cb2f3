"""Columns of a segment: an Arrow array of the values, and bitmaps for what Arrow's one kind of null cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.segments.encoded_text import value_of
from convex_nb.engine.segments.float_arrays import bytes_of, floats_of
from convex_nb.engine.segments.layout import ENCODED, MISSING, Field, Kind
from convex_nb.engine.segments.owned_bytes import BytesWriter
from convex_nb.engine.steps import finished
from convex_nb.language.encoding import dumps
from convex_nb.language.values import Id, Int64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from convex_nb.engine.steps import Steps

# pyarrow ships no types; these names say what is meant.
ArrowArray: TypeAlias = Any
ArrowTable: TypeAlias = Any
ArrowType: TypeAlias = Any

TYPES: Final[Mapping[Kind, ArrowType]] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "number": pa.float64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "id": pa.string(),
    "floats": pa.binary(),
    "encoded": pa.string(),
    "rest": pa.string(),
}
LARGE: Final = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
VARIABLE: Final = frozenset(LARGE) | frozenset(LARGE.values())
MOST_BYTES: Final = 2**31 - 1
"""What 32-bit offsets reach; a column with more has 64-bit ones."""


class Column:
    """One column; immutable.

    ``values`` is null where the row lacks the field or holds null. ``nulls`` marks the rows that hold null, and is
    there when some rows do and others lack the field. ``whole`` marks the ``int`` rows of a ``number`` column.
    For code that reads single rows, ``data`` and ``offsets`` are the buffers of a variable-length column and
    ``numbers`` that of a numeric one. `public_columns` keeps in ``public`` what it made of the column last and for
    what, and in ``shape`` the shape of an encoded column's values.
    """

    __slots__ = ("_ordinary", "data", "field", "nulls", "numbers", "offsets", "public", "shape", "values", "whole")

    def __init__(
        self,
        field: Field,
        values: ArrowArray,
        nulls: ArrowArray | None = None,
        whole: ArrowArray | None = None,
        content: bytes | None = None,
    ) -> None:
        """``content`` is the data that ``values`` of variable length are over, where that is ``bytes`` already."""
        self.field = field
        self.nulls = _from_start(nulls)
        self.whole = _from_start(whole)
        self.data = b""
        self.offsets: Any = None
        self.numbers: Any = None
        values = _from_start(values)
        if values.type in VARIABLE:
            values, self.data = finished(joining_texts([values])) if content is None else (values, content)
            self.offsets = _view(values.buffers()[1], "q" if values.type in LARGE.values() else "i")
        elif values.type in (pa.float64(), pa.int64()):
            self.numbers = _view(values.buffers()[1], "d" if values.type == pa.float64() else "q")
        self.values = values
        self.public: tuple[Any, ArrowArray] | None = None
        self.shape: tuple[Any, Any] | None = None
        self._ordinary: bool | None = None

    @classmethod
    def from_values(cls, field: Field, values: Sequence[Any]) -> Column:
        """A column of Python values (``MISSING`` among them), which fit ``field``."""
        nulls = pa.array([value is None for value in values]) if field.optional and field.nullable else None
        whole = pa.array([type(value) is int for value in values]) if field.kind == "number" else None
        if field.kind in ENCODED:
            values = [None if value is MISSING or value is None else dumps(value) for value in values]
        elif field.kind == "floats":
            values = [None if value is MISSING or value is None else bytes_of(value) for value in values]
        elif field.optional:
            values = [None if value is MISSING else value for value in values]
        type_ = TYPES[field.kind]
        if type_ in LARGE and sum(map(len, filter(None, values))) > MOST_BYTES // 4:
            type_ = LARGE[type_]
        return cls(field, pa.array(values, type_), nulls, whole)

    @classmethod
    def fitted(
        cls,
        name: str,
        kind: Kind,
        values: ArrowArray,
        nulls: ArrowArray | None,
        whole: ArrowArray | None,
        table: str | None = None,
        content: bytes | None = None,
    ) -> Column:
        """A column with the narrowest field that holds ``values``: what was true of more rows may not be of these.

        ``nulls`` marks the null values that are not missing (``None``: all are missing).
        """
        null_count = pc.sum(nulls).as_py() or 0 if nulls is not None else 0
        optional = values.null_count > null_count
        if kind != "null" and values.null_count == len(values):
            kind, values = "null", pa.nulls(len(values))
        elif kind == "number":
            wholes = pc.sum(whole).as_py() or 0
            if wholes in (0, len(values) - values.null_count):
                kind, values, whole = ("int", values.cast(pa.int64()), None) if wholes else ("float", values, None)
        return cls(
            Field(name, kind, optional, null_count > 0, table if kind == "id" else None),
            values,
            nulls if optional and null_count else None,
            whole if kind == "number" else None,
            content,
        )

    def slice(self, start: int, stop: int) -> Column:
        """The rows from ``start`` to ``stop``, copied, under the same field."""
        arrays = (self.values, self.nulls, self.whole)
        return Column(self.field, *[None if array is None else array.slice(start, stop - start) for array in arrays])

    def __len__(self) -> int:
        return len(self.values)

    def bytes_at(self, row: int) -> bytes:
        """The content of one row of a variable-length column."""
        return self.data[self.offsets[row] : self.offsets[row + 1]]

    def null_marks(self) -> ArrowArray | None:
        """Which rows hold null, or ``None`` where none does."""
        if not self.field.nullable:
            return None
        return self.nulls if self.field.optional else self.values.is_null()

    @property
    def ordinary(self) -> bool:
        """Whether a column of numbers has neither a NaN nor a negative zero, so that any comparison follows the total
        order. Costs O(n) once."""
        if self._ordinary is None:
            numbers = numpy.frombuffer(self.numbers, numpy.float64)
            self._ordinary = self.values.type != pa.float64() or not bool(
                numpy.isnan(numbers).any() or (numpy.signbit(numbers) & (numbers == 0.0)).any()
            )
        return self._ordinary

    def to_list(self) -> list[Any]:
        """The values as Python ones, with ``None`` and ``MISSING``. Costs O(n) slow steps."""
        kind, table = self.field.kind, self.field.table
        values: list[Any] = self.values.to_pylist()
        if kind in ENCODED:
            values = [None if text is None else value_of(text.encode()) for text in values]
        elif kind == "floats":
            values = [None if data is None else floats_of(data) for data in values]
        elif kind == "number":
            whole: list[bool] = self.whole.to_pylist()  # type: ignore[union-attr]
            values = [int(value) if mark else value for value, mark in zip(values, whole, strict=True)]
        elif kind == "int64":
            values = [None if value is None else Int64(value) for value in values]
        elif kind == "id":
            values = [None if value is None else Id(value, table) for value in values]
        if not self.field.optional:
            return values
        marks = [False] * len(values) if self.nulls is None else self.nulls.to_pylist()
        return [MISSING if value is None and not mark else value for value, mark in zip(values, marks, strict=True)]

    @property
    def nbytes(self) -> int:
        """Bytes of the values and the bitmaps."""
        arrays = (self.values, self.nulls, self.whole, None if self.public is None else self.public[1])
        return sum(array.nbytes for array in arrays if array is not None)


def _from_start(array: ArrowArray | None) -> ArrowArray | None:
    """The array in buffers of its own if it is a slice of others: code that reads buffers counts from their start."""
    return array if array is None or not array.offset else pa.concat_arrays([array])


def joining_texts(arrays: Sequence[ArrowArray]) -> Steps[tuple[ArrowArray, bytes]]:
    """Arrays of one variable-length type in one, over a ``bytes`` object, and that object; each is copied in a step.

    Slicing that object is what makes decoding quick. Each array is in buffers of its own.
    """
    type_ = arrays[0].type
    width = numpy.dtype(numpy.int64 if type_ in LARGE.values() else numpy.int32)
    ends = [_offsets(array, width) for array in arrays]
    offsets = ends[0] if len(ends) == 1 else numpy.zeros(sum(map(len, arrays)) + 1, width)
    writer = BytesWriter(sum(int(each[-1]) for each in ends))
    place = 0
    for array, each in zip(arrays, ends, strict=True):
        if each[-1]:
            writer.write(array.buffers()[2].slice(0, int(each[-1])))
        if each is not offsets:
            offsets[place + 1 : place + len(each)] = each[1:] + offsets[place]
        place += len(array)
        yield
    content = writer.content()
    buffers = [joined_validity(arrays), pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(type_, place, buffers), content


def _offsets(array: ArrowArray, width: Any) -> NDArray[Any]:
    if not len(array):
        return numpy.zeros(1, width)
    return numpy.frombuffer(array.buffers()[1], width, len(array) + 1)


def joined_validity(arrays: Sequence[ArrowArray]) -> Any:
    """The validity bitmap of arrays one after another, each in buffers of its own; ``None`` where nothing is null."""
    if not any(array.null_count for array in arrays):
        return None
    if len(arrays) == 1:
        return arrays[0].buffers()[0]
    return pa.concat_arrays([array.is_valid() for array in arrays]).buffers()[1]


def _view(buffer: Any, format: Any) -> Any:
    view = memoryview(b"" if buffer is None else buffer).cast("B")
    # Buffers may be padded to a length that is no multiple of the item.
    return view[: len(view) // 8 * 8].cast(format) if format in "qd" else view[: len(view) // 4 * 4].cast(format)
