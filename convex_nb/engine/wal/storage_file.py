"""The SQLite file of a durable database: rows of bytes with checksums, changed in transactions that survive a crash.

Three tables. ``root`` has one row, where everything begins. ``log`` has the commits by position. ``chunk`` has what is
larger: a blob is a run of chunks of about a megabyte under consecutive keys. What the bytes mean is told elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from time import monotonic
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from zlib import crc32

from convex_nb.engine.wal.connections import checkpoint, clear_away, connect
from convex_nb.engine.wal.disk import fill, sidecar, size_of_file, sync, sync_folder
from convex_nb.engine.wal.pages import ROOT_PAGES, is_sound, verify_pages
from convex_nb.engine.wal.storage_errors import DamagedError, reading, writing
from convex_nb.engine.wal.upgrades import UPGRADES
from convex_nb.language.errors import DeploymentClosedError, StorageError

Durability: TypeAlias = Literal["full", "relaxed"]
"""``full``: a commit is acknowledged when it is on the disk. ``relaxed``: a power cut may take the last ones."""

APPLICATION_ID: Final = 0x434E4244
FORMAT: Final = 1
"""The version of what this file describes. A newer file is refused, an older one goes through ``upgrades``."""
PAGE_BYTES: Final = 4096
"""The pages of a new file. A commit writes the log's last one again; one of 16 kB would cost it a fifth more."""
CHUNK_BYTES: Final = 1 << 20
"""Rows are cut so that none is much longer: a commit that waits for one to be written waits milliseconds."""
SIDECAR_BYTES: Final = 4 << 20
"""SQLite's sidecar is folded into the file when it has grown beyond this."""

LOOK_SECONDS: Final = 0.01
"""A file that was moved or deleted while it is open is noticed after this at the latest."""

_MOST_CHUNKS = 1 << 20
_KEYS = struct.Struct("<Bqq")
_ROOT, _LOG, _CHUNK = range(3)
_TABLES: Final = (
    "CREATE TABLE root (id integer primary key, crc integer, data blob)",
    "CREATE TABLE log (position integer primary key, timestamp integer, crc integer, data blob)",
    "CREATE TABLE chunk (key integer primary key, crc integer, data blob)",
)


class Blob(NamedTuple):
    """Where something larger is kept: its number, which no other blob ever had, and in how many chunks."""

    number: int
    chunks: int


class Record(NamedTuple):
    """A row of the log."""

    position: int
    timestamp: int
    data: bytes


def nothing(point: str) -> None:
    """What happens at the named points of a write, unless a test brings a crash there."""


class StorageFile:
    """One open file. A lock lets one thread at a time write; a row is read only whole and verified."""

    def __init__(self, path: Path, connection: sqlite3.Connection, reached: Callable[[str], None] = nothing) -> None:
        """Of an open connection; ``build``, ``open`` and ``open_read_only`` are the ways to get one."""
        self.path = path
        self.reached = reached
        self.lock = threading.Lock()
        self._folding = threading.Lock()
        self._connection = connection
        # One for all appends: the connection would make one for each, and keep a reference to it.
        self._cursor = connection.cursor()
        self._folder: sqlite3.Connection | None = None
        self._seed = 0
        self._open = True
        self._place: tuple[str, str, int, int] | None = None
        self._look_again = 0.0
        _files.add(self)
        self._unfolded = 0
        self._only_reads = False

    # -- opening -----------------------------------------------------------------------------------------------

    @classmethod
    def build(cls, path: Path, reached: Callable[[str], None] = nothing) -> StorageFile:
        """A new file under a temporary name: written without care, since a crash leaves nothing of it."""
        with writing(path, "create it"):
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            file = cls(path, connection, reached)
            try:
                connection.execute(f"pragma page_size={PAGE_BYTES}")
                connection.execute("pragma auto_vacuum=incremental")
                connection.execute("pragma journal_mode=off")
                connection.execute("pragma synchronous=off")
                connection.execute(f"pragma application_id={APPLICATION_ID}")
                connection.execute(f"pragma user_version={FORMAT}")
                for table in _TABLES:
                    connection.execute(table)
            except BaseException:
                file.close()
                raise
        return file

    def finish(self, path: Path) -> None:
        """Give a built file its name, complete and on the disk. What has that name already is refused."""
        self._connection.execute("pragma journal_mode=wal")
        self.close()
        sync(self.path)
        self.reached("file: built")
        if path.exists():
            raise StorageError(f"{path} came into being meanwhile, and was left as it is.", path=str(path))
        self.path.rename(path)
        self.reached("file: named")
        sync_folder(path)

    @classmethod
    def open(cls, path: Path, durability: Durability, reached: Callable[[str], None] = nothing) -> StorageFile:
        """Open a file for writing. Raises `DamagedError` where SQLite's own structure is broken, and `StorageError`."""
        # Before the file is open: to close it a second time would make SQLite lose its locks.
        sound = is_sound(path)
        with reading(path):
            file = cls(path, connect(path, "rw"), reached)
            try:
                file._prepare(durability, sound=sound)
            except BaseException:
                file.close()
                raise
        return file

    def _prepare(self, durability: Durability, *, sound: bool) -> None:
        connection = self._connection
        connection.execute("pragma journal_mode=wal")
        connection.execute(f"pragma synchronous={'full' if durability == 'full' else 'normal'}")
        # Apple's disks acknowledge before they have written, unless they are asked like this.
        connection.execute("pragma fullfsync=on")
        # Maintenance folds the sidecar in small pieces; this is for a database that has none.
        connection.execute(f"pragma wal_autocheckpoint={(64 << 20) // PAGE_BYTES}")
        verify_pages(connection, *(("root", "log") if sound else ()))
        self._upgrade()
        self._verify_tables()
        self._folder = connect(self.path, "rw")
        self._folder.execute("pragma checkpoint_fullfsync=on")
        self._folder.execute("select count(*) from root").fetchone()
        known = self.path.stat()
        self._place = str(self.path), str(sidecar(self.path)), known.st_dev, known.st_ino
        if durability == "full":
            fill(sidecar(self.path), SIDECAR_BYTES + (2 << 20))

    @classmethod
    def open_read_only(cls, path: Path, *, verify: bool = True) -> StorageFile:
        """Open a file at one consistent state beside whoever writes it, until ``close``. Raises like ``open``.

        Without ``verify`` it is enough that SQLite can begin to read.
        """
        # In a folder that cannot be written there is no place for SQLite's sidecars. Nor is there a writer, then.
        alone = not os.access(path.parent, os.W_OK) and not size_of_file(sidecar(path))
        with reading(path):
            file = cls(path, connect(path, "ro&immutable=1" if alone else "ro"))
            file._only_reads = not alone
            try:
                file._connection.execute("begin")
                file._verify_tables()
                if verify:
                    # Nothing is written, and a chunk is found by its key and verified, whatever it lies among.
                    verify_pages(file._connection, "root", "log")
            except BaseException:
                file.close()
                raise
        return file

    def _upgrade(self) -> None:
        (version,) = self._connection.execute("pragma user_version").fetchone()
        for older in range(version, FORMAT):
            with self.transaction("bring it up to date"):
                UPGRADES[older](self._connection)
                self._connection.execute(f"pragma user_version={older + 1}")

    def _verify_tables(self) -> None:
        shape = self._connection.execute("select sql, rootpage from sqlite_schema order by rowid").fetchall()
        if shape != list(zip(_TABLES, ROOT_PAGES, strict=True)):
            raise DamagedError("SQLite's list of tables")

    # -- reading -----------------------------------------------------------------------------------------------

    def read_root(self) -> dict[str, Any]:
        """Where everything begins. Raises `DamagedError`."""
        with reading(self.path):
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
            rows = self._connection.execute(
                "select position, timestamp, crc, data from log where position > ? order by position", (after,)
            )
            for expected, (position, timestamp, crc, data) in enumerate(rows, after + 1):
                if position != expected:
                    raise DamagedError(f"the log without its record {expected}")
                yield self._record(position, timestamp, crc, data)

    def record(self, position: int) -> Record | None:
        """One record of the log, if it is there. Raises `DamagedError`."""
        with reading(self.path):
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
        first = blob.number * _MOST_CHUNKS
        count = 0
        with reading(self.path):
            rows = self._connection.execute(
                "select key, crc, data from chunk where key >= ? and key < ? order by key",
                (first, first + _MOST_CHUNKS),
            )
            for count, (key, crc, data) in enumerate(rows, 1):
                if key != first + count - 1 or count > blob.chunks:
                    raise DamagedError(f"chunk {count} of {blob.chunks}")
                yield self._verified(_CHUNK, key, 0, crc, data, f"chunk {count} of {blob.chunks}")
        if count != blob.chunks:
            raise DamagedError(f"a blob without its chunk {count + 1} of {blob.chunks}")

    def chunk(self, number: int, place: int) -> bytes | None:
        """One chunk of a blob, if it is there. Raises `DamagedError`."""
        key = number * _MOST_CHUNKS + place
        with reading(self.path):
            row = self._connection.execute("select crc, data from chunk where key = ?", (key,)).fetchone()
        if row is None:
            return None
        crc, data = row
        return self._verified(_CHUNK, key, 0, crc, data, f"chunk {place + 1}")

    def _verified(self, kind: int, key: int, second: int, crc: Any, data: Any, what: str) -> bytes:
        if type(data) is not bytes or crc != crc32(data, crc32(_KEYS.pack(kind, key, second), self._seed)):
            raise DamagedError(what)
        return data

    def last_position(self) -> int:
        """The position of the newest record; 0 for an empty log."""
        with self.lock:
            return self._number("select coalesce(max(position), 0) from log")

    def first_position(self) -> int:
        """The position of the oldest record; 1 for an empty log."""
        with self.lock:
            return self._number("select coalesce(min(position), 1) from log")

    def last_blob(self) -> int:
        """The greatest number of a blob; 0 where there is none."""
        with self.lock:
            return self._number("select coalesce(max(key), 0) from chunk") // _MOST_CHUNKS

    def blobs(self) -> list[int]:
        """The numbers of all blobs, complete or not. Costs O(blobs x log chunks)."""
        numbers: list[int] = []
        key = _MOST_CHUNKS
        while True:
            with self.lock:
                key = self._number("select coalesce(min(key), -1) from chunk where key >= ?", key)
            if key < 0:
                return numbers
            numbers.append(key // _MOST_CHUNKS)
            key = (numbers[-1] + 1) * _MOST_CHUNKS

    def _number(self, sql: str, *parameters: int) -> int:
        self._check_open()
        with reading(self.path):
            (number,) = self._connection.execute(sql, parameters).fetchone()
        return int(number)

    # -- writing -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self, purpose: str) -> Iterator[None]:
        """Everything inside is on the disk when this ends, or nothing is. Raises `StorageError`.

        ``purpose`` ends the sentence "could not ...".
        """
        with self.lock, writing(self.path, purpose):
            self._check_open()
            self._check_place(purpose)
            try:
                self._connection.execute("begin immediate")
                yield
                self.reached(f"{purpose}: written")
                self._connection.execute("commit")
            except BaseException:
                self._roll_back()
                raise
            self._unfolded += PAGE_BYTES
            self.reached(f"{purpose}: durable")

    def append(self, records: Sequence[Record]) -> None:
        """Append to the log in a transaction: spelled out, because every commit waits for it."""
        execute = self._cursor.execute
        # A statement by itself is a transaction, for half of what beginning and ending one costs.
        alone = len(records) == 1
        with self.lock:
            self._check_open()
            self._check_place("commit")
            try:
                if alone:
                    self.reached("commit: written")
                else:
                    execute("begin immediate")
                for position, timestamp, data in records:
                    crc = crc32(data, crc32(_KEYS.pack(_LOG, position, timestamp), self._seed))
                    execute("insert into log values (?, ?, ?, ?)", (position, timestamp, crc, data))
                    self._unfolded += len(data)
                if not alone:
                    self.reached("commit: written")
                    execute("commit")
                self._unfolded += PAGE_BYTES
                self.reached("commit: durable")
            except BaseException:
                self._roll_back()
                with writing(self.path, "commit"):
                    raise

    def _roll_back(self) -> None:
        # SQLite has done so by itself after some errors; and where the disk is gone there is nothing to be done.
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("rollback")

    def _check_place(self, purpose: str) -> None:
        """What is written now can be found later: the file is still the one that its path leads to."""
        # A function that runs sees a clock of its own, which may be far from what was noted.
        if self._place is None or 0 < self._look_again - (now := monotonic()) <= LOOK_SECONDS:
            return
        path, beside, device, number = self._place
        try:
            found = os.stat(path)  # noqa: PTH116 (a commit waits for it)
            there = found.st_ino == number and found.st_dev == device
        except OSError:
            there = False
        # To ask when a file was changed makes Linux note the time of its next change: a third more for a commit.
        if not there or not os.access(beside, os.F_OK):
            raise StorageError(
                f"Could not {purpose}: {self.path} or its sidecar was moved, deleted or replaced while it was open. "
                "Nothing was written. What is in memory can still be read, and `save(path)` writes it to a new file.",
                path=str(self.path),
            )
        self._look_again = now + LOOK_SECONDS

    def _check_open(self) -> None:
        if not self._open:
            raise DeploymentClosedError(f"{self.path} was closed, or belongs to the process that this one came from.")

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
        key = number * _MOST_CHUNKS + place
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
        first = number * _MOST_CHUNKS
        last = self._connection.execute(
            "select key from chunk where key >= ? and key < ? order by key desc limit 5", (first, first + _MOST_CHUNKS)
        ).fetchall()
        for (key,) in last[:4]:
            if verified:
                self.chunk(number, key - first)
            self._connection.execute("delete from chunk where key = ?", (key,))
        return len(last) <= 4

    def pages(self) -> tuple[int, int]:
        """How many pages the file has, and how many of them are free."""
        with self.lock:
            return self._number("pragma page_count"), self._number("pragma freelist_count")

    def page_bytes(self) -> int:
        """How large its pages are: those of an older file may be larger than ``PAGE_BYTES``."""
        with self.lock:
            return self._number("pragma page_size")

    def give_back(self, pages: int) -> None:
        """Make the file smaller by up to so many free pages, inside a transaction."""
        self._unfolded += pages * PAGE_BYTES
        for _ in range(pages):
            # It gives a row without columns for each page, after the first of which Python stops.
            self._connection.execute("pragma incremental_vacuum(1)")

    def fold(self) -> bool:
        """Copy what SQLite's sidecar holds into the file, if that is much; whether it did.

        Most of it goes on beside commits. They wait for the rest, what came meanwhile, so that the sidecar begins anew.
        """
        # Held for as long as the second connection is in use: SQLite does not survive that it is closed meanwhile.
        with self._folding:
            folder = self._folder
            if folder is None or self._unfolded <= SIDECAR_BYTES:
                return False
            with writing(self.path, "fold its sidecar"):
                checkpoint(folder)
                with self.lock:
                    self._unfolded = 0
                    checkpoint(self._connection)
            self.reached("file: folded")
            return True

    def sync(self) -> None:
        """What was built so far is on the disk, so that finishing takes less long."""
        sync(self.path)

    def close(self) -> None:
        """Fold the sidecar and close. Twice is fine."""
        if self._open:
            with self._folding, self.lock:
                self._open = False
                self._roll_back()
                for connection in (self._folder, self._connection):
                    if connection is not None:
                        connection.close()
                self._folder = None
                if self._only_reads:
                    clear_away(self.path)

    def leave(self) -> None:
        """In a forked child: the file is the parent's. SQLite's locks do not survive that somebody else uses it."""
        self._open = False


_files: weakref.WeakSet[StorageFile] = weakref.WeakSet()


def _forked() -> None:
    for file in list(_files):
        file.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
