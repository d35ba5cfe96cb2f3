"""Several databases over one log, as several kernels have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.postgres.opening import open_shared_database
from convex_nb.engine.postgres.postgres_log import PostgresLog


@contextmanager
def kernels(uri: str, number: int = 2, **options: Any) -> Iterator[list[Database]]:
    """So many of them, closed at the end."""
    opened: list[Database] = []
    try:
        while len(opened) < number:
            opened.append(open_shared_database(uri, **options))
        yield opened
    finally:
        for database in opened:
            database.close()


def log_of(database: Database) -> PostgresLog:
    assert isinstance(database.log, PostgresLog)
    return database.log


def follow(*databases: Database) -> None:
    for database in databases:
        while database.follow(log_of(database)):
            pass


def insert(database: Database, table: str, **fields: Any) -> str:
    """Insert a document, again on a conflict."""
    while True:
        transaction = database.begin()
        id = transaction.insert(table, fields)
        try:
            database.commit(transaction, "test")
        except Conflict:
            continue
        return id


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All documents, by table and id."""
    return {
        name: sorted(
            [dict(document) for document in state.scan(1, b"", b"\xff", reverse=False)], key=lambda d: d["_id"]
        )
        for name, state in database.head.tables.items()
    }
