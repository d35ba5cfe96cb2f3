"""Saving what verifies of a damaged file to a new one."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from convex_nb.engine.files.salvage import drop_lost_files
from convex_nb.engine.files.sqlite_chunks import ReadOnlyChunks
from convex_nb.engine.postgres.address import refuse_address
from convex_nb.engine.wal.disk import sidecar
from convex_nb.engine.wal.file_lock import FileLock
from convex_nb.engine.wal.opening import save_database
from convex_nb.engine.wal.salvage import Salvage
from convex_nb.language.errors import StorageError, StorageExistsError


@dataclass
class RepairReport:
    """What a repair saved, and what it could not."""

    documents: dict[str, int] = field(default_factory=dict)
    """How many documents the new file has, by table."""
    lost: list[str] = field(default_factory=list)
    """What does not verify, one sentence each; empty where everything was saved."""

    def __str__(self) -> str:
        saved = [f"  {name}: {count:,} documents" for name, count in self.documents.items()]
        return "\n".join(
            ["Saved:", *(saved or ["  nothing"]), "Lost:", *([f"  {each}" for each in self.lost] or ["  nothing"])]
        )


def repair(source: str | PathLike[str], target: str | PathLike[str]) -> RepairReport:
    """Save what verifies of the durable file `source` to the new file `target`; `source` is left as it is.

    Where it is no longer known which documents had been deleted or replaced, they are there again in their newest form
    that verifies, and the report says so. Raises `DeploymentLockedError` while `source` is in use, `StorageExistsError`
    for a `target` that exists, and `StorageError`. Takes the memory of all documents.
    """
    for given in (source, target):
        refuse_address(given, "repaired")
    place, new = Path(source).resolve(), Path(target).resolve()
    if not place.is_file():
        raise StorageError(f"There is no file {place}: nothing was repaired.", path=str(place))
    if new.exists():
        raise StorageExistsError(f"{new} exists already: nothing was repaired. Choose another name.", path=str(new))
    if not new.parent.is_dir():
        raise StorageError(f"There is no folder {new.parent}: nothing was repaired.", path=str(new))
    lock = FileLock.acquire(place)
    try:
        with tempfile.TemporaryDirectory(dir=new.parent) as scratch:
            # SQLite may write to what it reads, after a crash.
            copy = Path(scratch) / "copy"
            _copy(place, copy)
            if sidecar(place).exists():
                _copy(sidecar(place), sidecar(copy))
            salvage = Salvage(copy)
            database = salvage.database()
            database.files.chunks = ReadOnlyChunks(copy)
            try:
                lost_files = drop_lost_files(database)
                save_database(database, new)
            finally:
                database.close()
    finally:
        lock.release()
    counts = {name: len(state) for name, state in database.head.tables.items()}
    return RepairReport(counts, salvage.lost + lost_files)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise StorageError(
            f"Could not copy {source} to {target.parent.parent} ({error.strerror}): nothing was repaired. "
            "There has to be room for two more files of its size.",
            path=str(source),
        ) from None
