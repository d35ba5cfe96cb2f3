from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli


def test_the_rules_are_printed_whole(cli: Cli, root: Path) -> None:
    text = (root / "convex_nb" / "cli" / "rules.md").read_text(encoding="utf-8")
    assert (cli("rules").code, cli("rules").out) == (0, text)
    assert cli("rules", "--json").json == text
