"""The SQLite file of a durable database: rows that are changed in transactions, which survive a crash."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Final, Literal, TypeAlias

from convex_nb.engine.wal.connections import checkpoint, clear_away, connect
from convex_nb.engine.wal.disk import fill, sidecar, size_of_file, sync, sync_folder
from convex_nb.engine.wal.pages import ROOT_PAGES, is_sound, verify_pages
from convex_nb.engine.wal.rows import MOST_CHUNKS, TABLES, Record, Rows
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
SIDECAR_BYTES: Final = 4 << 20
"""SQLite's sidecar is folded into the file when it has grown beyond this."""

LOOK_SECONDS: Final = 0.01
"""A file that was moved or deleted while it is open is noticed after this at the latest."""


def nothing(point: str) -> None:
    """What happens at the named points of a write, unless a test brings a crash there."""


class StorageFile(Rows):
    """One open file. A lock lets one thread at a time use it; a row is read only whole and verified."""

    def __init__(self, path: Path, connection: sqlite3.Connection, reached: Callable[[str], None] = nothing) -> None:
        """Of an open connection; ``build``, ``open`` and ``open_read_only`` are the ways to get one."""
        super().__init__(path, connection)
        self.reached = reached
        self._folding = threading.Lock()
        self._folder: sqlite3.Connection | None = None
        self._open = True
        self._place: tuple[str, str, int, int] | None = None
        self._look_again = 0.0
        _files.add(self)
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
                for table in TABLES:
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
        if shape != list(zip(TABLES, ROOT_PAGES, strict=True)):
            raise DamagedError("SQLite's list of tables")

    # -- reading -----------------------------------------------------------------------------------------------

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
            return self._number("select coalesce(max(key), 0) from chunk") // MOST_CHUNKS

    def blobs(self) -> list[int]:
        """The numbers of all blobs, complete or not. Costs O(blobs x log chunks)."""
        numbers: list[int] = []
        key = MOST_CHUNKS
        while True:
            with self.lock:
                key = self._number("select coalesce(min(key), -1) from chunk where key >= ?", key)
            if key < 0:
                return numbers
            numbers.append(key // MOST_CHUNKS)
            key = (numbers[-1] + 1) * MOST_CHUNKS

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
        # A statement by itself is a transaction, for half of what beginning and ending one costs.
        alone = len(records) == 1
        with self.lock:
            self._check_open()
            self._check_place("commit")
            try:
                if alone:
                    self.reached("commit: written")
                else:
                    self._cursor.execute("begin immediate")
                for record in records:
                    self.write_record(record)
                if not alone:
                    self.reached("commit: written")
                    self._cursor.execute("commit")
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
                if self._folder is not None:
                    self._folder.close()
                self._close_connection()
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
