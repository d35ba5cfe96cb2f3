"""The rows of a deployment in PostgreSQL: its root, its log, and the chunks of blobs, over one connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.postgres.address import driver
from convex_nb.engine.postgres.postgres_errors import talking
from convex_nb.engine.wal.rows import Blob, Record
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.language.errors import DeploymentClosedError

if TYPE_CHECKING:
    import psycopg

    from convex_nb.engine.postgres.address import Address

_PAGE: Final = 500


class PostgresStore:
    """What a `StorageFile` is for a file. Any thread may use it; one at a time does.

    A connection that was lost is made anew, unless there is something that it stands for: ``lasts``.
    """

    def __init__(self, address: Address, connection: psycopg.Connection[Any], *, lasts: bool = True) -> None:
        self.address = address
        self._connection = connection
        self.lasts = lasts
        self._is_closed = False
        self._lock = threading.RLock()

    @contextmanager
    def connected(self, purpose: str) -> Iterator[psycopg.Connection[Any]]:
        """The connection, for this thread alone until this ends. Raises ``StorageError``."""
        with self._lock:
            if self._is_closed:
                raise DeploymentClosedError(f"The deployment in {self.address.text} was closed.")
            with talking(self.address, purpose):
                if self._connection.closed and self.lasts:
                    self._connection = self.address.connect()
                yield self._connection

    def execute(
        self, purpose: str, statement: str, parameters: Sequence[Any] = (), *, binary: bool = False
    ) -> list[tuple[Any, ...]]:
        """The rows of one statement, which may be run twice where the connection is lost. Raises ``StorageError``."""
        with self.connected(purpose):
            try:
                return self._rows(statement, parameters, binary)
            except driver().OperationalError:
                if not self._connection.closed or not self.lasts:
                    raise
        # That it was lost meanwhile is not known before somebody tries.
        with self.connected(purpose):
            return self._rows(statement, parameters, binary)

    def _rows(self, statement: str, parameters: Sequence[Any], binary: bool) -> list[tuple[Any, ...]]:
        with self._connection.cursor(binary=binary) as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self, purpose: str) -> Iterator[None]:
        """Everything inside is durable when this ends, or nothing is. Raises ``StorageError``."""
        if self.lasts:
            self.execute(purpose, "select 1")
        with self.connected(purpose) as connection, connection.transaction():
            yield

    @contextmanager
    def one_state(self) -> Iterator[None]:
        """What is read inside is all of one moment, whoever writes meanwhile."""
        with self.connected("read") as connection, connection.transaction():
            connection.execute("set transaction isolation level repeatable read read only")
            yield

    # -- reading -----------------------------------------------------------------------------------------------

    def read_name(self) -> None:
        """Nothing: PostgreSQL's rows are its own."""

    def read_root(self) -> dict[str, Any]:
        """Where everything begins."""
        rows = self.execute("read", "select data from convex_nb_root")
        if not rows:
            raise DamagedError("the root")
        root: dict[str, Any] = json.loads(rows[0][0])
        return root

    def records(self, after: int) -> Iterator[Record]:
        """The log after position ``after``, in order. Raises `DamagedError` where a record is missing."""
        while True:
            rows = self.execute(
                "read the log",
                "select position, timestamp, data from convex_nb_log where position > %s order by position limit %s",
                (after, _PAGE),
                binary=True,
            )
            for position, timestamp, data in rows:
                if position != after + 1:
                    raise DamagedError(f"the log without its record {after + 1}")
                yield Record(position, timestamp, data)
                after = position
            if len(rows) < _PAGE:
                return

    def chunks(self, blob: Blob) -> Iterator[bytes]:
        """The chunks of a blob, in order. Raises `DamagedError` where one is missing."""
        for place in range(blob.chunks):
            rows = self.execute(
                "read",
                "select data from convex_nb_chunk where number = %s and place = %s",
                (blob.number, place),
                binary=True,
            )
            if not rows:
                raise DamagedError(f"a blob without its chunk {place + 1} of {blob.chunks}")
            yield rows[0][0]

    def last_blob(self) -> int:
        """Numbers of blobs are given by the server: see `SharedCopies`."""
        return 0

    # -- writing, inside a transaction ---------------------------------------------------------------------------

    def write_root(self, root: Mapping[str, Any]) -> None:
        """Replace the root."""
        self._connection.execute("update convex_nb_root set data = %s", (json.dumps(root),))

    def write_chunk(self, number: int, place: int, data: bytes) -> None:
        """Write a chunk of a blob."""
        self._connection.execute(
            "insert into convex_nb_chunk (number, place, data) values (%s, %s, %s)", (number, place, data)
        )

    def close(self) -> None:
        """Close the connection. Twice is fine."""
        with self._lock:
            self._is_closed = True
            self._connection.close()

    def leave(self) -> None:
        """In a forked child: the connection is the parent's, and so may the lock be."""
        self._is_closed = True
        self._lock = threading.RLock()
