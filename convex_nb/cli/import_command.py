"""`convex-nb import`: rows of a file into a table, or a ZIP file into many."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convex_nb.cli.component import add_component
from convex_nb.cli.place import add_create, add_place, open_to_write, place_of, shift
from convex_nb.cli.problems import FAILED, OK, UsageError
from convex_nb.language.describing import counted
from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.services.transfer.zip_import import ZipMode

DESCRIPTION: Final = """\
Import the rows of a CSV, JSON lines, JSON, Parquet or Arrow file into a table, or the tables of a ZIP file that
convex-nb export or Convex wrote: all documents, or none.

A table that has documents is refused unless --append, --replace or --replace-all is given. Rows keep their _id and
_creationTime where they have them. A row that does not fit is named with its line and field."""
USAGE: Final = "[FILE] SOURCE [--table TABLE] [--component PATH] [--append | --replace | --replace-all]"
EXAMPLES: Final = """\
  convex-nb import app.convex trips.csv --table trips --create
  convex-nb import messages.jsonl --table messages --replace --yes        FILE is in pyproject.toml
  convex-nb import snapshot.zip --replace-all
  gunzip -c trips.csv.gz | convex-nb import - --format csv --table trips --append"""

FORMATS: Final = ("csv", "tsv", "json", "jsonl", "parquet", "arrow", "zip")


def configure(parser: OptionParser) -> None:
    """Add the options of `import`."""
    add_place(parser)
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="the file to import; - reads stdin, with --format")
    parser.add_argument("--table", metavar="TABLE", help="the table to import into; of a ZIP file its own")
    add_component(parser, "that table")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--append", action="store_true", help="add to the documents that there are")
    mode.add_argument("--replace", action="store_true", help="put the rows in the place of the table's documents")
    mode.add_argument(
        "--replace-all", action="store_true", help="the same, and empty all other tables; of a ZIP file only"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="what is in it, if not by its name",
    )
    parser.add_argument("--encoding", default="utf-8", help="of a text file, as in utf-16; utf-8")
    parser.add_argument(
        "--infer",
        choices=("convex", "typed"),
        default="convex",
        help="cells of a CSV file: numbers and text (convex), or booleans, times and missing too (typed); convex",
    )
    parser.add_argument(
        "--chunk-rows", metavar="N", type=_count, help="with --append: a commit for so many rows, for huge files"
    )
    parser.add_argument(
        "--first-row", metavar="N", type=_count, default=0, help="go on from this row, as an interrupted import said"
    )
    parser.add_argument("--yes", action="store_true", help="replace without asking; only a terminal is asked")
    add_create(parser)


def run(options: Namespace, console: Console) -> int:
    """Import; print how many documents came."""
    shift(options, "source")
    if options.source is None:
        raise UsageError("Which file is to be imported? See convex-nb import --help.")
    is_zip = options.format == "zip" or (options.format is None and options.source.lower().endswith(".zip"))
    _check(options, is_zip)
    # Before a deployment is begun, or asked what it would replace.
    if options.source != "-" and not Path(options.source).expanduser().exists():
        raise InvalidValueError(f"There is no file {options.source}: nothing was imported.", value=options.source)
    with open_to_write(place_of(options), create=options.create) as deployment:
        return _import_zip(deployment, options, console) if is_zip else _import(deployment, options, console)


def _check(options: Namespace, is_zip: bool) -> None:
    if is_zip and options.table is not None:
        raise UsageError("A ZIP file names its own tables: leave --table out.")
    if is_zip and options.component:
        raise UsageError("A ZIP file names the components of its tables: leave --component out.")
    if is_zip and options.source == "-":
        raise UsageError("A ZIP file cannot be read from stdin: write it to a file first.")
    if not is_zip and options.table is None:
        raise UsageError(
            f"Into which table? Say --table {'NAME' if options.source == '-' else Path(options.source).stem}."
        )
    if not is_zip and options.replace_all:
        raise UsageError("--replace-all is for a ZIP file, which holds all tables. Say --replace for one table.")
    if options.source == "-" and options.format is None:
        raise UsageError("What is in stdin? Say --format csv, or another of those that --help names.")
    if options.chunk_rows is not None and not options.append:
        raise UsageError("--chunk-rows takes --append: the rows arrive in several commits.")


def _import(deployment: Deployment, options: Namespace, console: Console) -> int:
    table = options.table
    before = deployment.table(table, component=options.component).count()
    if before and not (options.append or options.replace):
        raise InvalidValueError(
            f"The table {table!r} has {counted(before, 'document')}: nothing was imported. Say --append to add to "
            "them, or --replace to put the rows in their place."
        )
    asks = before and options.replace and not options.yes
    if asks and not console.confirm(f"Replace the {counted(before, 'document')} of {table}?"):
        console.say("Nothing was imported.")
        return FAILED
    deployment.import_table(
        table,
        sys.stdin.buffer if options.source == "-" else Path(options.source),
        "replace" if options.replace else "append" if options.append else "fail",
        format=options.format,
        encoding=options.encoding,
        infer=options.infer,
        chunk_rows=options.chunk_rows,
        first_row=options.first_row,
        component=options.component,
        progress=console.progress,
    )
    count = deployment.table(table, component=options.component).count()
    imported = count if options.replace else count - before
    if console.json:
        console.line({"table": table, "imported": imported, "documents": count})
    else:
        print(f"{table}: {counted(imported, 'document')} imported, {count:,} in all")
    return OK


def _import_zip(deployment: Deployment, options: Namespace, console: Console) -> int:
    total = sum(table.count() for table in deployment.tables.values())
    which = "all tables" if options.replace_all else f"the tables that {options.source} holds"
    asks = total and (options.replace or options.replace_all) and not options.yes
    if asks and not console.confirm(f"Replace the documents of {which}? There are {total:,} in all."):
        console.say("Nothing was imported.")
        return FAILED
    mode: ZipMode = "append" if options.append else "replace" if options.replace else "fail"
    mode = "replace_all" if options.replace_all else mode
    counts = deployment.import_zip(Path(options.source), mode, progress=console.progress)
    if console.json:
        console.line({"imported": counts})
    else:
        for table, count in counts.items():
            print(f"{table}: {counted(count, 'document')} imported")
    return OK


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text)
