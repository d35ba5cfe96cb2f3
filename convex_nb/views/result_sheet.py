"""A result as a static table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from convex_nb.language.describing import counted
from convex_nb.views.cells import cell_text
from convex_nb.views.columns import Columns
from convex_nb.views.messages import Column
from convex_nb.views.sheet import Heading, Sheet
from convex_nb.views.window import Window, field, kind_of

ROWS_MOST: Final = 20


def sheet_of(value: Any, *, title: str = "", caption: str = "") -> Sheet:
    """Return the first rows of a result, or the one value that it is."""
    if kind_of(value) != "table":
        return Sheet([Heading("value")], [[cell_text(value)]], title=title, caption=caption)
    page = Window(value, size=ROWS_MOST).page()
    return sheet_of_rows(page, Columns().widen(page), len(value), title=title, caption=caption)


def sheet_of_rows(
    page: Sequence[Any],
    columns: Sequence[Column],
    total: int,
    of_columns: int = 0,
    *,
    title: str = "",
    caption: str = "",
    **rest: str,
) -> Sheet:
    """Return rows as a table, own fields only where there are any; the caption begins with how many rows there are, and
    says how many of its `of_columns` a reader has hidden."""
    # Ids and creation times say little on paper, and would make every execution of a notebook look different.
    shown = [column for column in columns if not column["system"]] or list(columns)
    headings = [Heading(column["name"], column["align"]) for column in shown]
    texts = [[cell_text(field(row, column["name"])) for column in shown] for row in page]
    count = counted(total, "row")
    if len(page) < total:
        count += f", {len(page)} shown"
    if len(columns) < of_columns:
        count += f"; {len(columns)} of {of_columns} columns"
    return Sheet(headings, texts, title=title, caption=f"{count}; {caption}" if caption else count, **rest)
