"""Files on a disk: what lies beside a database, and what makes them stay."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def sidecar(path: Path) -> Path:
    """Where SQLite keeps what it has not yet copied into the file."""
    return path.with_name(f"{path.name}-wal")


def size_of_file(path: Path) -> int:
    """How many bytes a file has; 0 for none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def remove(path: Path) -> None:
    """Delete a database and what lies beside it, as far as it is there."""
    for each in (path, sidecar(path), path.with_name(f"{path.name}-shm")):
        each.unlink(missing_ok=True)


def fill(path: Path, size: int) -> None:
    """Give an empty sidecar its blocks: to write over them and wait for the disk takes half as long as to add them.

    SQLite takes what it did not write for the remains of an earlier use.
    """
    if not size_of_file(path):
        # Without room for it, it grows as it is used.
        with contextlib.suppress(OSError), path.open("rb+") as handle:
            handle.write(bytes(size))
            handle.flush()
            os.fsync(handle.fileno())


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def sync_folder(path: Path) -> None:
    """Wait until a file's name is on the disk."""
    # Windows has no such thing.
    with contextlib.suppress(OSError):
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
