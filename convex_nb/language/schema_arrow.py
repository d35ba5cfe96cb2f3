"""A table's Arrow schema: the columns that its documents have as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convex_nb.language.schema import TableDefinition
from convex_nb.language.validators import (
    ArrayValidator,
    BooleanValidator,
    BytesValidator,
    IdValidator,
    Int64Validator,
    LiteralValidator,
    NullValidator,
    NumberValidator,
    ObjectValidator,
    RecordValidator,
    StringValidator,
    UnionValidator,
    Validator,
)
from convex_nb.language.values import Int64

if TYPE_CHECKING:
    import pyarrow

ENCODED = {b"convex_nb": b"json"}
"""The metadata of a column that no one Arrow type fits: it holds the lossless JSON of each value as text."""


def arrow_schema(table: TableDefinition) -> pyarrow.Schema:
    """Return `_id`, `_creationTime` (milliseconds, float64) and a column for each field of the documents.

    Numbers are float64, `Int64` is int64, arrays are lists, objects structs and records maps. A union of types that
    Arrow has no common type for, and `v.any()`, are columns of JSON text, marked in their metadata.
    """
    import pyarrow as pa

    columns = [pa.field("_id", pa.string(), nullable=False), pa.field("_creationTime", pa.float64(), nullable=False)]
    columns += [_field(name, field) for name, field in document_fields(table.validator).items()]
    return pa.schema(columns)


def document_fields(validator: Validator) -> dict[str, Validator]:
    """Return the validator of each field of documents; of a union of objects, one that accepts what its members do."""
    if isinstance(validator, ObjectValidator):
        return dict(validator.fields)
    if not isinstance(validator, UnionValidator):
        return {}
    merged: dict[str, list[Validator]] = {}
    for member in validator.members:
        if isinstance(member, ObjectValidator):
            for name, field in member.fields.items():
                merged.setdefault(name, []).append(field)
    return {
        name: UnionValidator(*(field.as_optional(False) for field in fields)).as_optional(
            len(fields) < len(validator.members) or any(field.is_optional for field in fields)
        )
        for name, fields in merged.items()
    }


def _field(name: str, validator: Validator) -> pyarrow.Field:
    import pyarrow as pa

    found = arrow_type(validator)
    nullable = validator.is_optional or _accepts_null(validator)
    if found is None:
        return pa.field(name, pa.string(), nullable, ENCODED)
    return pa.field(name, found, nullable)


def _accepts_null(validator: Validator) -> bool:
    if isinstance(validator, UnionValidator):
        return any(map(_accepts_null, validator.members))
    return isinstance(validator, NullValidator)


def arrow_type(validator: Validator) -> pyarrow.DataType | None:
    """Return the Arrow type of a validator's values, or None where no one type fits them all."""
    import pyarrow as pa

    match validator:
        case StringValidator() | IdValidator():
            return pa.string()
        case NumberValidator():
            return pa.float64()
        case Int64Validator():
            return pa.int64()
        case BooleanValidator():
            return pa.bool_()
        case BytesValidator():
            return pa.binary()
        case NullValidator():
            return pa.null()
        case LiteralValidator(value=value):
            if isinstance(value, str):
                return pa.string()
            return {bool: pa.bool_(), Int64: pa.int64()}.get(type(value), pa.float64())
        case ArrayValidator(element=element):
            inner = arrow_type(element)
            return None if inner is None else pa.list_(pa.field("item", inner, _accepts_null(element)))
        case RecordValidator(value=element):
            inner = arrow_type(element)
            return None if inner is None else pa.map_(pa.string(), pa.field("value", inner, _accepts_null(element)))
        case ObjectValidator(fields=fields):
            parts = [_field(name, field) for name, field in fields.items()]
            return pa.struct(parts) if parts and not any(part.metadata for part in parts) else None
        case UnionValidator(members=members):
            types = {arrow_type(member) for member in members if not isinstance(member, NullValidator)}
            return types.pop() if len(types) == 1 else pa.null() if members and not types else None
        case _:
            return None
