"""`convex-nb export`: documents into files that other tools, and Convex, read."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from convex_nb.cli.component import add_component, component_of
from convex_nb.cli.place import add_place, open_to_read, place_of, shift
from convex_nb.cli.problems import OK, UsageError
from convex_nb.language.describing import counted

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Write all tables to a ZIP file, or one table to a CSV, JSON lines, JSON, Parquet or Arrow file.

It is one moment's state, while a notebook goes on writing. The ZIP keeps every type and id: convex-nb import and Convex
itself read it. In a folder, which is this one unless PATH is given, it is called snapshot_<timestamp>.zip."""
USAGE: Final = "[FILE] [PATH] [--table TABLE [--component PATH] | --without-files]"
EXAMPLES: Final = """\
  convex-nb export app.convex snapshot.zip
  convex-nb export trips.parquet --table trips        FILE is in pyproject.toml"""


def configure(parser: OptionParser) -> None:
    """Add the options of `export`."""
    add_place(parser)
    parser.add_argument("target", metavar="PATH", nargs="?", help="the file to write, or the folder to write it in")
    parser.add_argument("--path", metavar="PATH", help="the same")
    parser.add_argument("--table", metavar="TABLE", help="only this table; PATH says in which format")
    add_component(parser, "that table")
    parser.add_argument("--without-files", action="store_true", help="leave stored files out of the ZIP")


def run(options: Namespace, console: Console) -> int:
    """Export; print where to."""
    shift(options, "target")
    if options.target is not None and options.path is not None:
        raise UsageError(f"Two paths are given, {options.target} and {options.path}: which one?")
    path = options.target or options.path
    if path is None and options.table is not None:
        raise UsageError(f"Into which file? Write it after the command, as in {options.table}.csv.")
    if options.component and options.table is None:
        raise UsageError("Which table of the component? Say --table. A ZIP file has the tables of all components.")
    with open_to_read(place_of(options)) as deployment:
        owner = component_of(deployment, options) if options.component else deployment
        written = deployment.export(
            path or ".",
            options.table,
            component=options.component,
            include_files=not options.without_files,
            progress=console.progress,
        )
        tables = deployment.tables if options.table is None else [options.table]
        counts = {name: owner.table(name).count() for name in tables}
        files = 0 if options.table is not None or options.without_files else len(deployment.files)
    if console.json:
        console.line({"path": str(written), "documents": counts, "files": files})
    else:
        and_files = f", {counted(files, 'file')}" if files else ""
        print(f"{written}: {counted(sum(counts.values()), 'document')} of {counted(len(counts), 'table')}{and_files}")
    return OK
