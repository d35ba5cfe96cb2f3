"""Files of a damaged database: what is damaged is told, all else can be read, and a repair saves it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import convex_nb
from convex_nb import StorageCorruptError


def damage(path: Path, *, where: str, remove: bool = False) -> None:
    """Change a byte of the chunks that begin with `where`, or take them out."""
    connection = sqlite3.connect(path)
    change = "delete from chunk" if remove else "update chunk set data = cast('X' || substr(data, 2) as blob)"
    connection.execute(f"{change} where key < 0 and substr(data, 1, ?) = ?", (len(where), where.encode()))
    assert connection.total_changes
    connection.commit()
    connection.close()


@pytest.mark.parametrize("remove", [False, True], ids=["changed", "removed"])
def test_damaged_bytes_are_told_and_leave_the_rest(tmp_path: Path, remove: bool) -> None:
    path = tmp_path / "a.convex"
    with convex_nb.open(path) as dep:
        broken, whole = dep.files.store(b"broken" * 1_000_000), dep.files.store(b"whole")
        twin = dep.files.store(b"broken" * 1_000_000)
        dep.transact(lambda db: db.insert("notes", {"file": broken}))
    damage(path, where="broken", remove=remove)
    with convex_nb.open(path) as dep:
        assert dep.files[whole].read() == b"whole"
        assert dep.table("notes").count() == 1
        with pytest.raises((StorageCorruptError, convex_nb.StorageError)):
            dep.files[broken].read()
        with pytest.raises(AssertionError, match="6000000 bytes"):
            dep.check()
        with pytest.raises(StorageCorruptError):
            convex_nb.verify_backup(path)
    report = convex_nb.repair(path, tmp_path / "b.convex")
    assert sorted(report.lost) == sorted(
        [f"The stored file {id} (6,000,000 bytes): they do not verify." for id in (broken, twin)]
    )
    with convex_nb.open(tmp_path / "b.convex") as dep:
        assert {id: file.read() for id, file in dep.files.items()} == {whole: b"whole"}
        assert dep.table("notes").count() == 1
        dep.check()


def test_a_repair_saves_the_files_of_a_file_without_damage(tmp_path: Path) -> None:
    with convex_nb.open(tmp_path / "a.convex") as dep:
        ids = [dep.files.store(bytes([number]) * 2_000_000) for number in range(3)]
        dep.files.delete(ids[0])
    report = convex_nb.repair(tmp_path / "a.convex", tmp_path / "b.convex")
    assert report.lost == []
    with convex_nb.open(tmp_path / "b.convex") as dep:
        assert list(dep.files) == ids[1:]
        dep.check()
