"""`convex-nb rules`: how to write for convex_nb, for assistants that write code."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convex_nb.cli.problems import OK

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Print rules for writing functions with this version of convex_nb, in Markdown, for the file that an assistant reads
before it writes code. No deployment is opened."""
USAGE: Final = ""
EXAMPLES: Final = """\
  convex-nb rules > AGENTS.md
  convex-nb rules >> CLAUDE.md"""


def configure(parser: OptionParser) -> None:
    """`rules` has no options of its own."""


def run(options: Namespace, console: Console) -> int:  # noqa: ARG001
    """Print them."""
    text = Path(__file__).with_name("rules.md").read_text(encoding="utf-8")
    if console.json:
        console.line(text)
    else:
        print(text, end="")
    return OK
