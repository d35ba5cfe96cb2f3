"""The rows of a durable file: bytes with checksums, found by their keys, read only whole and verified.

Three tables. ``root`` has one row, where everything begins. ``log`` has the commits by position. ``chunk`` has what is
larger: a blob is a run of chunks of about a megabyte under consecutive keys. What the bytes mean is told elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
import threading
import weakref
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

from convex_nb.engine.wal.storage_errors import DamagedError, reading

CHUNK_BYTES: Final = 1 << 20
"""Rows are cut so that none is much longer: a commit that waits for one to be written waits milliseconds."""
MOST_CHUNKS: Final = 1 << 20
"""Of one blob: the keys of its chunks begin at its number times this."""
TABLES: Final = (
    "CREATE TABLE root (id integer primary key, crc integer, data blob)",
    "CREATE TABLE log (position integer primary key, timestamp integer, crc integer, data blob)",
    "CREATE TABLE chunk (key integer primary key, crc integer, data blob)",
)

_KEYS = struct.Struct("<Bqq")
_ROOT, _LOG, _CHUNK = range(3)


class Blob(NamedTuple):
    """Where something larger is kept: its number, which no other blob ever had, and in how many chunks."""

    number: int
    chunks: int


class Record(NamedTuple):
    """A row of the log."""

    position: int
    timestamp: int
    data: bytes


class Rows:
    """Reading and writing rows on a connection, which one thread at a time uses: the one that has the lock.

    What reads takes the lock itself, for each row anew. Who writes has it already, with a transaction open.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """``path`` is where errors say that they happened."""
        self.path = path
        self.lock = threading.Lock()
        self._connection = connection
        # One for all appends: the connection would make one for each, and keep a reference to it.
        self._cursor = connection.cursor()
        self._open_cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        self._seed = 0
        self._unfolded = 0

    # -- reading -----------------------------------------------------------------------------------------------

    def read_root(self) -> dict[str, Any]:
        """Where everything begins. Raises `DamagedError`."""
        with self.lock, reading(self.path):
            rows = self._connection.execute("select crc, data from root where id = 1").fetchall()
        if not rows:
            raise DamagedError("the root")
        self._seed = 0
        ((crc, data),) = rows
        root: dict[str, Any] = json.loads(self._verified(_ROOT, 1, 0, crc, data, "the root"))
        # Rows of another file, brought in by a sidecar that is not this file's own, do not verify.
        self._seed = crc32(root["file"].encode())
        return root

    def read_name(self) -> None:
        """Learn the file's own name from its other place, since the root may be damaged. Raises `DamagedError`."""
        self._seed = 0
        name = self.chunk(0, 0)
        if name is None:
            raise DamagedError("the name of the file")
        self._seed = crc32(name)

    def records(self, after: int) -> Iterator[Record]:
        """The log after position ``after``, in order. Raises `DamagedError` at a record that is damaged or missing."""
        with reading(self.path):
            rows = self._iterate(
                "select position, timestamp, crc, data from log where position > ? order by position", after
            )
            for expected, (position, timestamp, crc, data) in enumerate(rows, after + 1):
                if position != expected:
                    raise DamagedError(f"the log without its record {expected}")
                yield self._record(position, timestamp, crc, data)

    def record(self, position: int) -> Record | None:
        """One record of the log, if it is there. Raises `DamagedError`."""
        with self.lock, reading(self.path):
            row = self._connection.execute(
                "select position, timestamp, crc, data from log where position = ?", (position,)
            ).fetchone()
        return None if row is None else self._record(*row)

    def _record(self, position: int, timestamp: Any, crc: Any, data: Any) -> Record:
        what = f"record {position} of the log"
        if type(timestamp) is not int:
            raise DamagedError(what)
        return Record(position, timestamp, self._verified(_LOG, position, timestamp, crc, data, what))

    def chunks(self, blob: Blob) -> Iterator[bytes]:
        """The chunks of a blob, in order. Raises `DamagedError` at one that is damaged or missing."""
        first = blob.number * MOST_CHUNKS
        count = 0
        with reading(self.path):
            rows = self._iterate(
                "select key, crc, data from chunk where key >= ? and key < ? order by key", first, first + MOST_CHUNKS
            )
            for count, (key, crc, data) in enumerate(rows, 1):
                if key != first + count - 1 or count > blob.chunks:
                    raise DamagedError(f"chunk {count} of {blob.chunks}")
                yield self._verified(_CHUNK, key, 0, crc, data, f"chunk {count} of {blob.chunks}")
        if count != blob.chunks:
            raise DamagedError(f"a blob without its chunk {count + 1} of {blob.chunks}")

    def chunk(self, number: int, place: int) -> bytes | None:
        """One chunk of a blob, if it is there. Raises `DamagedError`."""
        with self.lock:
            return self._chunk(number * MOST_CHUNKS + place)

    def _chunk(self, key: int) -> bytes | None:
        with reading(self.path):
            row = self._connection.execute("select crc, data from chunk where key = ?", (key,)).fetchone()
        if row is None:
            return None
        crc, data = row
        return self._verified(_CHUNK, key, 0, crc, data, f"chunk {key % MOST_CHUNKS + 1}")

    def _iterate(self, sql: str, *parameters: int) -> Iterator[tuple[Any, ...]]:
        with self.lock:
            cursor = self._connection.execute(sql, parameters)
            self._open_cursors.add(cursor)
        while True:
            # Not even closing may come in between: Python does not survive that a cursor is closed while it is read.
            with self.lock:
                row = cursor.fetchone()
            if row is None:
                return
            yield row

    def _close_connection(self) -> None:
        # A reader may be in the middle, as the traceback of an error keeps it. Since Python 3.12 the file would stay
        # open until that is gone, with its sidecars.
        self._cursor.close()
        with contextlib.suppress(KeyError):
            while True:
                self._open_cursors.pop().close()
        self._connection.close()

    def _verified(self, kind: int, key: int, second: int, crc: Any, data: Any, what: str) -> bytes:
        if type(data) is not bytes or crc != crc32(data, crc32(_KEYS.pack(kind, key, second), self._seed)):
            raise DamagedError(what)
        return data

    # -- writing -----------------------------------------------------------------------------------------------

    def write_record(self, record: Record) -> None:
        """Add a row to the log, inside a transaction or as one: a statement by itself is one."""
        position, timestamp, data = record
        crc = crc32(data, crc32(_KEYS.pack(_LOG, position, timestamp), self._seed))
        self._cursor.execute("insert into log values (?, ?, ?, ?)", (position, timestamp, crc, data))
        self._unfolded += len(data)

    def write_root(self, root: Mapping[str, Any]) -> None:
        """Replace the root, inside a transaction. Its ``file`` is the file's own name, the same for ever."""
        data = json.dumps(root).encode()
        crc = crc32(data, crc32(_KEYS.pack(_ROOT, 1, 0), 0))
        self._connection.execute("insert or replace into root values (1, ?, ?)", (crc, data))
        self._seed = crc32(root["file"].encode())

    def write_first_root(self, root: Mapping[str, Any]) -> None:
        """Write the root of a new file, and its name once more: without it, nothing else verifies."""
        self._seed = 0
        self.write_chunk(0, 0, root["file"].encode())
        self.write_root(root)

    def write_chunk(self, number: int, place: int, data: bytes) -> None:
        """Write a chunk of a blob, inside a transaction."""
        key = number * MOST_CHUNKS + place
        crc = crc32(data, crc32(_KEYS.pack(_CHUNK, key, 0), self._seed))
        self._connection.execute("insert into chunk values (?, ?, ?)", (key, crc, data))
        self._unfolded += len(data)

    def delete_records(self, upto: int) -> bool:
        """Delete some records up to a position, oldest first, inside a transaction; whether that was all."""
        rows = self._connection.execute(
            "select position, length(data) from log where position <= ? order by position limit 1000", (upto,)
        ).fetchall()
        totals = accumulate([length for _, length in rows])
        enough = [position for (position, _), total in zip(rows, totals, strict=True) if total >= CHUNK_BYTES]
        last: int = enough[0] if enough else rows[-1][0] if rows else upto
        self._connection.execute("delete from log where position <= ?", (last,))
        return last >= upto

    def delete_blob(self, number: int, *, verified: bool = False) -> bool:
        """Delete some chunks of a blob, last first, inside a transaction; whether that was all.

        With ``verified`` only after they have been: raises `DamagedError`.
        """
        first = number * MOST_CHUNKS
        last = self._connection.execute(
            "select key from chunk where key >= ? and key < ? order by key desc limit 5", (first, first + MOST_CHUNKS)
        ).fetchall()
        for (key,) in last[:4]:
            if verified:
                self._chunk(key)
            self._connection.execute("delete from chunk where key = ?", (key,))
        return len(last) <= 4
