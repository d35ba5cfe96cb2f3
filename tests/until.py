"""Waiting for what other threads, processes or pages are about to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 120.0
"""Seconds: enough for a machine that is a hundred times slower, and less than a test's own timeout."""


def until(condition: Callable[[], object]) -> None:
    """Return when it holds. Raises `AssertionError` when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)
