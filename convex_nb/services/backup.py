"""Backups: durable files of one moment's state, written while commits go on, verified, and put back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.database import Database
from convex_nb.engine.postgres.address import refuse_address
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.system_tables import is_system_table
from convex_nb.engine.table import TableState
from convex_nb.engine.wal.opening import open_database, save_database
from convex_nb.language.errors import StorageCorruptError, StorageError
from convex_nb.language.qualified_names import local_name
from convex_nb.services.files.incoming import SnapshotFiles
from convex_nb.services.targets import target
from convex_nb.services.transfer.exported_fields import pages
from convex_nb.services.transfer.source import RowByRow
from convex_nb.services.transfer.tables_import import Content, import_content

if TYPE_CHECKING:
    from convex_nb.engine.files.file_store import FileStore
    from convex_nb.services.transfer.source import Batch

_NAME: Final = re.compile(r"backup_(?P<time>[0-9]{16,20})\.convex")


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup that verifies holds."""

    path: Path
    timestamp: int
    """The commit whose state it is, nanoseconds since the epoch."""
    documents: Mapping[str, int]
    """How many documents each table has."""


def copied_database(database: Database, left_out: frozenset[str] = frozenset()) -> Database:
    """A database in memory that begins at the newest commit of another, and shares it all. Costs O(tables).

    `left_out` are system tables, the application's and those of components, that it does not have.
    """
    head = database.head
    tables = {
        name: TableState(name, state.number, state.definition, state.indexes, state.parts, state.live)
        for name, state in head.tables.items()
        if local_name(name) not in left_out
    }
    copied = Database(
        clock=database.clock,
        limits=database.limits,
        random_bytes=database.random_bytes,
        retention=database.history.retention,
        first=Snapshot(head.timestamp, tables, head.catalog, head.dropped),
        creation_time=database.mint.last_creation_time,
    )
    for number, name in database.table_names.items():
        copied.register.remember(name, number)
    database.files.share_with(copied)
    return copied


def write_backup(database: Database, path: str | PathLike[str]) -> Path:
    """Write everything as of now to a new durable file, or in a folder to `backup_<time>.convex`, nanoseconds.

    It has its name once it is complete; commits go on meanwhile and wait for nothing. Raises `StorageExistsError` and
    `StorageError`.
    """
    copied = copied_database(database)
    place = target(path, f"backup_{database.clock.now_ns()}.convex")
    try:
        save_database(copied, place)
    finally:
        copied.close()
    return place


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[Database]:
    database = open_database(Path(path).expanduser(), read_only=True)
    try:
        yield database
    finally:
        database.close()


def verify_backup(path: str | PathLike[str]) -> BackupReport:
    """Open a backup beside whoever uses it, read every document and check every index of it.

    Raises `StorageError` and `StorageCorruptError`.
    """
    refuse_address(path, "verified")
    with _opened(path) as database:
        try:
            database.check()
        except AssertionError as error:
            raise StorageCorruptError(f"{path} opens, but is not whole: {error}", path=str(path)) from None
        head = database.head
        return BackupReport(
            Path(path),
            head.timestamp,
            {name: len(state) for name, state in sorted(head.tables.items()) if not is_system_table(name)},
        )


def backups_in(folder: str | PathLike[str]) -> list[Path]:
    """The backups that were written to a folder under their own names, oldest first."""
    found = [(match["time"], path) for path in Path(folder).iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, key=lambda pair: int(pair[0]))]


def age_of_newest(folder: str | PathLike[str], now: int) -> timedelta | None:
    """How long ago the newest backup of a folder was taken; `None` where there is none."""
    backups = backups_in(folder)
    if not backups:
        return None
    match = _NAME.fullmatch(backups[-1].name)
    assert match is not None
    return timedelta(microseconds=(now - int(match["time"])) // 1000)


def prune_backups(folder: str | PathLike[str], keep: int) -> list[Path]:
    """Delete all backups of a folder but the newest `keep`, at least one; those that were deleted."""
    gone = backups_in(folder)[: -max(keep, 1)]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


class _SnapshotTable(RowByRow):
    """The documents of a table at one commit: a `Source`."""

    def __init__(self, state: TableState) -> None:
        self._state = state
        self.total = len(state)

    def batches(self) -> Iterator[Batch]:
        for documents in pages(self._state):
            yield [dict(document) for document in documents]

    def place(self, row: int) -> str:
        return f"document {row} of {self._state.name}"

    def first_id(self) -> str | None:
        first: list[Any] = next(iter(pages(self._state)), [])
        return first[0]["_id"] if first else None


def restore_snapshot(
    database: Database, snapshot: Snapshot, files: FileStore, progress: Callable[[int, int], object]
) -> dict[str, int]:
    """Put the documents of a snapshot in place of all that there are, as one commit; how many each table has.

    Its files, whose bytes `files` has, are added where they are missing. The documents have to fit the schema in force.
    Raises `SchemaValidationError`; nothing changes then.
    """
    states = {name: state for name, state in sorted(snapshot.tables.items()) if not is_system_table(name)}
    content = Content(
        {name: _SnapshotTable(state) for name, state in states.items()},
        {name: state.number for name, state in states.items()},
        SnapshotFiles(snapshot, files),
    )
    return import_content(database, content, "replace_all", progress)


def restore_backup(
    database: Database, path: str | PathLike[str], progress: Callable[[int, int], object]
) -> dict[str, int]:
    """The same with what a backup holds. Raises the errors of opening it as well."""
    if not Path(path).expanduser().is_file():
        raise StorageError(f"There is no backup {path}: nothing was restored.", path=str(path))
    with _opened(path) as backup:
        return restore_snapshot(database, backup.head, backup.files, progress)
