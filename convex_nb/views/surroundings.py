"""What a view says about the deployment around its query."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from convex_nb.deployment.definitions import document_of
from convex_nb.language.qualified_names import component_of
from convex_nb.views.columns import columns_of_table

if TYPE_CHECKING:
    from convex_nb.deployment.clients.paginated import Followed
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.language.schema import SchemaDefinition


class Surroundings:
    """The schema and the functions beside a query."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def columns(self, table: str) -> Mapping[str, str]:
        """Return the fields that the schema gives to a table, with the names of their types."""
        schema = self.schema
        definition = None if schema is None else schema.tables.get(table)
        return {} if definition is None else columns_of_table(definition)

    @property
    def schema(self) -> SchemaDefinition | None:
        """The schema of the newest commit, if there is one."""
        return self._deployment.schema

    def finder(self, on_stale: Callable[[], None]) -> Callable[[str], Followed] | None:
        """Return what follows the document of an id, whose value is None where there is none.

        None in an app that Voila serves: others look at it than the one who wrote it, and see what it shows.
        """
        if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
            return None
        return lambda id: self._deployment.watch(document_of, {"id": id}, on_stale)

    def commits(self) -> int:
        """Return how many commits there were so far. O(tables)."""
        return self._deployment.statistics().database.commits

    def _misspelt(self, table: str) -> str:
        """Return which table is meant by a name that no table has, if one is called almost so."""
        if table.startswith("_") or component_of(table):
            return ""
        known = {*self._deployment.tables, *(() if self.schema is None else self.schema.tables)}
        near = [] if table in known else get_close_matches(table, known, n=1)
        return f"Did you mean {near[0]!r}?" if near else ""

    def _writers(self, tables: list[str]) -> list[str]:
        return [
            path
            for path, function in self._deployment.functions.items()
            if function.kind == "mutation" and _inserts(function.handler, tables)
        ]

    def empty_note(self, tables: Iterable[str]) -> str:
        """Return a sentence for a query without rows: what it reads, and which function would add some."""
        names = sorted(tables)
        if not names:
            return "No rows. This query reads no table."
        for name in names:
            # What a mutation will bring into being is meant to be called so.
            if (hint := self._misspelt(name)) and not self._writers([name]):
                return f"No rows: there is no table {name!r}. {hint}"
        writers = self._writers(names)
        remedy = f" Run `{writers[0]}` to add some." if writers else ""
        return f"No rows yet. This query reads {_listed(names)}.{remedy}"


def _inserts(handler: Any, names: list[str]) -> bool:
    """Tell whether a handler's code inserts something, and holds one of the names as a text."""
    code = getattr(handler, "__code__", None)
    if code is None or "insert" not in code.co_names:
        return False
    return any(constant in names for constant in code.co_consts if isinstance(constant, str))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
