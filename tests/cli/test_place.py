"""Opening what a command works on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from convex_nb.deployment import opening
from tests.cli.conftest import Cli


def test_a_command_asks_for_all_of_the_past(app: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[timedelta] = []
    real = opening.open

    def noting(*args: Any, **options: Any) -> Any:
        asked.append(options.get("retention", timedelta()))
        return real(*args, **options)

    monkeypatch.setattr(opening, "open", noting)
    assert cli("env", "app.convex", "set", "KEY", "value").code == 0
    assert [retention > timedelta(days=36_000) for retention in asked] == [True]
