"""The schema of a notebook: the tables of all its schema cells together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from convex_nb.language.describing import counted
from convex_nb.language.schema import SchemaDefinition, TableDefinition, define_schema
from convex_nb.language.stored_documents import refusal_of_all, refusals
from convex_nb.views.card import Card, Part
from convex_nb.views.columns import columns_of_table

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.language.errors import SchemaValidationError

_NO_SCHEMA: Final = define_schema({})
_declared: WeakKeyDictionary[Deployment, dict[str, frozenset[str]]] = WeakKeyDictionary()
"""The tables that each cell has declared. One that runs again takes back those that it no longer names."""


def tables_in(namespace: Mapping[str, Any]) -> dict[str, TableDefinition]:
    """Return the tables that a cell has bound: each `name = define_table(...)`, and those of a `define_schema(...)`."""
    tables: dict[str, TableDefinition] = {}
    for name, value in namespace.items():
        if isinstance(value, TableDefinition):
            tables[name] = value
        elif isinstance(value, SchemaDefinition):
            tables |= value.tables
    return tables


def declare(deployment: Deployment, cell: str, tables: Mapping[str, TableDefinition], *, check: bool = False) -> Card:
    """Push the schema with a cell's tables in place of those that it declared before; return what that has changed.

    `check` only says whether the stored documents fit. Raises `SchemaValidationError`, with the first ten offenders in
    its notes; nothing has changed then.
    """
    before = deployment.schema or _NO_SCHEMA
    kept = {**before.tables}
    for name in _declared.get(deployment, {}).get(cell, ()):
        kept.pop(name, None)
    after = define_schema({**kept, **tables}, schema_validation=before.schema_validation)
    if check:
        refusal = refusal_of_all(_refusals(deployment, tables))
        if refusal is None:
            return Card([[("ok", "✓"), ("plain", "every stored document fits; nothing was changed")]])
        raise refusal
    deployment.push(after)
    _declared.setdefault(deployment, {})[cell] = frozenset(tables)
    return _card(before, after, tables)


def extent(table: TableDefinition) -> str:
    """Return how many fields and indexes a table has: `(2 fields, 1 index)`."""
    fields, indexes = len(columns_of_table(table)), len(table.all_indexes)
    return f"({counted(fields, 'field')}, {counted(indexes, 'index')})"


def _card(before: SchemaDefinition, after: SchemaDefinition, tables: Mapping[str, TableDefinition]) -> Card:
    changed = [name for name in tables if before.tables.get(name) != after.tables[name]]
    gone = [name for name in before.tables if name not in after.tables]
    if not changed and not gone:
        return Card([[("plain", "schema unchanged")]])
    lines: list[list[Part]] = [
        [("plain", "schema:"), ("name", name), ("soft", extent(tables[name]))] for name in changed
    ]
    lines += [
        [("plain", "schema:"), ("name", name), ("soft", "is no longer declared; its documents stay")] for name in gone
    ]
    return Card(lines)


def _refusals(deployment: Deployment, tables: Mapping[str, TableDefinition]) -> Iterator[SchemaValidationError]:
    """Yield why each stored document that does not fit is refused. O(documents)."""
    for name, table in tables.items():
        if name in deployment.tables:
            with deployment.transaction() as db:
                yield from refusals(db.query(name), table, name)
