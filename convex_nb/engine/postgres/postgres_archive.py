"""The past of a deployment in PostgreSQL beyond what is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convex_nb.engine.postgres.postgres_errors import talking
from convex_nb.engine.postgres.store import PostgresStore
from convex_nb.engine.wal.archive import Archive

if TYPE_CHECKING:
    from convex_nb.engine.postgres.address import Address
    from convex_nb.engine.wal.checkpoint import Copies
    from convex_nb.engine.wal.storage import Storage


class PostgresArchive(Archive):
    """Reads over a connection of its own, each time at one state of the server's."""

    def __init__(self, address: Address, name: str, copies: Copies, oldest: int) -> None:
        super().__init__(address.text, name, copies, oldest)
        self._address = address

    @contextmanager
    def _reading(self) -> Iterator[Storage]:
        with talking(self._address, "read the past"):
            store = PostgresStore(self._address, self._address.connect(), lasts=False)
        try:
            with store.one_state():
                yield store
        finally:
            store.close()
