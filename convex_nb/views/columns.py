"""The columns of a table: which fields its rows have, and of which types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from convex_nb.language.documents import SYSTEM_FIELDS
from convex_nb.language.validators import IdValidator, LiteralValidator, ObjectValidator, UnionValidator, Validator
from convex_nb.language.values import UNDEFINED, Id, Int64
from convex_nb.views.cells import encode_cell, encode_time
from convex_nb.views.messages import Cell, Column

if TYPE_CHECKING:
    from convex_nb.language.schema import TableDefinition

_RIGHT: Final = frozenset({"number", "int64"})
_TYPES_NAMED: Final = 3


def type_name(value: Any) -> str:
    """Return the Convex name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Id):
        return f"id<{value.table}>" if value.table else "id"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Int64):
        return "int64"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, bytes):
        return "bytes"
    return "object" if isinstance(value, Mapping) else "array"


class Columns:
    """The columns seen so far, in the order of the schema or of their first row; they only widen, so that a page turn
    moves nothing. `hints` names the fields of a schema with their types, and heads a table that has no row yet."""

    def __init__(self, hints: Mapping[str, str] | None = None) -> None:
        self._hints = dict(hints or {})
        self._seen: dict[str, set[str]] = {name: set() for name in self._hints}

    @property
    def names(self) -> list[str]:
        """The fields: own ones first, system fields last."""
        own = [name for name in self._seen if name not in SYSTEM_FIELDS]
        return [*own, *(name for name in reversed(SYSTEM_FIELDS) if name in self._seen)]

    def widen(self, rows: Sequence[Mapping[str, Any]]) -> list[Column]:
        """Return the columns after having seen `rows`: own fields first, system fields last."""
        seen = self._seen
        for row in rows:
            for name, value in row.items():
                if name in seen:
                    seen[name].add(type_name(value))
                else:
                    seen[name] = {type_name(value)}
        return [self._column(name) for name in self.names]

    def _column(self, name: str) -> Column:
        if name == "_creationTime":
            return {"name": name, "type": "time", "align": "left", "system": True}
        if name in self._hints:
            label, types = self._hints[name], {self._hints[name]}
        else:
            types = self._seen[name]
            named = sorted(types - {"null"}) + ["null"] * ("null" in types)
            label = " | ".join(named) if len(named) <= _TYPES_NAMED else "any"
        numeric = bool(types - {"null"}) and types - {"null"} <= _RIGHT
        return {"name": name, "type": label, "align": "right" if numeric else "left", "system": name in SYSTEM_FIELDS}


def cells_of(row: Mapping[str, Any], columns: Sequence[Column]) -> list[Cell]:
    """Return the cells of one row."""
    get = row.get
    return [
        encode_time(get("_creationTime", UNDEFINED))
        if column["name"] == "_creationTime"
        else encode_cell(get(column["name"], UNDEFINED))
        for column in columns
    ]


def columns_of_table(table: TableDefinition) -> dict[str, str]:
    """Return the fields of a table's schema with the names of their types, system fields included."""
    fields: dict[str, str] = {}
    members = table.validator.members if isinstance(table.validator, UnionValidator) else (table.validator,)
    for member in members:
        if isinstance(member, ObjectValidator):
            for name, validator in member.fields.items():
                fields.setdefault(name, label_of(validator))
    return fields


def label_of(validator: Validator) -> str:
    """Return the type that a validator asks for, as a column head names it."""
    if isinstance(validator, UnionValidator):
        labels = list(dict.fromkeys(map(label_of, validator.members)))
        return " | ".join(labels) if len(labels) <= _TYPES_NAMED else "any"
    if isinstance(validator, LiteralValidator):
        return type_name(validator.value)
    if isinstance(validator, IdValidator):
        return f"id<{validator.table_name}>"
    return {"float64": "number", "record": "object"}.get(validator.kind, validator.kind)
