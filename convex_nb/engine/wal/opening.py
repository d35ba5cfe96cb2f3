"""Opening, creating and saving durable files."""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
from collections.abc import Callable, Generator, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.database import Database, SystemClock
from convex_nb.engine.files.moving import Move
from convex_nb.engine.files.sqlite_chunks import ReadOnlyChunks, SqliteChunks
from convex_nb.engine.history import DEFAULT_RETENTION_NS
from convex_nb.engine.steps import finished
from convex_nb.engine.wal.archive import Archive
from convex_nb.engine.wal.checkpoint import Checkpoint, Copies, write_checkpoint
from convex_nb.engine.wal.disk import remove, sidecar
from convex_nb.engine.wal.file_lock import FileLock
from convex_nb.engine.wal.milestones import Milestones
from convex_nb.engine.wal.read_only import ReadOnlyLog
from convex_nb.engine.wal.recovery import Recovery
from convex_nb.engine.wal.sidecar import breaks_off_early, has_frames
from convex_nb.engine.wal.sqlite import SqliteLog
from convex_nb.engine.wal.storage_errors import DamagedError, corrupt, refusing_damage
from convex_nb.engine.wal.storage_file import APPLICATION_ID, FORMAT, Durability, StorageFile, nothing
from convex_nb.language.errors import StorageCorruptError, StorageError, StorageExistsError, StorageVersionError

if TYPE_CHECKING:
    from convex_nb.engine.database import Clock
    from convex_nb.engine.snapshot import Snapshot

_HEADER: Final = struct.Struct(">16s2x2s40xI4xI28x")
_MAGIC: Final = b"SQLite format 3\x00"
_WAL_MODE: Final = b"\x02\x02"
"""With anything else here SQLite would not write the file, or not read it."""


def open_database(
    path: str | PathLike[str],
    *,
    durability: Durability = "full",
    read_only: bool = False,
    retention: int | None = None,
    clock: Clock | None = None,
    reached: Callable[[str], None] = nothing,
    **options: Any,
) -> Database:
    """The database of a durable file, created if absent; ``options`` are those of `Database`.

    ``retention`` becomes the file's own; without it the file's is what holds. With ``read_only`` it is the state as of
    now, beside whoever writes it. Raises ``DeploymentLockedError``, ``StorageError``, ``StorageCorruptError`` and
    ``StorageVersionError``; the file is left as it was then. Costs what reading its documents' bytes costs, and
    replaying the log. The past is not read before somebody asks for it.
    """
    place = Path(path).resolve()
    if not place.parent.is_dir():
        raise StorageError(f"There is no folder {place.parent} for {place.name}: nothing was opened.", path=str(place))
    if read_only:
        return _look_at(place, retention, clock, options)
    lock = FileLock.acquire(place)
    try:
        if not place.exists():
            _refuse_orphan(place, "opened")
            _create(place, (clock or SystemClock()).now_ns(), reached)
        return _open(place, lock, durability, retention, clock, reached, options)
    except BaseException:
        lock.release()
        raise


def _open(
    path: Path,
    lock: FileLock,
    durability: Durability,
    retention: int | None,
    clock: Clock | None,
    reached: Callable[[str], None],
    options: dict[str, Any],
) -> Database:
    _identify(path)
    if not os.access(path, os.W_OK):
        raise StorageError(
            f"{path} cannot be written: nothing was opened. Open it with `read_only=True`, or make it writable.",
            path=str(path),
        )
    if breaks_off_early(sidecar(path)) and not _is_relaxed(path):
        raise corrupt(path, f"a commit in {sidecar(path).name}, before others that do,")
    with refusing_damage(path):
        file = StorageFile.open(path, durability, reached)
        try:
            recovery = Recovery(file)
            first, creation_time = recovery.first()
            asked = {"relaxed": durability == "relaxed", "retention": recovery.retention(retention)}
            root = {**recovery.root, **asked}
            if root != recovery.root:
                with file.transaction("note how it was opened"):
                    file.write_root(root)
            database = Database(
                clock=clock, retention=asked["retention"], first=first, creation_time=creation_time, **options
            )
            recovery.replay(database)
            log = SqliteLog(
                file, lock, root, recovery.copies, recovery.milestones, recovery.entries, recovery.logged_bytes
            )
            database.committer.change_log(lambda _: log)
            database.files.chunks = SqliteChunks(file)
        except BaseException:
            file.close()
            raise
    return database


def _look_at(path: Path, retention: int | None, clock: Clock | None, options: dict[str, Any]) -> Database:
    if not path.exists():
        raise StorageError(f"There is no file {path}: nothing was opened.", path=str(path))
    # Closing a file that this process has open as well would make SQLite lose its locks.
    if not FileLock.held_here(path):
        _identify(path)
    with refusing_damage(path):
        file = StorageFile.open_read_only(path)
        try:
            recovery = Recovery(file)
            first, creation_time = recovery.first()
            kept = recovery.retention(retention)
            database = Database(clock=clock, retention=kept, first=first, creation_time=creation_time, **options)
            recovery.replay(database)
        finally:
            file.close()
    archive = Archive(path, recovery.root["file"], recovery.copies, recovery.milestones.oldest.timestamp)
    log = ReadOnlyLog(path, recovery.position, archive)
    database.committer.change_log(lambda _: log)
    database.files.chunks = ReadOnlyChunks(path)
    return database


def _identify(path: Path) -> None:
    """Refuse what is no file of ours, or of a newer version, without touching it."""
    try:
        with path.open("rb") as handle:
            header = handle.read(_HEADER.size)
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}): nothing was opened.", path=str(path)) from None
    if not header:
        raise StorageCorruptError(
            f"{path} is empty: it never was a database, or everything was cut off. Nothing was changed. Delete it to "
            "begin anew under this name.",
            path=str(path),
        )
    magic, mode, version, application = _HEADER.unpack(header) if len(header) == _HEADER.size else (b"", b"", 0, 0)
    if magic != _MAGIC or mode != _WAL_MODE or application != APPLICATION_ID or not version:
        raise StorageCorruptError(
            f"{path} is no database of convex_nb, or its first page is damaged. Nothing was changed. If it is one, "
            f'`convex_nb.repair("{path.name}", "repaired.convex")` saves what verifies.',
            path=str(path),
        )
    if version > FORMAT:
        raise StorageVersionError(
            f"{path} was written by a newer convex_nb: its format is {version}, and this one reads up to {FORMAT}. "
            "Nothing was changed. Install the newer version.",
            path=str(path),
            version=version,
            newest=FORMAT,
        )


def _is_relaxed(path: Path) -> bool:
    """Whether the file's commits were not all waited for, so that a power cut may have torn several of them."""
    try:
        file = StorageFile.open_read_only(path)
    except DamagedError:
        return False
    with contextlib.closing(file):
        try:
            return bool(file.read_root()["relaxed"])
        except DamagedError:
            return False


def _create(path: Path, timestamp: int, reached: Callable[[str], None]) -> None:
    with _building(path, reached) as file:
        with file.transaction("create it"):
            file.write_first_root(_root(timestamp, "full", DEFAULT_RETENTION_NS))
        file.finish(path)


def _root(timestamp: int, durability: Durability, retention: int) -> dict[str, Any]:
    return {
        "file": secrets.token_hex(16),
        "relaxed": durability == "relaxed",
        "retention": retention,
        **Milestones.beginning(timestamp).root(),
    }


@contextlib.contextmanager
def _building(path: Path, reached: Callable[[str], None]) -> Iterator[StorageFile]:
    """A new file that has another name until it is finished."""
    # Whoever has the lock of `path` owns this name as well: what a crash left there can go.
    unfinished = path.with_name(f"{path.name}-new")
    remove(unfinished)
    try:
        with contextlib.closing(StorageFile.build(unfinished, reached)) as file:
            yield file
    finally:
        remove(unfinished)


def save_database(
    database: Database,
    path: str | PathLike[str],
    *,
    durability: Durability = "full",
    reached: Callable[[str], None] = nothing,
) -> None:
    """Write a database to a new file and go on there: from now on its commits are durable.

    The file appears under its name when it is complete. Commits go on meanwhile and wait only for the end. Raises
    ``StorageExistsError`` and the errors of ``open_database``; the database stays where it was then.
    """
    place = Path(path).resolve()
    if not place.parent.is_dir():
        raise StorageError(f"There is no folder {place.parent}: nothing was saved.", path=str(place))
    _refuse_existing(place)
    lock = FileLock.acquire(place)
    try:
        _refuse_existing(place)
        _refuse_orphan(place, "saved")
        _save(database, place, lock, durability, reached)
    except BaseException:
        lock.release()
        raise


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise StorageExistsError(
            f"{path} exists already, and was left as it is. Save under another name, or delete it first.",
            path=str(path),
        )


def _refuse_orphan(path: Path, verb: str) -> None:
    """A sidecar whose file is gone may have the newest commits of that file, and SQLite would take it for ours."""
    beside = sidecar(path)
    if has_frames(beside):
        raise StorageError(
            f"There is no {path}, but {beside.name}, which holds the newest commits of such a file: that was moved or "
            f"deleted while it was open, or after a crash. Nothing was {verb}. Move it back beside {beside.name}, or "
            f"delete {beside.name} to begin anew under this name.",
            path=str(path),
        )
    beside.unlink(missing_ok=True)


def _save(
    database: Database, path: Path, lock: FileLock, durability: Durability, reached: Callable[[str], None]
) -> None:
    before = database.log
    with _building(path, reached) as file:
        copies = Copies(0)
        root = _root(database.head.timestamp, durability, database.history.retention)

        def checkpoint_of(head: Snapshot) -> Generator[None, None, Checkpoint]:
            beginning = Milestones.beginning(head.timestamp)
            return write_checkpoint(file, copies, root, beginning, head, database.mint.last_creation_time)

        with file.transaction("save"):
            file.write_first_root(root)
        finished(checkpoint_of(database.head))
        files = Move(database, SqliteChunks(file))
        files.copy()
        file.sync()

        def finish(head: Snapshot) -> SqliteLog:
            checkpoint = finished(checkpoint_of(head))
            with files.rest(head):
                file.finish(path)
                try:
                    saved = StorageFile.open(path, durability, reached)
                    saved.read_root()
                except BaseException:
                    remove(path)
                    raise
                files.finish(SqliteChunks(saved))
            return SqliteLog(saved, lock, checkpoint.root, copies, checkpoint.milestones)

        # The first checkpoint has nearly everything; commits wait only for what came since.
        database.committer.change_log(finish)
    before.close()
