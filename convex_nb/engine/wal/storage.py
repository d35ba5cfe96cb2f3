"""What keeps the rows of a database: a file, or a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from convex_nb.engine.wal.rows import Blob, Record


class Storage(Protocol):
    """Rows of bytes: a root where everything begins, a log of records, and blobs in chunks.

    What does not verify, or is not there, is a `DamagedError`.
    """

    def read_name(self) -> None:
        """Learn what distinguishes this place's rows from those of another one, where that is needed."""
        ...

    def read_root(self) -> dict[str, Any]:
        """Where everything begins."""
        ...

    def records(self, after: int) -> Iterable[Record]:
        """The log after a position, in order."""
        ...

    def chunks(self, blob: Blob) -> Iterable[bytes]:
        """The chunks of a blob, in order."""
        ...

    def last_blob(self) -> int:
        """The greatest number of a blob; 0 where there is none."""
        ...

    def transaction(self, purpose: str) -> AbstractContextManager[None]:
        """Everything written inside is durable when this ends, or nothing is. Raises ``StorageError``."""
        ...

    def write_root(self, root: Mapping[str, Any]) -> None:
        """Replace the root, inside a transaction."""
        ...

    def write_chunk(self, number: int, place: int, data: bytes) -> None:
        """Write a chunk of a blob, inside a transaction."""
        ...
