"""The schema of a notebook: the tables of all its schema cells together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from convex_nb.language.schema import SchemaDefinition, TableDefinition, define_schema
from convex_nb.views.card import Card, Part

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment

_declared: WeakKeyDictionary[Deployment, dict[str, frozenset[str]]] = WeakKeyDictionary()
"""Which tables each cell has declared. A cell that runs again takes back those that it no longer names."""


def tables_in(namespace: Mapping[str, Any]) -> dict[str, TableDefinition]:
    """Return the tables that a cell has bound: each `name = define_table(...)`, and those of a `define_schema(...)`."""
    tables: dict[str, TableDefinition] = {}
    for name, value in namespace.items():
        if isinstance(value, TableDefinition):
            tables[name] = value
        elif isinstance(value, SchemaDefinition):
            tables |= value.tables
    return tables


def merged(deployment: Deployment, cell: str, tables: Mapping[str, TableDefinition]) -> SchemaDefinition:
    """Return the deployment's schema with a cell's tables in place of those that it declared before."""
    kept = dict(deployment.schema.tables)
    for name in _declared.get(deployment, {}).get(cell, ()):
        kept.pop(name, None)
    return define_schema({**kept, **tables}, schema_validation=deployment.schema.schema_validation)


def remember(deployment: Deployment, cell: str, tables: Mapping[str, TableDefinition]) -> None:
    """Note what a cell has declared, once it was pushed."""
    _declared.setdefault(deployment, {})[cell] = frozenset(tables)


def schema_card(before: SchemaDefinition, after: SchemaDefinition, tables: Mapping[str, TableDefinition]) -> Card:
    """Return what a push has done, in one line for each table of the cell that changed."""
    changed = [name for name in tables if before.tables.get(name) != after.tables[name]]
    gone = [name for name in before.tables if name not in after.tables]
    if not changed and not gone:
        return Card([[("plain", "schema unchanged")]])
    lines: list[list[Part]] = [[("plain", "schema:"), ("code", name), ("soft", extent(tables[name]))] for name in changed]
    lines += [[("plain", "schema:"), ("code", name), ("soft", "(no longer declared; its documents stay)")] for name in gone]
    return Card(lines)


def extent(table: TableDefinition) -> str:
    """Return how many fields and indexes a table has: `(2 fields, 1 index)`."""
    from convex_nb.views.columns import columns_of_table

    fields, indexes = len(columns_of_table(table)), len(table.all_indexes)
    return f"({fields} field{'' if fields == 1 else 's'}, {indexes} index{'' if indexes == 1 else 'es'})"
