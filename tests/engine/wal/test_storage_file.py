"""Rows with checksums in a file that survives."""

from __future__ import annotations

import os
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.wal import storage_file
from convex_nb.engine.wal.disk import sidecar
from convex_nb.engine.wal.rows import Blob, Record
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.engine.wal.storage_file import StorageFile
from convex_nb.language.errors import DeploymentClosedError, StorageError
from tests.engine.wal.files import ROOT, built_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return built_file(tmp_path)


@pytest.fixture
def file(path: Path) -> Iterator[StorageFile]:
    opened = StorageFile.open(path, "relaxed")
    opened.read_root()
    yield opened
    opened.close()


def write_chunk(file: StorageFile, fail: bool = False) -> None:
    with file.transaction("write"):
        file.write_chunk(1, 0, b"")
        if fail:
            raise ZeroDivisionError


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("relaxed", 1)])
def test_who_waits_for_the_disk(path: Path, durability: Any, level: int) -> None:
    """What SQLite makes of it: 2 is FULL, and every transaction waits; 1 is NORMAL, and only folding does."""
    file = StorageFile.open(path, durability)
    assert file._connection.execute("pragma journal_mode").fetchone() == ("wal",)
    assert file._connection.execute("pragma synchronous").fetchone() == (level,)
    file.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a folder cannot be synced there")
def test_a_file_is_on_the_disk_before_its_name_is_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[object] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        happened.append(os.fstat(handle).st_ino)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    built = StorageFile.build(tmp_path / "new", happened.append)
    inode = built.path.stat().st_ino
    built.finish(tmp_path / "a.convex")
    assert happened == [inode, "file: built", "file: named", tmp_path.stat().st_ino]


def test_an_empty_file(file: StorageFile) -> None:
    assert (file.last_position(), file.last_blob(), file.blobs()) == (0, 0, [])
    assert list(file.records(0)) == []
    assert file.delete_blob(1)
    assert file.delete_records(5)


def test_all_of_a_transaction_or_nothing(file: StorageFile) -> None:
    with pytest.raises(ZeroDivisionError):
        write_chunk(file, fail=True)
    assert file.blobs() == []
    write_chunk(file)
    assert file.blobs() == [1]
    records = [Record(1, 1, b"a"), Record(2, 2, b"b"), Record(2, 3, b"c")]
    with pytest.raises(sqlite3.IntegrityError):
        file.append(records)
    assert file.last_position() == 0
    file.append(records[:2])
    assert file.last_position() == 2


def test_free_pages_that_are_in_use_are_noticed(path: Path) -> None:
    """No row says so: what is written next would take the place of others."""
    data = bytearray(path.read_bytes())
    struct.pack_into(">II", data, 32, 3, 1)
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="SQLite's structure"):
        StorageFile.open(path, "relaxed")
    # Who only looks writes nothing next.
    StorageFile.open_read_only(path).close()


def test_what_is_given_back_makes_the_file_smaller(path: Path, file: StorageFile) -> None:
    with file.transaction("write"):
        for place in range(64):
            file.write_chunk(1, place, bytes(100_000))
    with file.transaction("delete"):
        while not file.delete_blob(1):
            pass
    pages, free = file.pages()
    assert free > pages * 0.9
    with file.transaction("shrink"):
        file.give_back(free // 2)
    # Beside them, a page that says of the pages after it whose they are.
    assert file.pages() in [(pages - free // 2 - maps, free - free // 2) for maps in (0, 1)]
    with file.transaction("shrink"):
        file.give_back(10**6)
    file.close()
    assert path.stat().st_size < 100_000


def test_the_sidecar_begins_anew(path: Path, file: StorageFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_file, "SIDECAR_BYTES", 200_000)
    folds = 0
    for position in range(1, 301):
        file.append([Record(position, position, bytes(1000))])
        folds += file.fold()
    assert folds > 5
    assert sidecar(path).stat().st_size < 600_000
    assert len(list(file.records(0))) == 300


@pytest.mark.parametrize(
    ("victim", "how"),
    [("a.convex", "deleted"), ("a.convex", "replaced"), ("a.convex", "moved"), ("a.convex-wal", "deleted")],
)
def test_a_file_that_is_not_at_its_place_is_not_written(path: Path, file: StorageFile, victim: str, how: str) -> None:
    (path.parent / victim).rename(path.parent / "moved")
    if how != "moved":
        (path.parent / "moved").unlink()
    if how == "replaced":
        (path.parent / victim).write_bytes(b"")
    time.sleep(storage_file.LOOK_SECONDS * 2)
    with pytest.raises(StorageError, match="moved, deleted or replaced") as caught:
        file.append([Record(1, 1, b"")])
    assert caught.value.path == str(path)
    assert "`save(path)`" in str(caught.value)
    with pytest.raises(StorageError, match="moved, deleted or replaced"):
        write_chunk(file)


def test_a_built_file_takes_nobodys_place(tmp_path: Path) -> None:
    built = StorageFile.build(tmp_path / "new")
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(StorageError, match="came into being meanwhile"):
        built.finish(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_reading_beside_a_writer_is_one_state(path: Path, file: StorageFile) -> None:
    file.append([Record(1, 1, b"one")])
    reader = StorageFile.open_read_only(path)
    reader.read_root()
    file.append([Record(2, 2, b"two")])
    assert len(list(reader.records(0))) == 1
    reader.close()
    assert len(list(file.records(0))) == 2


def test_a_file_is_closed_though_somebody_is_in_the_middle_of_reading(path: Path, file: StorageFile) -> None:
    file.append([Record(position, 0, b"1") for position in (1, 2, 3)])
    records = file.records(0)
    next(records)
    file.close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    with pytest.raises(DeploymentClosedError, match="was closed while it was read"):
        next(records)


@pytest.mark.parametrize(
    "read",
    [
        lambda file: file.read_root(),
        lambda file: file.read_name(),
        lambda file: list(file.records(0)),
        lambda file: file.record(2),
        lambda file: list(file.chunks(Blob(1, 1))),
        lambda file: file.chunk(1, 0),
        lambda file: (file.first_position(), file.last_position(), file.blobs(), file.last_blob()),
    ],
)
def test_whoever_reads_has_the_lock_that_closing_waits_for(
    file: StorageFile, read: Callable[[StorageFile], Any]
) -> None:
    """Python does not survive that a connection is closed by one thread while another is inside it."""
    write_chunk(file)
    file.append([Record(position, 0, b"1") for position in (1, 2)])
    locked: list[bool] = []
    file._connection.set_progress_handler(lambda: locked.append(file.lock.locked()), 1)
    read(file)
    assert locked
    assert all(locked)


def test_an_older_file_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def second(connection: sqlite3.Connection) -> None:
        connection.execute("delete from root")

    def third(connection: sqlite3.Connection) -> None:
        connection.execute("insert into root values (1, 5, x'')")

    monkeypatch.setattr(storage_file, "FORMAT", 3)
    monkeypatch.setattr(storage_file, "UPGRADES", {1: second, 2: third})
    StorageFile.open(path, "full").close()
    connection = sqlite3.connect(path)
    assert connection.execute("select crc from root").fetchall() == [(5,)]
    assert connection.execute("pragma user_version").fetchone() == (3,)
    connection.close()
    # Once is enough.
    monkeypatch.setattr(storage_file, "UPGRADES", {})
    StorageFile.open(path, "full").close()


def test_an_upgrade_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(connection: sqlite3.Connection) -> None:
        connection.execute("delete from root")
        raise ZeroDivisionError

    before = path.read_bytes()
    monkeypatch.setattr(storage_file, "FORMAT", 2)
    monkeypatch.setattr(storage_file, "UPGRADES", {1: failing})
    with pytest.raises(ZeroDivisionError):
        StorageFile.open(path, "full")
    assert path.read_bytes() == before


def test_a_file_of_larger_pages_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.convex"
    monkeypatch.setattr(storage_file, "PAGE_BYTES", 16_384)
    built = StorageFile.build(tmp_path / "new")
    built.write_first_root(ROOT)
    built.finish(path)
    monkeypatch.undo()
    file = StorageFile.open(path, "full")
    assert file.page_bytes() == 16_384
    with file.transaction("write"):
        file.write_chunk(1, 0, bytes(100_000))
    file.close()
    assert path.stat().st_size % 16_384 == 0
