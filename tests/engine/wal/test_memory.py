from __future__ import annotations

import pytest

from convex_nb.engine.commit import Commit
from convex_nb.engine.wal.memory import MemoryLog


def test_positions_count_up() -> None:
    log = MemoryLog()
    commits = [Commit(timestamp, (), "", {}) for timestamp in (1, 2, 3)]
    assert log.head == 0
    assert list(log.append(0, commits[:2])) == [1, 2]
    assert list(log.append(2, commits[2:])) == [3]
    assert log.head == 3
    with pytest.raises(AssertionError):
        log.append(1, commits)
    log.close()


def test_it_keeps_nothing() -> None:
    log = MemoryLog()
    log.append(0, [Commit(1, (), "", {})])
    assert vars(log) == {"_head": 1}
    assert log.statistics() is None
