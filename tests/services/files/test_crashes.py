"""Files whose storing was acknowledged are whole, and others are not there at all, wherever the process is killed."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from convex_nb.services.files.file_table import find_file
from tests.dying import Server, server_of
from tests.services.files.crashing import bytes_of, open_files, small_chunks, steps_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

POINTS = (
    "store a file: written",
    "store a file: durable",
    "commit: written",
    "commit: durable",
    "finish a checkpoint: written",
    "delete the bytes of a file: written",
    "delete the bytes of a file: durable",
    "file: folded",
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with server_of("tests.services.files.crashing") as running:
        yield running


class Killer:
    """Runs the process, kills it, and verifies what is there."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._journal = folder / "journal"
        self.step = 0
        self.deleted = 0

    def start(self, point: str = "", times: int = 0) -> int:
        """Start it; its process id."""
        return self._server.start(self._folder / "a.convex", self._journal, self.step + 1, point, times)

    def verify(self) -> None:
        """What it said is there and what it said is gone is not; nothing else is."""
        said: dict[str, set[int]] = {"storing": set(), "stored": set(), "deleting": set(), "deleted": set()}
        for line in self._journal.read_text().splitlines():
            word, _, number = line.partition(" ")
            said[word].add(int(number))
        self.step, self.deleted = max(said["storing"], default=0), len(said["deleted"])
        database = open_files(self._folder / "a.convex")
        try:
            database.check()
            found = steps_in(database)
            assert said["stored"] - said["deleting"] <= found.keys() <= said["storing"] - said["deleted"]
            for step, id in found.items():
                record = find_file(database.begin(writable=False), id, "get")
                assert record is not None
                assert b"".join(database.files.read(record.number, record.size)) == bytes_of(step), step
            while database.maintain(100):
                pass
            database.check()
            # What was on its way, or on its way out, has left nothing.
            numbers = database.files.chunks.numbers(None)
            state = database.head.table("_files")
            wanted = set() if state is None else {each["number"] for each in state.scan(1, b"", b"\xff", reverse=False)}
            assert set(numbers) <= wanted
        finally:
            database.close()


def test_killed_at_every_named_point(server: Server, tmp_path: Path) -> None:
    chance = random.Random(1)
    killer = Killer(server, tmp_path)
    for point in POINTS:
        killer.start(point, chance.choice([0, 1, 5]))
        assert server.end() == -signal.SIGKILL, point
        killer.verify()
    assert killer.step > 8
    assert killer.deleted > 0


def test_killed_at_any_moment(server: Server, tmp_path: Path) -> None:
    chance = random.Random(2)
    killer = Killer(server, tmp_path)
    for _ in range(12):
        child = killer.start()
        time.sleep(chance.choice([0.02, 0.05, 0.2]) * chance.random())
        os.kill(child, signal.SIGKILL)
        assert server.end() == -signal.SIGKILL
        if (tmp_path / "a.convex").exists() and (tmp_path / "journal").exists():
            killer.verify()
