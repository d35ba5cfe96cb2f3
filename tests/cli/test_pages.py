"""The pages about the command line: what they show is what it does."""

from __future__ import annotations

import contextlib
import re
import shlex
from io import StringIO
from pathlib import Path

import pytest

from convex_nb.cli.main import COMMANDS, main
from tests.cli.conftest import Cli

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    page
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if "```console\n$ convex-nb" in page.read_text(encoding="utf-8")
]
BLOCK = re.compile(
    r"(?P<mark><!-- not run -->\n)?^```(?P<language>console|python|toml)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
CHANGING = re.compile(r"\b[a-z0-9]{31,37}\b|\b1\d{12}(\.\d+)?\b")
"""Ids and times."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_happens(page: Path, folder: Path) -> None:
    blocks = [block for block in BLOCK.finditer(page.read_text(encoding="utf-8")) if not block["mark"]]
    (folder / "my_app").mkdir()
    for block in blocks:
        if block["language"] == "python" and "@" in block["text"]:
            (folder / "my_app" / "messages.py").write_text(block["text"])
        elif block["language"] == "toml":
            (folder / "pyproject.toml").write_text(block["text"])
        elif block["language"] == "console":
            for step in block["text"].removeprefix("$ ").split("\n$ "):
                command, _, shown = step.partition("\n")
                happens(command, shown)


def happens(command: str, shown: str) -> None:
    program, *words = shlex.split(command)
    assert program == "convex-nb"
    target = words[words.index(">") + 1] if ">" in words else None
    out = StringIO()
    with contextlib.redirect_stdout(out):
        code = main(words[: words.index(">")] if target else words)
    assert code == 0, command
    if target:
        Path(target).write_text(out.getvalue())
        return
    pattern = re.escape(shown.strip()).replace("…", ".*")
    assert re.fullmatch(pattern, out.getvalue().strip()), (command, out.getvalue())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_has_every_command_and_every_option(cli: Cli, name: str) -> None:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert f"| `{name} " in page or f"| `{name}` " in page
    options = set(re.findall(r"^  (--[a-z-]+)", cli(name, "--help").out, re.MULTILINE))
    assert {option for option in options if f"`{option}" not in page} == set()
