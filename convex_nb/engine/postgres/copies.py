"""Which objects in memory the server has a copy of, where others write and delete blobs as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convex_nb.engine.wal.checkpoint import Copies

if TYPE_CHECKING:
    from convex_nb.engine.postgres.store import PostgresStore


class SharedCopies(Copies):
    """Copies whose numbers the server gives out, so that no two kernels have the same."""

    def __init__(self, store: PostgresStore) -> None:
        super().__init__(0)
        self._store = store

    def new_number(self) -> int:
        ((number,),) = self._store.execute("write", "select nextval('convex_nb_blob')")
        return int(number)

    def keep(self, numbers: set[int]) -> None:
        """Only these blobs are still there: others may have deleted some."""
        self.forget(set(self._things) - numbers)
