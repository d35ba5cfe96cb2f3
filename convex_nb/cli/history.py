"""`convex-nb history`: what has been changed about a deployment, apart from its documents."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from typing import TYPE_CHECKING, Final

from convex_nb.cli.place import add_place, open_to_read, place_of
from convex_nb.cli.problems import OK

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Print what was changed about a deployment, the newest first: the schema and its indexes, crons, environment variables
(not their values), auth providers, imports, tables that were cleared or dropped, and pauses.

The file keeps the newest thousand. It is opened for reading only, so this works beside a notebook that writes it."""
USAGE: Final = "[FILE] [--limit N]"
EXAMPLES: Final = """\
  convex-nb history app.convex
  convex-nb history --limit 1000 --json        FILE is in pyproject.toml"""

LIMIT: Final = 50


def configure(parser: OptionParser) -> None:
    """Add the options of `history`."""
    add_place(parser)
    parser.add_argument(
        "--limit", type=_amount, default=LIMIT, metavar="N", help=f"at most so many changes; {LIMIT} unless said"
    )


def run(options: Namespace, console: Console) -> int:
    """Print the changes."""
    from convex_nb.views.cells import time_text
    from convex_nb.views.sheet import Heading, Sheet

    with open_to_read(place_of(options)) as deployment:
        events = list(reversed(list(deployment.audit)))[: options.limit]
    if console.json:
        console.line([each._asdict() for each in events])
    elif events:
        rows = [[time_text(each.time_ms), each.what, each.name, each.action, each.detail] for each in events]
        console.sheet(Sheet([Heading(name) for name in ("time (UTC)", "what", "name", "was", "detail")], rows))
    else:
        console.say("Nothing has been changed yet.")
    return OK


def _amount(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a number of changes")
    return int(text)
