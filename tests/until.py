"""Waiting for what other threads, processes or pages are about to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from convex_nb.engine.database import Database

PATIENCE: Final = 120.0
"""Seconds: enough for a machine that is a hundred times slower, and less than a test's own timeout."""


def until(condition: Callable[[], object]) -> None:
    """Return when it holds. Raises `AssertionError` when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


def maintained(database: Database) -> None:
    """Return when no slow work is due. `database.maintain` returns at once while a deployment's worker is at some."""
    with database._maintaining:
        while database._maintenance.run(100) or database._collection.step():
            pass
