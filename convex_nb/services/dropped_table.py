"""Dropping a table: it, its documents and its indexes are gone for whoever reads the present."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from convex_nb.engine.committer import Conflict
from convex_nb.engine.namespaces import Namespace
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.qualified_names import component_of, local_name

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot

SOURCE: Final = "drop"
"""What others that conflict with it are told."""


def drop_table(database: Database, table: str) -> int:
    """Drop a table, given by its whole name, as one commit; how many documents it had. Costs O(1).

    Its number stays its own, so that ids of it that other documents hold never become those of another table. Raises
    `InvalidValueError` for one that does not exist or that the schema in force names; nothing is dropped then.
    """
    while True:
        transaction = database.begin()
        head = transaction.snapshot
        _check_droppable(head, table)
        transaction.drop(table)
        try:
            database.commit(transaction, SOURCE)
        except Conflict:
            continue
        return len(head.tables[table])


def _check_droppable(head: Snapshot, table: str) -> None:
    name, component = local_name(table), component_of(table)
    whose = f' of the component "{component}"' if component else ""
    if table not in head.tables:
        namespace = Namespace.of(component)
        known = sorted([local_name(each) for each in head.tables if namespace.holds(each)])
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidValueError(f"There is no table {name!r}{whose}: nothing was dropped.{hint}", value=name)
    if head.schema is not None and table in head.schema.tables:
        how = f"Install {component!r} with" if component else "Push"
        raise InvalidValueError(
            f"The schema{whose} names the table {name!r}: nothing was dropped. {how} a schema without it first, and "
            "then drop it.",
            value=name,
        )
