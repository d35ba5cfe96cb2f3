"""Which fields of a segment are typed Arrow columns and which are encoded."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from convex_nb.engine.segments.float_arrays import are_floats
from convex_nb.language.documents import SYSTEM_FIELDS, Document, ReadOnlyList
from convex_nb.language.values import Id, Int64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Kind: TypeAlias = Literal[
    "null", "boolean", "int", "float", "number", "int64", "string", "bytes", "id", "floats", "encoded", "rest"
]
"""What a column holds beside missing and null.

``int`` and ``float`` are numbers that are all ``int`` or all ``float``; ``number`` is both mixed, as float64 with a
bitmap of the rows that hold an ``int``. ``id`` is text that comes back as `Id` of one table. ``floats`` are arrays of
floats alone, such as vectors, as their bytes. ``encoded`` is lossless JSON text of anything. ``rest`` is encoded too:
an object with all the fields that have no column of their own.
"""

ENCODED: Final = frozenset({"encoded", "rest"})
"""The kinds whose values are JSON text."""

OPAQUE: Final = ENCODED | {"floats"}
"""The kinds whose values are made Python's before they are looked into."""

MAX_COLUMNS: Final = 256
"""Beyond this many different fields the rarest share the rest column."""

MISSING: Final = type("Missing", (), {})()
"""Stands in a list of a column's values for rows that lack the field."""


class Field(NamedTuple):
    """One column: its field, its kind, and whether rows may lack it or hold null in it."""

    name: str
    kind: Kind
    optional: bool = False
    nullable: bool = False
    table: str | None = None
    """The table of an ``id`` column."""


Layout: TypeAlias = tuple[Field, ...]
"""The columns of a segment: ``_id``, ``_creationTime``, then the fields in the order in which they were first seen."""

_KINDS: Final[Mapping[frozenset[type], Kind]] = {
    frozenset(): "null",
    frozenset({bool}): "boolean",
    frozenset({int}): "int",
    frozenset({float}): "float",
    frozenset({int, float}): "number",
    frozenset({Int64}): "int64",
    frozenset({str}): "string",
    frozenset({str, Id}): "string",
    frozenset({bytes}): "bytes",
}
_ARRAYS: Final = frozenset({list, ReadOnlyList})


def field_of(name: str, values: Sequence[Any]) -> Field:
    """The column that fits a field's values, which may be ``MISSING`` or ``None``. Costs O(n), mostly in C."""
    types = set(map(type, values))
    optional = type(MISSING) in types
    nullable = type(None) in types
    types -= {type(MISSING), type(None)}
    if types == {Id}:
        tables = {value.table for value in values if type(value) is Id}
        table = tables.pop()
        return Field(name, "string" if tables or table is None else "id", optional, nullable, None if tables else table)
    if types and types <= _ARRAYS and are_floats([value for value in values if type(value) in _ARRAYS]):
        return Field(name, "floats", optional, nullable)
    return Field(name, _KINDS.get(frozenset(types), "encoded"), optional, nullable)


_NUMBERS: Final = frozenset({"int", "float", "number"})


def common_kind(fields: Iterable[Field]) -> tuple[Kind, str | None]:
    """The kind that holds the values of several columns of one field, and the table if it is ``id``."""
    fields = [field for field in fields if field.kind != "null"]
    kinds = {field.kind for field in fields}
    if not kinds:
        return "null", None
    if kinds == {"id"}:
        tables = {field.table for field in fields}
        return ("id", tables.pop()) if len(tables) == 1 else ("string", None)
    if len(kinds) == 1:
        return kinds.pop(), None
    if kinds <= _NUMBERS:
        return "number", None
    return ("string", None) if kinds == {"string", "id"} else ("encoded", None)


def field_names(documents: Sequence[Mapping[str, Any]]) -> tuple[list[str], bool]:
    """The fields that get a column, in first-seen order, system fields first; and whether there are others."""
    return frequent_names(Counter(chain.from_iterable(documents)))


def frequent_names(counts: Counter[str]) -> tuple[list[str], bool]:
    """`field_names` of documents whose fields were counted."""
    system = list(SYSTEM_FIELDS)
    own = [name for name in counts if name not in system]
    room = MAX_COLUMNS - len(system)
    if len(own) <= room:
        return system + own, False
    for name in system:
        del counts[name]
    kept = {name for name, _ in counts.most_common(room)}
    return system + [name for name in own if name in kept], True


def rest_of(documents: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[Any]:
    """What each document has beside ``names``: a `Document`, or ``MISSING`` where that is nothing."""
    known = frozenset(names)
    return [
        MISSING if known.issuperset(document) else Document({k: v for k, v in document.items() if k not in known})
        for document in documents
    ]
