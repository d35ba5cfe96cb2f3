"""Columns of a segment: an Arrow array of the values, and bitmaps for what Arrow's one kind of null cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa

from convex_nb.engine.layout import MISSING, Field
from convex_nb.language.encoding import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from convex_nb.engine.layout import Kind

# pyarrow ships no types; these names say what is meant.
ArrowArray: TypeAlias = Any
ArrowTable: TypeAlias = Any
ArrowType: TypeAlias = Any

_TYPES: Final[Mapping[Kind, ArrowType]] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "number": pa.float64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "id": pa.string(),
    "encoded": pa.string(),
    "rest": pa.string(),
}
_LARGE: Final = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
MOST_BYTES: Final = 2**31 - 1
"""What 32-bit offsets reach; a column with more has 64-bit ones."""


class Column:
    """One column; immutable. ``values`` is null where the row lacks the field or holds null.

    ``nulls`` marks the rows that hold null where there are both (``None``: every row without a value holds null
    if the field is nullable and lacks the field if it is optional). ``whole`` marks the ``int`` rows of a
    ``number`` column.
    """

    __slots__ = ("data", "field", "nulls", "values", "whole")

    def __init__(
        self, field: Field, values: ArrowArray, nulls: ArrowArray | None = None, whole: ArrowArray | None = None
    ) -> None:
        self.field = field
        self.values, self.data = _owned(values)
        self.nulls = nulls
        self.whole = whole

    @classmethod
    def from_values(cls, field: Field, values: Sequence[Any]) -> Column:
        """A column of Python values, which fit ``field``."""
        kind = field.kind
        nulls = pa.array([value is None for value in values]) if field.optional and field.nullable else None
        whole = pa.array([type(value) is int for value in values]) if kind == "number" else None
        if kind in ("encoded", "rest"):
            values = [None if value is MISSING or value is None else dumps(value) for value in values]
        elif field.optional:
            values = [None if value is MISSING else value for value in values]
        type_ = _TYPES[kind]
        if type_ in _LARGE and sum(map(len, filter(None, values))) > MOST_BYTES // 4:
            type_ = _LARGE[type_]
        return cls(field, pa.array(values, type_), nulls, whole)

    @property
    def nbytes(self) -> int:
        """Bytes of the values and the bitmaps."""
        return sum(array.nbytes for array in (self.values, self.nulls, self.whole) if array is not None)


def _owned(values: ArrowArray) -> tuple[ArrowArray, bytes]:
    """A variable-length array over a ``bytes`` object, and that object; slicing it is what makes decoding quick."""
    if values.offset:
        values = pa.concat_arrays([values])
    if not _is_variable(values.type):
        return values, b""
    validity, offsets, data = values.buffers()
    content = b"" if data is None else data.to_pybytes()
    return pa.Array.from_buffers(
        values.type, len(values), [validity, offsets, pa.py_buffer(content)], null_count=values.null_count
    ), content


def _is_variable(type_: ArrowType) -> bool:
    return type_ in _LARGE or type_ in _LARGE.values()
