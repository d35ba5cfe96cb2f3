"""`convex-nb backup`: a copy of everything, verified."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from convex_nb.cli.place import SharedPlace, add_place, open_to_read, place_of, shift
from convex_nb.cli.problems import OK, UsageError
from convex_nb.language.describing import counted

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.cli.place import Place
    from convex_nb.services.backup import BackupReport

DESCRIPTION: Final = """\
Write everything to a new file, of one moment, while a notebook goes on writing; then read it back and verify all of it.

In a folder, which is this one unless PATH is given, it is called backup_<timestamp>.convex. It is a deployment like any
other: convex-nb data looks into it, convex-nb restore brings it back."""
USAGE: Final = "[FILE] [PATH] [--verify]"
EXAMPLES: Final = """\
  convex-nb backup app.convex backups/
  convex-nb backup --path before.convex        FILE is in pyproject.toml
  convex-nb backup --verify backups/backup_1795264776393315200.convex"""


def configure(parser: OptionParser) -> None:
    """Add the options of `backup`."""
    add_place(parser)
    parser.add_argument("target", metavar="PATH", nargs="?", help="the new file, or the folder to write it in")
    parser.add_argument("--path", metavar="PATH", help="the same")
    parser.add_argument("--verify", action="store_true", help="without PATH: verify FILE, and write nothing")


def run(options: Namespace, console: Console) -> int:
    """Back up and verify, or only verify; print what it holds."""
    from convex_nb.deployment.data.place import verify_place

    shift(options, "target")
    if options.target is not None and options.path is not None:
        raise UsageError(f"Two paths are given, {options.target} and {options.path}: which one?")
    path = options.target or options.path
    backup: Place = place_of(options)
    if path is not None or not options.verify:
        with open_to_read(backup) as deployment:
            backup = deployment.backup(path or ".")
    if isinstance(backup, SharedPlace):
        raise UsageError("--verify reads a file: what is in PostgreSQL is for the server to verify. PATH writes one.")
    _print(verify_place(backup), console)
    return OK


def _print(report: BackupReport, console: Console) -> None:
    counts = dict(report.documents)
    if console.json:
        console.line({"path": str(report.path), "timestamp": report.timestamp, "documents": counts})
    else:
        held = f"{counted(sum(counts.values()), 'document')} of {counted(len(counts), 'table')}"
        print(f"{report.path}: {held}, verified")
