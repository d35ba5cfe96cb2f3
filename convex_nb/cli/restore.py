"""`convex-nb restore`: everything as it was."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convex_nb.cli.place import add_create, add_place, open_to_write, place_of
from convex_nb.cli.problems import FAILED, OK, UsageError
from convex_nb.language.describing import counted

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Put the documents of a backup, or of a ZIP file that convex-nb export or Convex wrote, in the place of all that there
are: at once, or not at all. Ids and creation times are kept; they have to fit the schema in force.

With --at it is the deployment's own state of then, as far back as the file keeps it."""
USAGE: Final = "[FILE] SOURCE | [FILE] --at WHEN"
EXAMPLES: Final = """\
  convex-nb restore app.convex backups/backup_1795264776393315200.convex
  convex-nb restore app.convex --at 2026-11-21T13:50:00Z
  convex-nb restore snapshot.zip --yes        FILE is in pyproject.toml"""


def configure(parser: OptionParser) -> None:
    """Add the options of `restore`."""
    add_place(parser)
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="the backup, or the ZIP file")
    parser.add_argument(
        "--at", metavar="WHEN", type=_moment, help="a time such as 2026-11-21T13:50:00Z, or the timestamp of a commit"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask; only a terminal is asked")
    add_create(parser)


def run(options: Namespace, console: Console) -> int:
    """Restore; print what there is now."""
    if options.at is None and options.source is None:
        # One word alone is what is to be restored, for that is never left out.
        options.place, options.source = None, options.place
    if (options.at is None) == (options.source is None):
        raise UsageError("Write either the backup to restore, or --at WHEN. See convex-nb restore --help.")
    source = Path(options.source) if options.at is None else options.at
    with open_to_write(place_of(options), create=options.create) as deployment:
        total = sum(table.count() for table in deployment.tables.values())
        if (
            total
            and not options.yes
            and not console.confirm(f"Replace all {counted(total, 'document')} that there are?")
        ):
            console.say("Nothing was restored.")
            return FAILED
        counts = deployment.restore(source, progress=console.progress)
    if console.json:
        console.line({"documents": counts})
    else:
        for table, count in counts.items():
            print(f"{table}: {counted(count, 'document')}")
    return OK


def _moment(text: str) -> datetime | int:
    if text.isdecimal() and len(text) > 8:
        return int(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time such as 2026-11-21T13:50:00Z, and no timestamp") from None
