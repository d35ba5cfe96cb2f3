"""What changes from one schema to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from convex_nb.language.describing import shorten
from convex_nb.language.schema import SchemaDefinition, TableDefinition
from convex_nb.language.validators import ObjectValidator, Validator

Action = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference: what happened to a table, field, index or option; `before` and `after` are the definitions."""

    action: Action
    what: Literal["table", "field", "documents", "index", "option"]
    table: str
    name: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.action]
        place = f'{self.what} "{self.name}"' if self.name else self.what
        if self.table and self.what != "table":
            place = f'{place} of table "{self.table}"'
        if self.action == "changed":
            return f"{sign} {place}: {_shown(self.before)} -> {_shown(self.after)}"
        known = self.after if self.action == "added" else self.before
        return f"{sign} {place}" if isinstance(known, TableDefinition) else f"{sign} {place}: {_shown(known)}"


def _shown(definition: Any) -> str:
    text = definition.to_code() if isinstance(definition, Validator) else repr(definition)
    return shorten(text, 120)


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """All differences, in the order of the tables. False when there is none; printed, one line each."""

    changes: tuple[SchemaChange, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def __iter__(self) -> Iterator[SchemaChange]:
        return iter(self.changes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.changes)) or "no changes"

    __repr__ = __str__


def schema_diff(before: SchemaDefinition, after: SchemaDefinition) -> SchemaDiff:
    """Return what changes when `after` is pushed over `before`. Empty exactly when the two are equal."""
    changes: list[SchemaChange] = []
    for name, old, new in _pairs(before.tables, after.tables):
        if old is None or new is None:
            changes.append(SchemaChange("removed" if new is None else "added", "table", name, name, old, new))
        else:
            changes.extend(_table_changes(name, old, new))
    for option in ("schema_validation", "strict_table_name_types"):
        old, new = getattr(before, option), getattr(after, option)
        if old != new:
            changes.append(SchemaChange("changed", "option", "", option, old, new))
    return SchemaDiff(tuple(changes))


def _table_changes(table: str, before: TableDefinition, after: TableDefinition) -> Iterator[SchemaChange]:
    if before.validator != after.validator:
        if isinstance(before.validator, ObjectValidator) and isinstance(after.validator, ObjectValidator):
            yield from _changes(table, "field", before.validator.fields, after.validator.fields)
        else:
            yield SchemaChange("changed", "documents", table, "", before.validator, after.validator)
    yield from _changes(table, "index", _indexes(before), _indexes(after))


def _indexes(table: TableDefinition) -> dict[str, Any]:
    return {index.name: index for index in table.all_indexes}


def _changes(table: str, what: Any, before: Any, after: Any) -> Iterator[SchemaChange]:
    for name, old, new in _pairs(before, after):
        if old is None:
            yield SchemaChange("added", what, table, name, None, new)
        elif new is None:
            yield SchemaChange("removed", what, table, name, old, None)
        elif old != new:
            yield SchemaChange("changed", what, table, name, old, new)


def _pairs(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys((*before, *after)):
        yield name, before.get(name), after.get(name)
