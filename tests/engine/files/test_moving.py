"""A deployment that is saved elsewhere takes its files along, also those that somebody is storing meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import convex_nb
from convex_nb.engine.wal.storage_file import StorageFile


def test_what_is_on_its_way_arrives_in_the_new_file(tmp_path: Path) -> None:
    """The commit comes after the move, the first bytes came before."""
    begun, moved = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"a" * (3 << 20)
        begun.set()
        assert moved.wait(60)
        yield b"b" * (3 << 20)

    with convex_nb.open() as dep:
        first = dep.files.store(b"first" * 1_000_000)
        ids: list[str] = []
        thread = threading.Thread(target=lambda: ids.append(dep.files.store(pieces())))
        thread.start()
        assert begun.wait(60)
        dep.save(tmp_path / "a.convex")
        moved.set()
        thread.join()
        dep.check()
    with convex_nb.open(tmp_path / "a.convex") as dep:
        assert list(dep.files) == [first, *ids]
        assert dep.files[ids[0]].read() == b"a" * (3 << 20) + b"b" * (3 << 20)
        dep.check()


def test_the_past_is_still_there_after_a_move(tmp_path: Path) -> None:
    with convex_nb.open(tmp_path / "a.convex") as dep:
        id = dep.files.store(b"deleted")
        then = dep.timestamp
        dep.files.delete(id)
        dep.save(tmp_path / "b.convex")
        assert dep.at(then).files[id].read() == b"deleted"


def test_a_move_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with convex_nb.open() as dep:
        id = dep.files.store(b"x" * 2_000_000)
        with monkeypatch.context() as patch:
            patch.setattr(StorageFile, "finish", lambda self, path: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                dep.save(tmp_path / "a.convex")
        assert dep.files[id].read() == b"x" * 2_000_000
        dep.files.store(b"more")
        dep.save(tmp_path / "a.convex")
        dep.check()


def test_a_backup_beside_deletions_is_whole(tmp_path: Path) -> None:
    with convex_nb.open(tmp_path / "a.convex") as dep:
        ids = [dep.files.store(bytes([number]) * 1_500_000) for number in range(4)]
        backup = dep.backup(tmp_path / "b.convex")
        for id in ids:
            dep.files.delete(id)
        with convex_nb.open(backup, read_only=True) as looked:
            looked.check()
            assert [file.read(0, 1) for file in looked.files.values()] == [bytes([number]) for number in range(4)]
