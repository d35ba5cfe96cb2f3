"""Opening what a command works on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import convex_nb
from tests.cli.conftest import Cli


def test_a_command_leaves_the_retention_of_the_file_as_it_is(app: Path, cli: Cli) -> None:
    week = timedelta(days=7)
    convex_nb.open(app / "app.convex", retention=week).close()
    assert cli("env", "app.convex", "set", "KEY", "value").code == 0
    with convex_nb.open(app / "app.convex") as dep:
        assert dep.statistics().database.retention == week // timedelta(microseconds=1) * 1000
