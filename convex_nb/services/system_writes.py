"""Transactions of the system's own, over its own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from convex_nb.engine.committer import Conflict
from convex_nb.engine.reading.system_reader import SystemWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.database import Database

T = TypeVar("T")


def write_system(database: Database, change: Callable[[SystemWriter], T], source: str) -> T:
    """Commit what `change` writes, again whenever somebody else was first; return its value.

    `source` is what others that conflict with it are told.
    """
    while True:
        transaction = database.begin()
        value = change(SystemWriter(transaction))
        try:
            database.commit(transaction, source)
        except Conflict:
            continue
        return value
