"""The bytes of deleted files go when the time has come, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import convex_nb
from convex_nb import Deployment
from convex_nb.testing import VirtualClock

MINUTE = 60_000


def kept(dep: Deployment) -> int:
    """How many contents are kept once all that is due was deleted."""
    database = dep._database
    while database.maintain(10) or database.files.suspect or not database._maintaining.acquire(blocking=False):
        pass
    database._maintaining.release()
    return len(database.files.chunks.numbers(None))


@pytest.mark.parametrize("name", [None, "a.convex"])
def test_bytes_stay_for_as_long_as_the_past(tmp_path: Path, name: str | None) -> None:
    clock = VirtualClock()
    with convex_nb.open(None if name is None else tmp_path / name, clock=clock) as dep:
        id = dep.files.store(b"x")
        assert kept(dep) == 1
        clock.advance(60 * MINUTE)
        assert kept(dep) == 1
        then = dep.timestamp
        dep.files.delete(id)
        clock.advance(9 * MINUTE)
        assert kept(dep) == 1
        assert dep.at(then).files[id].read() == b"x"
        clock.advance(2 * MINUTE)
        assert kept(dep) == 0


def test_what_was_deleted_before_it_was_opened_goes_later(tmp_path: Path) -> None:
    clock = VirtualClock()
    with convex_nb.open(tmp_path / "a.convex", clock=clock) as dep:
        ids = [dep.files.store(bytes([number]) * 3_000_000) for number in range(3)]
        kept(dep)
        dep.files.delete(ids[0])
    with convex_nb.open(tmp_path / "a.convex", clock=clock) as dep:
        assert kept(dep) == 3
        clock.advance(11 * MINUTE)
        assert kept(dep) == 2
        dep.check()
        free = dep._database.statistics().storage
        assert free is not None


def test_a_content_that_came_back_stays() -> None:
    clock = VirtualClock()
    with convex_nb.open(clock=clock) as dep:
        dep.files.delete(dep.files.store(b"x"))
        clock.advance(5 * MINUTE)
        again = dep.files.store(b"x")
        clock.advance(60 * MINUTE)
        assert kept(dep) == 1
        assert dep.files[again].read() == b"x"


@pytest.mark.parametrize("name", [None, "a.convex"])
def test_what_is_on_its_way_stays(tmp_path: Path, name: str | None) -> None:
    with convex_nb.open(None if name is None else tmp_path / name, retention=timedelta(0)) as dep:

        def pieces() -> Iterator[bytes]:
            yield b"x" * (2 << 20)
            # In a file that was just opened, this looks at all that nothing refers to.
            assert kept(dep) == 1
            yield b"y"

        id = dep.files.store(pieces())
        assert kept(dep) == 1
        assert dep.files[id].size == (2 << 20) + 1
        dep.check()
