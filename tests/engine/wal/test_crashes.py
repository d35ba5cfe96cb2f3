"""Nothing that was acknowledged is lost, and nothing is there by halves, wherever the process is killed."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convex_nb.engine.wal.opening import open_database, save_database
from tests.dying import Server, server_of
from tests.engine.databases import TickingClock, make_database, small_thresholds
from tests.engine.wal.crashing import Killer
from tests.engine.wal.files import small_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

POINTS = (
    "file: built",
    "file: named",
    "commit: written",
    "commit: durable",
    "import: written",
    "import: durable",
    "write a checkpoint: written",
    "write a checkpoint: durable",
    "finish a checkpoint: written",
    "finish a checkpoint: durable",
    "note how it was opened: written",
    "note how it was opened: durable",
    "shorten the log: written",
    "shorten the log: durable",
    "delete what is no longer needed: written",
    "delete what is no longer needed: durable",
    "file: folded",
)
RARE = ("file: built", "file: named")
"""Reached once in the life of a file."""
ONCE = (*RARE, "note how it was opened: written", "note how it was opened: durable")
"""Reached once in the life of a process."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    small_files(monkeypatch)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with server_of("tests.engine.wal.crashing") as running:
        yield running


def killed_at_points(server: Server, folder: Path, rounds: int) -> None:
    chance = random.Random(rounds)
    killer = Killer(server, folder, seed=rounds)
    for _ in range(rounds):
        for point in POINTS:
            if point in RARE and killer.path.exists():
                killer.path.unlink()
                killer = Killer(server, folder, killer.seed + 1)
            assert killer.kill_at(point, 0 if point in ONCE else chance.choice([0, 1, 2])), point
    assert killer.step > 0


def killed_at_moments(server: Server, folder: Path, times: int) -> None:
    chance = random.Random(times)
    killer = Killer(server, folder, seed=-times)
    for _ in range(times):
        killer.kill_after(chance.choice([0.005, 0.02, 0.05, 0.1, 0.2]) * chance.random())
        if killer.step > 300:
            killer.path.unlink()
            killer = Killer(server, folder, killer.seed - 1)


def test_killed_at_every_named_point(server: Server, tmp_path: Path) -> None:
    killed_at_points(server, tmp_path, 1)


def test_killed_at_any_moment(server: Server, tmp_path: Path) -> None:
    killed_at_moments(server, tmp_path, 36)


@pytest.mark.soak
def test_killed_a_thousand_times(server: Server, tmp_path: Path) -> None:
    killed_at_points(server, tmp_path, 20)
    for each in tmp_path.iterdir():
        each.unlink()
    killed_at_moments(server, tmp_path, 700)


def test_every_point_is_named(tmp_path: Path) -> None:
    """A new transaction of the file brings new points to crash at: they belong in the list."""
    from tests.engine.wal.crashing import Program, _take_step

    points: list[str] = []
    clock = TickingClock()
    database = open_database(tmp_path / "a", reached=points.append, clock=clock, retention=10**9)
    program = Program(1)
    for _ in range(60):
        _take_step(database, program)
        database.maintain(1000)
    database.close()
    open_database(tmp_path / "a", reached=points.append, retention=10**10).close()
    # What is too old is mostly forgotten with a checkpoint; by itself, see `test_archive.py`.
    rarely = {"create it: written", "create it: durable", "forget what is too old: written"}
    unlisted = set(points) - set(POINTS) - rarely - {"forget what is too old: durable"}
    assert unlisted == set()
    assert set(POINTS) <= set(points)


def test_torn_at_any_byte(tmp_path: Path) -> None:
    """What a power cut leaves of the sidecar: a beginning. There is a state that once was."""
    from tests.engine.wal.crashing import Program, _take_step, step_of

    path = tmp_path / "a.convex"
    database = open_database(path, durability="relaxed")
    program = Program(3)
    for _ in range(12):
        _take_step(database, program)
    sidecar = (tmp_path / "a.convex-wal").read_bytes()
    shutil.copy(path, tmp_path / "kept")
    database.close()
    chance = random.Random(1)
    steps = set()
    for length in sorted(chance.sample(range(len(sidecar)), 30)):
        torn = tmp_path / "b.convex"
        shutil.copy(tmp_path / "kept", torn)
        (tmp_path / "b.convex-wal").write_bytes(sidecar[:length])
        database = open_database(torn)
        database.check()
        step = step_of(database)
        steps.add(step)
        state = database.head.tables.get("items")
        found = [] if state is None else [(d["key"], d["value"]) for d in state.scan(1, b"", b"\xff", reverse=False)]
        assert dict(found) == Program(3).upto(step).values
        database.close()
    assert len(steps) > 5


def test_a_save_that_is_killed_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    points: list[str] = []
    database = make_database()
    transaction = database.begin()
    transaction.insert("items", {"n": 1})
    database.commit(transaction)
    save_database(database, tmp_path / "first", reached=points.append)
    database.close()
    code = """
import os, signal, sys
from convex_nb.engine.database import Database
from convex_nb.engine.wal.opening import save_database
database = Database()
for number in range(20):
    transaction = database.begin()
    transaction.insert("items", {"n": number})
    database.commit(transaction)
def reached(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
save_database(database, sys.argv[1], reached=reached)
"""
    target = tmp_path / "b.convex"
    for point in dict.fromkeys(points):
        subprocess.run([sys.executable, "-c", code, str(target), point])
        if target.exists():
            opened = open_database(target)
            assert len(opened.head.tables["items"]) == 20
            opened.close()
            target.unlink()
        # The name is free again, whatever was left beside it.
        opened = open_database(target)
        assert opened.head.tables == {}
        opened.close()
        target.unlink()
        assert [each.name for each in tmp_path.iterdir()] == ["first"]
