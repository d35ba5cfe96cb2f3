"""`%convex export | import | history`: data in and out, and what it was before."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from convex_nb.language.documents import Document
from convex_nb.language.ordering import same_value
from convex_nb.language.values import UNDEFINED
from convex_nb.notebook.options import nearest
from convex_nb.views.card import Card
from convex_nb.views.cells import preview, time_text
from convex_nb.views.sheet import Heading, Sheet

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment

SHOWN: Final = 50
"""So many revisions are shown, the newest."""
_VALUE: Final = 30


def export(deployment: Deployment, path: str, *table: str) -> Card:
    """Write all tables to a ZIP file, or one to a CSV, JSON, Parquet or Arrow file."""
    name = _words(table, "export PATH [TABLE]", most=1)
    written = deployment.export(path, *name)
    size = written.stat().st_size
    what = f"the table {name[0]}" if name else f"{len(deployment.tables)} tables"
    return Card([[("plain", f"exported {what} to"), ("name", str(written)), ("soft", f"{size:,} bytes")]])


def import_file(deployment: Deployment, table: str, path: str, *mode: str) -> Card:
    """Add the rows of a file to a table; with `replace` after it put them in place of what it holds."""
    words = _words(mode, "import TABLE PATH [append|replace|fail]", most=1)
    if path.lower().endswith(".zip"):
        raise UsageError(
            f"%convex import takes one table's file: dep.import_zip({path!r}) imports all tables of a ZIP."
        )
    before = deployment.table(table).count()
    imported = deployment.import_table(table, path, *words)
    count = imported.count()
    of = "" if words == ["replace"] or not before else f", {count:,} in all"
    return Card([[("plain", f"imported {count - (0 if not of else before):,} documents into"), ("name", table + of)]])


def history(deployment: Deployment, *given: str) -> Sheet:
    """What changed, newest first: in all tables and what is set up, in one table, or the versions of one document."""
    table, id = [*_words(given, "history [TABLE] [ID]", most=2), None, None][:2]
    if table is not None and table not in deployment.tables:
        raise UsageError(f"%convex history: there is no table {table!r}.{nearest(table, deployment.tables)}")
    lines: list[tuple[float, str, str, str, str, str]] = [
        (each.timestamp / 1e6, each.source, each.table, each.id, *_difference(each.old, each.new))
        for each in deployment.revisions(table, id, limit=SHOWN)
    ]
    if table is None:
        # What else is kept of the past: those of functions are in the cells.
        events = [each for each in deployment.audit if each.what != "function"]
        lines += [(each.time_ms, each.what, "", each.name, each.action, each.detail) for each in events]
        lines = sorted(lines, reverse=True)[:SHOWN]
    newest = time_text(lines[0][0])[:11] if lines else ""
    rows = [[time_text(time_ms).removeprefix(newest), *rest] for time_ms, *rest in lines]
    headings = [Heading(name) for name in ("time (UTC)", "made by", "table", "document or name", "what", "fields")]
    caption = f"the newest {SHOWN}; all: dep.revisions(limit=...), dep.audit" if len(lines) >= SHOWN else ""
    return Sheet(headings, rows, caption=caption if rows else "Nothing has changed in the time that is kept.")


def _difference(old: Document | None, new: Document | None) -> tuple[str, str]:
    """What was done to a document, and the fields that it did it to."""
    if old is None or new is None:
        document = new if new is not None else old
        assert document is not None
        fields = [f"{name}: {preview(value, _VALUE)}" for name, value in document.items() if not name.startswith("_")]
        return "deleted" if new is None else "inserted", ", ".join(fields)
    changed = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, UNDEFINED), new.get(name, UNDEFINED)
        if before is UNDEFINED:
            changed.append(f"+{name}: {preview(after, _VALUE)}")
        elif after is UNDEFINED:
            changed.append(f"-{name}: {preview(before, _VALUE)}")
        elif not same_value(before, after):
            changed.append(f"{name}: {preview(before, _VALUE)} → {preview(after, _VALUE)}")
    return "changed", ", ".join(changed) or "nothing"


def _words(rest: tuple[str, ...], usage: str, most: int) -> list[Any]:
    try:
        words = shlex.split(" ".join(rest))
    except ValueError as error:
        raise UsageError(f"%convex {usage}: {error}.") from None
    if len(words) > most:
        raise UsageError(f"%convex {usage}: {words[most]!r} is one word too many.")
    return words
