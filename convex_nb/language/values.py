"""Values: what can be stored, passed and returned, and what each counts for."""

from __future__ import annotations

from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.normalisation import to_value
from convex_nb.language.value_types import (
    INT64_LEAST,
    INT64_MOST,
    NUMBER_MOST,
    UNDEFINED,
    Id,
    Int64,
    Undefined,
    Value,
)

__all__ = [
    "INT64_LEAST",
    "INT64_MOST",
    "NUMBER_MOST",
    "UNDEFINED",
    "Id",
    "Int64",
    "Undefined",
    "Value",
    "copy_value",
    "size_of",
    "to_value",
]

_PLAIN_CONTAINERS = frozenset({dict, list})


def copy_value(value: Value) -> Value:
    """Return a normalised value with fresh plain containers, at the cost of these; read-only ones are shared."""
    kind = type(value)
    if kind is dict:
        if _PLAIN_CONTAINERS.isdisjoint(map(type, value.values())):
            return value.copy()
        return {key: copy_value(item) for key, item in value.items()}
    if kind is list:
        if _PLAIN_CONTAINERS.isdisjoint(map(type, value)):
            return value.copy()
        return [copy_value(item) for item in value]
    return value


def size_of(value: Value) -> int:
    """Return the bytes that a value counts for in every limit. The cost is linear in its parts."""
    kind = type(value)
    if kind is str or kind is Id:
        return (len(value) if value.isascii() else len(value.encode())) + 2
    if kind is float or kind is int or kind is Int64:
        return 9
    if value is None or kind is bool:
        return 1
    if kind is bytes:
        return len(value) + 2
    try:
        if kind is dict or kind is Document:
            # Keys are ASCII: a character is a byte, and one more closes the key.
            return 2 + len(value) + sum(map(len, value)) + sum(map(size_of, value.values()))
        if kind is list or kind is ReadOnlyList:
            return 2 + sum(map(size_of, value))
    except RecursionError:
        pass
    return size_of(to_value(value))
