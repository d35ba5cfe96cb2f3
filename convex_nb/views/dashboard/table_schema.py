"""The schema of a table and its indexes, as they are in force and as the documents suggest them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from convex_nb.views.dashboard.blocks import Block, Line, code, grid, words

if TYPE_CHECKING:
    from convex_nb.language.schema import TableDefinition
    from convex_nb.views.dashboard.owner import OwnedPage

INFERRED_MOST: Final = 200_000
"""Documents from which a schema is inferred without being asked twice."""


def schema_blocks(page: OwnedPage, table: str, declared: TableDefinition | None) -> Iterable[Block]:
    """What is in force of a table, and what its documents suggest."""
    here = page.owner.tables[table]
    lines: list[Line] = [
        {"key": name, "cells": [name, ", ".join(fields), "ready"]} for name, fields in here.indexes.items()
    ]
    lines += [{"key": name, "cells": [name, what, "ready"]} for name, what in here.searches.items()]
    lines += [
        {
            "key": f"staged {name}",
            "cells": [name, ", ".join(each.fields), f"staged: {each.indexed:,} of {each.rows:,} rows"],
        }
        for name, each in here.staged.items()
    ]
    yield grid("indexes", "Indexes", ["index", "fields", "state"], lines, "No indexes.")
    if declared is not None:
        yield code("saved", f"Schema in force{_where(page)}", _cell(page, table, declared), open=True)
    else:
        yield words("unsaved", f"The schema does not name {table}: its documents may have any fields.", "soft")
    if here.count() > INFERRED_MOST:
        call = f"dep.infer_schema({table!r}{f', component={page.component!r}' if page.component else ''})"
        yield words("large", f"{table} is large: {call} infers its schema from all documents.", "soft")
        return
    inferred = _inferred(page, table)
    if inferred is not None:
        yield code("inferred", f"Schema inferred from the documents{_where(page)}", inferred, open=declared is None)


def _inferred(page: OwnedPage, table: str) -> str | None:
    if not page.owner.tables[table].count():
        return None
    # Inferred when the panel is opened, not again at each commit.
    kept = page.memory.get("inferred")
    if kept is None or kept[0] != table:
        definition = page.deployment.infer_schema(table, component=page.component).tables[table]
        kept = page.memory["inferred"] = (table, _cell(page, table, definition))
    return str(kept[1])


def _where(page: OwnedPage) -> str:
    return "" if page.component else ", as a cell"


def _cell(page: OwnedPage, table: str, definition: TableDefinition) -> str:
    text = f"{table} = {definition.to_code()}"
    return text if page.component else f"%%convex_schema\n{text}"
