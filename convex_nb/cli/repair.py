"""`convex-nb repair`: saves what verifies of a damaged file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convex_nb.cli.problems import DAMAGED, OK

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Save what verifies of a damaged file to a new one, and say what was lost. The damaged file is left as it is.

The exit code is 0 when everything was saved, and 4 when something was lost."""
USAGE: Final = "FILE [NEW_FILE]"
EXAMPLES: Final = """\
  convex-nb repair app.convex                     writes app.repaired.convex
  convex-nb repair app.convex saved.convex --json"""


def configure(parser: OptionParser) -> None:
    """Add the options of `repair`."""
    parser.add_argument("source", metavar="FILE", help="the damaged file")
    parser.add_argument("target", metavar="NEW_FILE", nargs="?", help="FILE with .repaired in its name, unless said")


def run(options: Namespace, console: Console) -> int:
    """Repair; print what was saved and what was lost."""
    from convex_nb.deployment.data.place import repair_place

    source = Path(options.source)
    target = source.with_suffix(f".repaired{source.suffix}") if options.target is None else Path(options.target)
    report = repair_place(source, target)
    if console.json:
        console.line({"file": str(target), "documents": report.documents, "lost": report.lost})
    else:
        print(f"{target}\n{report}")
    return DAMAGED if report.lost else OK
