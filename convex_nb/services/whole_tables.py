"""Tables as a whole: emptied, and dropped."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from convex_nb.engine.committer import Conflict
from convex_nb.engine.namespaces import Namespace
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.qualified_names import component_of, local_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot

CLEAR: Final = "clear"
DROP: Final = "drop"
"""What others that conflict with these are told."""


def clear_tables(database: Database, tables: Iterable[str]) -> int:
    """Delete all documents of tables, given by their whole names, as one commit; how many there were. Costs O(tables).

    The tables stay, and their indexes. One that does not exist is empty already.
    """
    while True:
        transaction = database.begin()
        sizes = {name: len(transaction.snapshot.tables.get(name, ())) for name in tables}
        for name, size in sizes.items():
            if size:
                transaction.recreate(name)
        try:
            database.commit(transaction, CLEAR)
        except Conflict:
            continue
        return sum(sizes.values())


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
            database.commit(transaction, DROP)
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
        how = f"Install {component!r} with a" if component else "Push a"
        what = "" if component else ", `dep.push(define_schema({...}))`,"
        raise InvalidValueError(
            f"The schema{whose} names the table {name!r}: nothing was dropped. {how} schema without it first{what} and "
            "then drop it.",
            value=name,
        )
