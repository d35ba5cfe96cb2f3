"""Durable databases for the tests: quick ones, with thresholds that are passed all the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.wal import checkpoint, records, rows, segment_chunks, sqlite, storage_file
from convex_nb.engine.wal.opening import open_database
from convex_nb.engine.wal.storage_file import StorageFile
from tests.engine.databases import TickingClock

SMALL_CHUNK = 600


ROOT: dict[str, Any] = {"file": "00" * 16, "n": 1}


def built_file(folder: Path) -> Path:
    """The path of a file that has nothing but its root, which is ``ROOT``."""
    built = StorageFile.build(folder / "new")
    with built.transaction("create"):
        built.write_first_root(ROOT)
    built.finish(folder / "a.convex")
    assert [each.name for each in folder.iterdir()] == ["a.convex"]
    return folder / "a.convex"


def small_files(patch: pytest.MonkeyPatch) -> None:
    """Checkpoints, chunks and folds after a handful of commits."""
    patch.setattr(sqlite, "LOG_RECORDS", 4)
    patch.setattr(storage_file, "SIDECAR_BYTES", 100_000)
    patch.setattr(segment_chunks, "_OVERHEAD", 0)
    for module in (checkpoint, records, rows, segment_chunks, sqlite):
        patch.setattr(module, "CHUNK_BYTES", SMALL_CHUNK)


def open_quickly(path: Path, **options: Any) -> Database:
    """A durable database that does not wait for the disk, on a ticking clock."""
    return open_database(path, **{"durability": "relaxed", "clock": TickingClock(), **options})


def sidecars(path: Path) -> list[str]:
    """What lies beside a file under a name that begins like its own."""
    return sorted(each.name for each in path.parent.glob(f"{path.name}*") if each != path)
