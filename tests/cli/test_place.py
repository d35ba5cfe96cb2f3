"""Opening what a command works on."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import convex_nb
from convex_nb.testing import VirtualClock
from tests.cli.conftest import Cli


def test_a_command_takes_nothing_of_the_past_away(app: Path, cli: Cli) -> None:
    retention = timedelta(days=2)
    an_hour_ago = VirtualClock(time.time() * 1000 - 3_600_000)
    with convex_nb.open("old.convex", clock=an_hour_ago, retention=retention) as dep:
        dep.transact(lambda db: db.insert("messages", {"body": "first"}))
        then = dep.timestamp
        dep.transact(lambda db: db.insert("messages", {"body": "second"}))
    assert cli("env", "old.convex", "set", "KEY", "value").code == 0
    with convex_nb.open("old.convex", retention=retention) as dep:
        assert [dep.at(then).table("messages").count(), dep.table("messages").count()] == [1, 2]
