"""Rows with checksums in a file that survives."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.wal import rows
from convex_nb.engine.wal.rows import Blob, Record
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.engine.wal.storage_file import StorageFile
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


def change(path: Path, sql: str, *parameters: Any) -> None:
    """Change a closed file behind everybody's back."""
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(sql, parameters).rowcount
    connection.close()


def read_everything(file: StorageFile) -> None:
    file.read_root()
    list(file.records(0))
    list(file.chunks(Blob(5, 2)))


def test_rows_come_back(file: StorageFile) -> None:
    with file.transaction("write"):
        file.write_root({**ROOT, "n": 2})
        file.write_chunk(5, 0, b"a")
        file.write_chunk(5, 1, b"b")
        file.write_chunk(9, 0, b"")
    file.append([Record(position, 100 + position, b"%d" % position) for position in (1, 2, 3)])
    assert file.read_root()["n"] == 2
    assert [tuple(record) for record in file.records(1)] == [(2, 102, b"2"), (3, 103, b"3")]
    assert file.record(2) == (2, 102, b"2")
    assert file.record(4) is None
    assert list(file.chunks(Blob(5, 2))) == [b"a", b"b"]
    assert file.chunk(5, 1) == b"b"
    assert file.chunk(5, 2) is None
    assert (file.last_position(), file.last_blob(), file.blobs()) == (3, 9, [5, 9])


@pytest.mark.parametrize(
    "sql",
    [
        "update log set data = x'00' where position = 2",
        "update log set data = '2' where position = 2",
        "update log set data = null where position = 2",
        "update log set crc = crc + 1 where position = 2",
        "update log set crc = null where position = 2",
        "update log set timestamp = timestamp + 1 where position = 2",
        "update log set timestamp = 'x' where position = 2",
        "update log set position = 4 where position = 2",
        "update log set position = 4 where position = 3",
        "delete from log where position = 2",
        "update chunk set data = x'00' where key = 5 * 1048576",
        "update chunk set key = key + 2 where key = 5 * 1048576",
        "update chunk set key = key + 3 where key >= 5 * 1048576",
        "delete from chunk where key = 5 * 1048576 + 1",
        "delete from chunk",
        "insert into chunk select key + 1, crc, data from chunk where key = 5 * 1048576 + 1",
        "delete from root",
        "update root set crc = crc + 1",
        "update root set data = x'7b7d'",
    ],
)
def test_no_change_goes_unnoticed(path: Path, sql: str) -> None:
    file = StorageFile.open(path, "relaxed")
    file.read_root()
    file.append([Record(position, 100 + position, b"%d" % position) for position in (1, 2, 3)])
    with file.transaction("write"):
        for place in range(2):
            file.write_chunk(5, place, b"chunk %d" % place)
    file.close()
    change(path, sql)
    file = StorageFile.open(path, "relaxed")
    with pytest.raises(DamagedError):
        read_everything(file)
    file.close()


def test_rows_of_another_file_do_not_verify(tmp_path: Path, file: StorageFile) -> None:
    other = StorageFile.build(tmp_path / "new")
    with other.transaction("create"):
        other.write_first_root({"file": "11" * 16})
    other.append([Record(1, 1, b"x")])
    other.finish(tmp_path / "b")
    connection = sqlite3.connect(tmp_path / "b")
    row = connection.execute("select * from log").fetchone()
    connection.close()
    file._connection.execute("insert into log values (?, ?, ?, ?)", row)
    with pytest.raises(DamagedError, match="record 1"):
        list(file.records(0))


def test_deleting_in_steps(file: StorageFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK_BYTES", 100)
    file.append([Record(position, position, bytes(30)) for position in range(1, 21)])
    with file.transaction("write"):
        for place in range(10):
            file.write_chunk(1, place, b"x")
        file.write_chunk(2, 0, b"y")
    with file.transaction("delete"):
        assert not file.delete_records(18)
    assert [record.position for record in file.records(4)][:1] == [5]
    with file.transaction("delete"):
        steps = 1
        while not file.delete_records(18):
            steps += 1
    assert steps == 4
    assert [record.position for record in file.records(18)] == [19, 20]
    with file.transaction("delete"):
        assert not file.delete_blob(1)
        assert not file.delete_blob(1)
        assert file.delete_blob(1)
    assert file.blobs() == [2]
