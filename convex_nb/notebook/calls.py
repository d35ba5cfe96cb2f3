"""What a mutation that was called from a cell has done: the card after the cell."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from convex_nb.language.qualified_names import component_of
from convex_nb.notebook.cards import call_card
from convex_nb.views.card import Card

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from convex_nb.deployment.deployment import Deployment


class Calls:
    """Remembers the newest commit of each thread, and makes cards of it.

    Commits of a thread since `begin` are counted, so that the card of the last does not look like that of all.
    """

    def __init__(self) -> None:
        self._listened: WeakSet[Deployment] = WeakSet()
        self._newest = threading.local()

    def listen(self, deployment: Deployment) -> None:
        """Follow a deployment's commits. Costs a tenth of a microsecond for each."""
        if deployment not in self._listened:
            self._listened.add(deployment)
            deployment.on_commit.append(self._committed)

    def _committed(self, commit: Any) -> None:
        self._newest.commit = commit
        self._newest.count = getattr(self._newest, "count", 0) + 1

    def begin(self) -> None:
        """A cell or a call starts, on this thread."""
        self._newest.commit = None
        self._newest.count = 0

    def writes(self) -> tuple[Any, ...]:
        """Return what the newest commit of this thread has written since `begin`."""
        commit = getattr(self._newest, "commit", None)
        return () if commit is None else commit.writes

    def card(self, deployment: Deployment) -> Card | None:
        """Return the card of the newest mutation, or None if there was none since `begin`."""
        # What is scheduled runs beside the cell, and may have ended after it.
        called = [
            record for record in deployment.logs.executions if record.kind == "mutation" and record.caller != "system"
        ]
        record = called[-1] if called else None
        if record is None or record.status != "success":
            return None
        commit = getattr(self._newest, "commit", None)
        if commit is not None and commit.source != record.path:
            commit = None
        printed = [line.message for line in deployment.logs if line.number == record.number]
        writes = () if commit is None else commit.writes
        before = getattr(self._newest, "count", 0) - (commit is not None)
        warnings = _misspelt(deployment, {write.table for write in writes if write.old is None})
        return call_card(record.path, record.duration_ms, writes, record.retries, printed, before, warnings)

    def close(self) -> None:
        """Follow nobody any more."""
        for deployment in self._listened:
            if self._committed in deployment.on_commit:
                deployment.on_commit.remove(self._committed)
        self._listened.clear()


def _misspelt(deployment: Deployment, tables: Iterable[str]) -> list[str]:
    """Return a warning for each table that no schema declares and whose name is almost that of one that is declared."""
    declared = () if deployment.schema is None else deployment.schema.tables
    strange = [
        table for table in sorted(tables) if table not in declared and table[0] != "_" and not component_of(table)
    ]
    return [
        f"the schema has no table {table!r}, which this cell has written to. Did you mean {near[0]!r}?"
        for table in strange
        if (near := get_close_matches(table, declared, n=1, cutoff=0.8))
    ]


def ends_in_mutation(shell: InteractiveShell, cell: str) -> bool:
    """Tell whether the last statement of a cell calls a mutation and, at most, gives its value a name.

    A semicolon after it asks for silence, as anywhere in IPython.
    """
    try:
        statements = ast.parse(shell.transform_cell(cell)).body
    except SyntaxError:
        return False
    last = statements[-1] if statements else None
    value = last.value if isinstance(last, (ast.Expr, ast.Assign, ast.AnnAssign)) else None
    if not isinstance(value, ast.Call) or shell.displayhook.semicolon_at_end_of_expression(cell):
        return False
    return _is_mutation(value.func, shell.user_ns)


def _is_mutation(called: ast.expr, namespace: Mapping[str, Any]) -> bool:
    if isinstance(called, ast.Name):
        return getattr(namespace.get(called.id), "kind", None) == "mutation"
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        # `dep.mutation(...)`, `dep.transact(...)`.
        owner = namespace.get(called.value.id)
        return called.attr in ("mutation", "transact") and hasattr(owner, "on_commit")
    return False
