"""Transactions of the system's own, over its own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from convex_nb.engine.committer import Conflict
from convex_nb.engine.reading.system_reader import SystemWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.schema import SchemaDefinition

T = TypeVar("T")


def write_system(database: Database, change: Callable[[SystemWriter], T], source: str, component: str = "") -> T:
    """Commit what `change` writes, again whenever somebody else was first; return its value.

    `source` is what others that conflict with it are told. The tables are those of the application, or of `component`.
    """
    while True:
        transaction = database.begin()
        value = change(SystemWriter(transaction, component))
        try:
            database.commit(transaction, source)
        except Conflict:
            continue
        return value


def push_with(
    database: Database,
    schema_of: Callable[[Snapshot], SchemaDefinition | None],
    change: Callable[[SystemWriter], T],
    source: str,
) -> tuple[bool, T]:
    """Put the schema that `schema_of` makes of the newest head in force and commit what `change` writes with it, both
    or neither.

    Returns whether the schema is another one, and the value of `change`. Raises `SchemaValidationError`.
    """
    values: list[T] = []

    def also(transaction: Transaction) -> None:
        values.append(change(SystemWriter(transaction)))

    return database.push(schema_of, also, source), values[-1]
