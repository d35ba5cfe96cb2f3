"""`convex-nb data`: the tables, and the documents of one."""

from __future__ import annotations

import csv
import json
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from convex_nb.cli.component import add_component, component_of
from convex_nb.cli.options import nearest
from convex_nb.cli.place import add_place, open_to_read, place_of, shift
from convex_nb.cli.problems import OK
from convex_nb.language.encoding import to_json, to_plain_json
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.value_types import UNDEFINED, Id

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.deployment.components.installed import InstalledComponent
    from convex_nb.deployment.data.tables import Table
    from convex_nb.deployment.deployment import Deployment

    Owner: TypeAlias = Deployment | InstalledComponent
    """Whose tables are meant."""

DESCRIPTION: Final = """\
List the tables with their documents and indexes; or print the documents of one, the newest first.

The file is opened for reading only, so this works beside a notebook that writes it. The system's tables
_scheduled_functions and _storage can be read, too. json and jsonl keep every type; csv and pretty are for
spreadsheets and for people."""
USAGE: Final = "[FILE] [TABLE] [--component PATH] [--limit N] [--order asc|desc] [--format FORMAT]"
EXAMPLES: Final = """\
  convex-nb data app.convex
  convex-nb data app.convex messages --limit 20 --order asc
  convex-nb data messages --format jsonl > messages.jsonl        FILE is in pyproject.toml"""

LIMIT: Final = 100
AUTOMATIC: Final = ("by_id", "by_creation_time")
"""The indexes that every table has."""


def configure(parser: OptionParser) -> None:
    """Add the options of `data`."""
    add_place(parser)
    parser.add_argument("table", metavar="TABLE", nargs="?", help="without it, the tables are listed")
    add_component(parser, "the tables")
    parser.add_argument(
        "--limit", type=_amount, default=LIMIT, metavar="N", help=f"at most so many documents; {LIMIT} unless said"
    )
    parser.add_argument("--order", choices=("asc", "desc"), default="desc", help="oldest or newest first; desc")
    parser.add_argument(
        "--format", choices=("pretty", "json", "jsonl", "csv"), help="pretty, or json where --json is given"
    )


def run(options: Namespace, console: Console) -> int:
    """Print tables or documents."""
    shift(options, "table")
    with open_to_read(place_of(options)) as deployment:
        owner = component_of(deployment, options) if options.component else deployment
        if options.table is None:
            _print_tables(owner, console)
        else:
            rows = _documents(owner, options.table, options.order, options.limit)
            shown = options.format or ("json" if console.json else "pretty")
            _print_rows(rows, shown, console)
            total = owner.table(options.table).count()
            if shown == "pretty" and not total:
                console.say("The table is empty.")
            elif shown == "pretty" and len(rows) == options.limit < total:
                console.say(f"{len(rows):,} of {total:,} documents; --limit shows more.")
    return OK


def _amount(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a number of documents")
    return int(text)


def _print_tables(owner: Owner, console: Console) -> None:
    from convex_nb.views.sheet import Heading, Sheet

    tables = owner.tables
    if console.json:
        console.line(
            [
                {
                    "name": name,
                    "documents": table.count(),
                    "indexes": {index: list(fields) for index, fields in table.indexes.items()},
                    "searches": table.searches,
                }
                for name, table in tables.items()
            ]
        )
        return
    rows = [[name, f"{table.count():,}", _indexes(table)] for name, table in tables.items()]
    if rows:
        console.sheet(Sheet([Heading("table"), Heading("documents", "right"), Heading("indexes")], rows))
    else:
        console.say("There are no tables yet.")


def _indexes(table: Table) -> str:
    ordinary = {name: ", ".join(fields) for name, fields in table.indexes.items() if name not in AUTOMATIC}
    return ", ".join(f"{name} ({what})" for name, what in (ordinary | table.searches).items())


def _documents(owner: Owner, table: str, order: str, limit: int) -> list[Mapping[str, Any]]:
    is_system = table.startswith("_")
    if not is_system and table not in owner.tables:
        known = owner.tables
        raise InvalidValueError(
            f"There is no table {table!r}.{nearest(table, known)} There are: {', '.join(known) or 'none yet'}.",
            value=table,
        )

    def newest(db: Any) -> list[Mapping[str, Any]]:
        documents: list[Mapping[str, Any]] = (db.system if is_system else db).query(table).order(order).take(limit)
        return documents

    return owner.transact(newest)


def _print_rows(documents: Sequence[Mapping[str, Any]], shown: str, console: Console) -> None:
    if shown == "json":
        console.value(documents)
    elif shown == "jsonl":
        for document in documents:
            console.line(to_json(document))
    elif shown == "csv":
        _print_csv(documents)
    else:
        _print_sheet(documents, console)


def _print_csv(documents: Sequence[Mapping[str, Any]]) -> None:
    columns = _columns(documents)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for document in documents:
        writer.writerow([_csv_cell(document.get(column, UNDEFINED)) for column in columns])


def _csv_cell(value: Any) -> Any:
    if value is UNDEFINED or value is None:
        return ""
    plain = to_plain_json(value)
    return plain if isinstance(plain, (str, float, int)) and not isinstance(plain, bool) else json.dumps(plain)


def _print_sheet(documents: Sequence[Mapping[str, Any]], console: Console) -> None:
    from convex_nb.views.cells import cell_text, time_text
    from convex_nb.views.sheet import Heading, Sheet

    def text(column: str, value: Any) -> str:
        if column == "_creationTime":
            return time_text(value)
        # Whole, for it is there to be copied.
        return str(value) if isinstance(value, Id) else cell_text(value)

    columns = _columns(documents)
    rows = [[text(column, document.get(column, UNDEFINED)) for column in columns] for document in documents]
    if rows:
        headings = [Heading(column, "right" if _is_numeric(documents, column) else "left") for column in columns]
        console.sheet(Sheet(headings, rows))


def _is_numeric(documents: Sequence[Mapping[str, Any]], column: str) -> bool:
    return column != "_creationTime" and all(
        isinstance(value := document.get(column, UNDEFINED), (int, float)) and not isinstance(value, bool)
        for document in documents
    )


def _columns(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the fields of all documents, the system's first."""
    found = dict.fromkeys(field for document in documents for field in document)
    return sorted(found, key=lambda field: not field.startswith("_"))
