"""Whether the rows of a segment fit a validator, told by whole columns: a push need not make documents of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy
import pyarrow.compute as pc

from convex_nb.engine.segments.layout import MISSING, Kind
from convex_nb.language.documents import SYSTEM_FIELDS
from convex_nb.language.errors import ConvexNbError
from convex_nb.language.ids_columnar import id_table_numbers
from convex_nb.language.ordering import same_value
from convex_nb.language.validators import (
    AnyValidator,
    ArrayValidator,
    BooleanValidator,
    BytesValidator,
    IdValidator,
    Int64Validator,
    NullValidator,
    NumberValidator,
    ObjectValidator,
    StringValidator,
    UnionValidator,
    Validator,
)
from convex_nb.language.values import Int64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from convex_nb.engine.segments.columns import Column
    from convex_nb.engine.segments.segment import Segment

ACCEPTS: Final[Mapping[Kind, type[Validator]]] = {
    "boolean": BooleanValidator,
    "int": NumberValidator,
    "float": NumberValidator,
    "number": NumberValidator,
    "int64": Int64Validator,
    "string": StringValidator,
    "id": StringValidator,
    "bytes": BytesValidator,
}
"""The validator that takes any value of a column of this kind as it is."""

_ENUMERABLE: Final = frozenset({"boolean", "int", "int64", "string", "id"})
"""Kinds of columns of which equal values are the same: to Arrow all NaNs are one."""
_BATCH: Final = 4096


def conforms(segment: Segment, validator: Validator, tables: Mapping[int, str] | None) -> bool:
    """Tell whether every row, dead ones included, fits ``validator`` as it is stored; ``False`` also where only a
    look at each document can tell.

    ``tables`` are names by table number (``None``: any id is one of any table). Costs O(rows), some nanoseconds a
    value of a flat column and some microseconds one of a nested column.
    """
    if isinstance(validator, AnyValidator):
        return True
    if not isinstance(validator, ObjectValidator):
        return False
    for name, field in validator.fields.items():
        if name not in segment.columns and not field.is_optional:
            return False
    for name, column in segment.columns.items():
        if name not in SYSTEM_FIELDS:
            expected = validator.fields.get(name)
            if expected is None or not _fits(column, expected, tables):
                return False
    return True


def _fits(column: Column, validator: Validator, tables: Mapping[int, str] | None) -> bool:
    kind, field = column.field.kind, column.field
    if field.optional and not validator.is_optional:
        return False
    members = validator.members if isinstance(validator, UnionValidator) else (validator,)
    types = {type(member) for member in members}
    if AnyValidator in types:
        return True
    if field.nullable and NullValidator not in types:
        return False
    if kind == "null" or ACCEPTS.get(kind) in types:
        return True
    if kind == "floats" and any(map(_takes_numbers, members)):
        return True
    if kind in ("string", "id") and _are_ids(column, members, tables):
        return True
    return _fit(_distinct(column) if kind in _ENUMERABLE else _values(column), validator, tables)


def _takes_numbers(validator: Validator) -> bool:
    return isinstance(validator, ArrayValidator) and type(validator.element) in (NumberValidator, AnyValidator)


def _are_ids(column: Column, members: Sequence[Validator], tables: Mapping[int, str] | None) -> bool:
    names = {member.table_name for member in members if isinstance(member, IdValidator)}
    if not names:
        return False
    numbers = id_table_numbers(column.values.drop_null())
    if tables is None:
        return bool((numbers > 0).all())
    return bool(numpy.isin(numbers, [number for number, name in tables.items() if name in names]).all())


def _distinct(column: Column) -> Iterable[Any]:
    values: list[Any] = pc.unique(column.values).to_pylist()
    if column.field.kind == "int64":
        return [None if value is None else Int64(value) for value in values]
    return values


def _values(column: Column) -> Iterable[Any]:
    for start in range(0, len(column), _BATCH):
        yield from column.slice(start, min(len(column), start + _BATCH)).to_list()


def _fit(values: Iterable[Any], validator: Validator, tables: Mapping[int, str] | None) -> bool:
    try:
        return all(
            value is None or value is MISSING or same_value(validator.validate(value, tables=tables), value)
            for value in values
        )
    except ConvexNbError:
        return False
