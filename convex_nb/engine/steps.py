"""Long work in steps: a generator that may be left at any ``yield`` and gone on with later."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""Each ``next`` does a step: some milliseconds, however large the whole is."""

ROWS = 49_152
"""Rows of a step that has whole columns of them done at once: a tenth of a microsecond each."""
SLOW_ROWS = 4096
"""Rows of a step in which Python looks at every value: some microseconds each."""
BYTES = 8 << 20
"""Bytes that a step copies, about: where rows are long it has fewer of them."""


def rows_per_step(rows: int, nbytes: int) -> int:
    """How many of ``rows`` rows that take ``nbytes`` in all one step may have."""
    return max(1, min(ROWS, BYTES * rows // max(nbytes, 1)))


def finished(steps: Steps[T]) -> T:
    """Everything at once: what the steps return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
