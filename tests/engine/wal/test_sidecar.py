"""Where SQLite's sidecar breaks off."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from convex_nb.engine.wal.sidecar import breaks_off_early

PAGE = 1024
FRAME = 24 + PAGE


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """A sidecar with twelve transactions, the last of three frames."""
    path = tmp_path / "a"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"pragma page_size={PAGE}")
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table t (a)")
    for number in range(10):
        connection.execute("insert into t values (?)", (number,))
    connection.execute("insert into t values (zeroblob(2000))")
    found = (tmp_path / "a-wal").read_bytes()
    connection.close()
    return found


def written(path: Path, content: bytes | bytearray) -> Path:
    path.write_bytes(content)
    return path


def transactions(content: bytes) -> list[int]:
    """Where each transaction ends."""
    frames = range(32, len(content) - FRAME + 1, FRAME)
    return [start + FRAME for start in frames if content[start + 4 : start + 8] != bytes(4)]


def test_a_whole_one_and_none(tmp_path: Path, content: bytes) -> None:
    assert len(transactions(content)) == 12
    assert not breaks_off_early(written(tmp_path / "b", content))
    assert not breaks_off_early(tmp_path / "none")
    assert not breaks_off_early(written(tmp_path / "b", b""))
    assert not breaks_off_early(written(tmp_path / "b", bytes(5000)))


def test_a_crash_may_cut_it_anywhere(tmp_path: Path, content: bytes) -> None:
    for length in random.Random(1).sample(range(len(content)), 100):
        assert not breaks_off_early(written(tmp_path / "b", content[:length])), length


def test_a_power_cut_may_tear_the_last_transaction(tmp_path: Path, content: bytes) -> None:
    before = transactions(content)[-2]
    for place in random.Random(2).sample(range(before, len(content)), 100):
        torn = bytearray(content)
        torn[place] ^= 0x40
        assert not breaks_off_early(written(tmp_path / "b", torn)), place


def test_damage_before_a_whole_transaction_shows(tmp_path: Path, content: bytes) -> None:
    before = transactions(content)[-2]
    for place in [*range(32), *random.Random(3).sample(range(32, before), 200)]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        assert breaks_off_early(written(tmp_path / "b", damaged)), place


def test_frames_from_before_it_was_begun_anew_mean_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table t (a)")
    for number in range(10):
        connection.execute("insert into t values (?)", (number,))
    assert connection.execute("pragma wal_checkpoint(restart)").fetchone()[0] == 0
    connection.execute("insert into t values (5)")
    content = (tmp_path / "a-wal").read_bytes()
    assert len(content) > 10 * 4096
    assert not breaks_off_early(written(tmp_path / "b", content))
    connection.close()
