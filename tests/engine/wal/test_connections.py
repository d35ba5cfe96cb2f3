"""Who only reads a file leaves nothing beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from convex_nb.engine.wal.storage_file import StorageFile
from tests.engine.databases import insert_all
from tests.engine.wal.files import open_quickly, sidecars


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.convex"
    database = open_quickly(path)
    insert_all(database, "items", [{"n": 1}])
    database.close()
    return path


def numbers(path: Path) -> list[object]:
    database = open_quickly(path, read_only=True)
    documents = database.head.tables["items"].read(1, b"", b"\xff", None, False)
    database.close()
    return [document["n"] for document in documents]


def test_reading_leaves_nothing_beside_a_file(path: Path) -> None:
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert numbers(path) == [1]
    assert sidecars(path) == []
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_what_the_writer_uses_stays(path: Path) -> None:
    writer = open_quickly(path)
    beside = sidecars(path)
    assert numbers(path) == [1]
    assert sidecars(path) == beside
    insert_all(writer, "items", [{"n": 2}])
    assert numbers(path) == [1, 2]
    assert sidecars(path) == beside
    insert_all(writer, "items", [{"n": 3}])
    writer.close()
    assert numbers(path) == [1, 2, 3]
    assert sidecars(path) == []


def test_what_another_reader_uses_stays(path: Path) -> None:
    one, other = (StorageFile.open_read_only(path) for _ in range(2))
    one.close()
    assert sidecars(path) == ["a.convex-shm", "a.convex-wal"]
    assert other.read_root()["file"]
    other.close()
    assert sidecars(path) == []


def test_what_a_crash_has_left_stays(path: Path, tmp_path: Path) -> None:
    writer = open_quickly(path)
    insert_all(writer, "items", [{"n": 2}])
    crashed = tmp_path / "b.convex"
    for name in ("", "-wal"):
        shutil.copy(f"{path}{name}", f"{crashed}{name}")
    writer.close()
    beside = crashed.with_name("b.convex-wal")
    before = crashed.read_bytes(), beside.read_bytes()
    for _ in range(2):
        assert numbers(crashed) == [1, 2]
        assert (crashed.read_bytes(), beside.read_bytes()) == before
