"""What a reader does with a table as a whole: clear it, and drop it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convex_nb.language.describing import counted
from convex_nb.views.dashboard.blocks import Button, button
from convex_nb.views.dashboard.owner import OwnedPage


class WholeTables(OwnedPage):
    """A page on which a table is chosen."""

    @property
    def table(self) -> str | None:
        """The table that is shown."""
        raise TypeError("a page of tables shows one")

    def table_buttons(self, table: str) -> list[Button]:
        """What can be done with all of it."""
        buttons = []
        if self.owner.tables[table].count():
            buttons.append(button("Clear table", "clear", "delete all documents of this table", tone="bad"))
        schema = self.owner.schema
        if schema is None or table not in schema.tables:
            # Of one that the schema names there would be an empty one again.
            buttons.append(button("Drop table", "drop", "delete this table and all of its documents", tone="bad"))
        return buttons

    def do_clear(self, _: Mapping[str, Any]) -> None:
        table, component = str(self.table), self.component
        count = self.owner.tables[table].count()

        def clear() -> str:
            self.deployment.clear_tables(table, component=component)
            return f"{table} was cleared."

        self.ask(f"Delete all {counted(count, 'document')} of {table}?", "Clear table", table, clear)

    def do_drop(self, _: Mapping[str, Any]) -> None:
        table, component = str(self.table), self.component
        count = self.owner.tables[table].count()

        def drop() -> str:
            self.deployment.drop_table(table, component=component)
            return f"{table} was dropped."

        self.ask(f"Drop {table} and its {counted(count, 'document')}?", "Drop table", table, drop)
