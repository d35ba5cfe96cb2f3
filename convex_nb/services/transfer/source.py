"""Rows to import, from wherever they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import pyarrow

    Batch: TypeAlias = pyarrow.Table | list[Mapping[str, Any]]

BATCH_ROWS = 65_536
"""About so many rows are imported at a time."""


class StartAgain(Exception):  # noqa: N818 (nothing is wrong)
    """A later row shows that earlier ones were misread: ask for all batches once more."""


class Source(Protocol):
    """Rows, as batches of columns or of dicts, from the first one each time that they are asked for."""

    @property
    def total(self) -> int:
        """How many rows there are; 0 where that is not known before they are read."""
        ...

    def batches(self) -> Iterator[Batch]:
        """The rows, in order. Raises `InvalidValueError` for what cannot be read, and `StartAgain`."""
        ...

    def settle(self) -> None:
        """Look at all rows, so that `batches` will not raise `StartAgain`."""
        ...

    def place(self, row: int) -> str:
        """Where a row is, for people: `row 3`, `line 5 of trips.csv`."""
        ...


class RowByRow:
    """What the sources have in common in which no row says how others are to be read."""

    total: int = 0
    """Those that know better say so."""

    def settle(self) -> None:
        """Nothing: what a row means depends on no other."""
