"""The bytes of files inside PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from convex_nb.engine.postgres.upkeep import STAGED_DAYS
from convex_nb.language.errors import ReadOnlyError

if TYPE_CHECKING:
    from convex_nb.engine.postgres.store import PostgresStore

_LISTED: Final = 256


class PostgresChunks:
    """Chunks in a table of their own, which all kernels read, write and delete."""

    def __init__(self, store: PostgresStore, *, read_only: bool = False) -> None:
        self._store = store
        self._read_only = read_only

    def find(self, number: int, place: int) -> bytes | None:
        rows = self._store.execute(
            "read a file",
            "select data from convex_nb_file where number = %s and place = %s",
            (number, place),
            binary=True,
        )
        return bytes(rows[0][0]) if rows else None

    def write(self, number: int, place: int, data: bytes) -> None:
        if self._read_only:
            raise ReadOnlyError(f"{self._store.address.text} was opened with `read_only=True`: no file was stored.")
        # Twice is once: it may have arrived before its connection was lost.
        self._store.execute(
            "store a file",
            "insert into convex_nb_file (number, place, data) values (%s, %s, %s) on conflict do nothing",
            (number, place, data),
        )

    def delete(self, number: int) -> bool:
        if not self._read_only:
            self._store.execute("delete the bytes of a file", "delete from convex_nb_file where number = %s", (number,))
        return True

    def numbers(self, after: int | None) -> list[int]:
        """Those that are old enough: what is younger another kernel may be about to commit."""
        if self._read_only:
            return []
        rows = self._store.execute(
            "list the files",
            "select number from convex_nb_file where number > %s "
            "and place = 0 and written < now() - make_interval(days => %s) order by number limit %s",
            (-1 if after is None else after, STAGED_DAYS, _LISTED),
        )
        return [number for (number,) in rows]

    def left_behind(self) -> PostgresChunks:
        """The same over a connection of its own, which lasts until it is closed."""
        from convex_nb.engine.postgres.postgres_errors import talking
        from convex_nb.engine.postgres.store import PostgresStore

        address = self._store.address
        with talking(address, "go on reading files"):
            return PostgresChunks(PostgresStore(address, address.connect()), read_only=True)

    def close(self) -> None:
        self._store.close()
