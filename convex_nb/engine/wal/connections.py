"""Connections of SQLite to a durable file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from convex_nb.engine.wal.disk import sidecar, size_of_file


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that is in no transaction until it is told so; ``mode`` is the one of SQLite's URIs."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=10
    )


def checkpoint(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Copy from the sidecar into the file what nobody else stands in the way of."""
    row: tuple[int, int, int] = connection.execute("pragma wal_checkpoint(passive)").fetchone()
    return row


def clear_away(path: Path) -> None:
    """Remove the empty sidecars that SQLite makes for who only reads, unless somebody uses them.

    SQLite does that itself when its last connection is closed that may write, and knows which one is the last. Where
    the sidecar has something in it this would fold it: then everything stays as it is.
    """
    beside = sidecar(path)
    permitted = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if permitted and beside.exists() and not size_of_file(beside):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path, "rw")) as connection:
            connection.execute("pragma user_version").fetchone()
