"""A file is closed while others commit to it, save it elsewhere, look at it and keep it in shape."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.wal import connections, storage_file
from convex_nb.engine.wal.opening import open_database, save_database
from convex_nb.engine.wal.rows import Record
from convex_nb.engine.wal.storage_file import StorageFile, nothing
from convex_nb.language.errors import DeploymentClosedError
from tests.engine.databases import insert_all


def hammered(root: Path, folder: Path, rounds: int) -> None:
    command = [sys.executable, "-m", "tests.engine.wal.hammering", str(folder), str(rounds)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=rounds * 10, cwd=root, check=False)
    # A negative one is a signal: SQLite does not survive that a connection is closed while it is in use.
    assert process.returncode == 0, process.stderr[-4000:]


def test_closed_by_one_thread_and_used_by_others(root: Path, tmp_path: Path) -> None:
    hammered(root, tmp_path, 15)


@pytest.mark.soak
def test_closed_a_thousand_times_while_in_use(root: Path, tmp_path: Path) -> None:
    hammered(root, tmp_path, 1000)


def test_what_is_closed_while_it_is_saved_stays_closed(tmp_path: Path) -> None:
    database = Database()
    insert_all(database, "items", [{"n": 1}])
    path = tmp_path / "a.convex"
    closed = threading.Event()

    def reached(point: str) -> None:
        if point == "save: durable":
            database.close()
            closed.set()

    with pytest.raises(DeploymentClosedError, match="nothing was saved"):
        save_database(database, path, reached=reached)
    assert closed.is_set()
    assert list(tmp_path.iterdir()) == []
    # Nobody holds it.
    open_database(path).close()


@pytest.mark.parametrize("busy_with", ["folding", "a commit"])
def test_a_file_is_closed_when_nobody_uses_it_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy_with: str
) -> None:
    """SQLite does not survive that a connection is closed while it is in use."""
    inside, closing = threading.Event(), threading.Event()

    def busy(*_: object) -> None:
        if not inside.is_set():
            inside.set()
            closing.wait(60)
            time.sleep(0.05)

    def fold(connection: sqlite3.Connection, checkpoint: Any = connections.checkpoint) -> Any:
        busy()
        return checkpoint(connection)

    open_database(tmp_path / "a.convex").close()
    file = StorageFile.open(tmp_path / "a.convex", "relaxed", busy if busy_with == "a commit" else nothing)
    file.read_root()
    monkeypatch.setattr(storage_file, "SIDECAR_BYTES", 0)
    monkeypatch.setattr(storage_file, "checkpoint", fold)
    done: list[bool] = []

    def use() -> None:
        file.append([Record(1, 1, b"")])
        done.append(busy_with == "a commit" or file.fold())

    user = threading.Thread(target=use)
    user.start()
    assert inside.wait(60)
    closing.set()
    file.close()
    user.join(60)
    assert done == [True]
    with pytest.raises(DeploymentClosedError):
        file.append([Record(2, 2, b"")])
    assert not file.fold()
