"""The process's DuckDB: one instance in memory, which reaches nothing but what a caller registers."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CONFIGURATION: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # Sorts and joins that do not fit into memory raise, rather than write files into the user's folder.
    "temp_directory": "",
}
_lock: Final = threading.Lock()
_instances: dict[int, DuckDBPyConnection] = {}
"""By process: an instance does not survive a fork."""


@contextmanager
def cursor() -> Iterator[DuckDBPyConnection]:
    """A connection of its own, to be used by one thread; what is registered on it is seen by no other.

    No file, no network, no extension, no variable of a Python frame is within reach, and no statement changes that.
    Costs some microseconds, the first one a few milliseconds.
    """
    opened = _instance().cursor()
    try:
        yield opened
    finally:
        opened.close()


def _instance() -> DuckDBPyConnection:
    instance = _instances.get(os.getpid())
    if instance is None:
        with _lock:
            instance = _instances.get(os.getpid())
            if instance is None:
                instance = _instances[os.getpid()] = _open()
    return instance


def _open() -> DuckDBPyConnection:
    import duckdb

    instance = duckdb.connect(":memory:", config=_CONFIGURATION)
    # Global, so that cursors have it too. Without it a table name would be looked up among Python's variables.
    instance.execute("SET GLOBAL python_enable_replacements = false")
    instance.execute("SET lock_configuration = true")
    return instance
