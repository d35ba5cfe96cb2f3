"""The tables that the system keeps for itself, beside those of users: which there are, and how they are found."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from convex_nb.language.errors import InvalidValueError
from convex_nb.language.qualified_names import local_name
from convex_nb.language.schema import define_table
from convex_nb.language.validators import v

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.language.schema import SchemaDefinition, TableDefinition


class SystemTable(NamedTuple):
    """One of them. Its number is in its ids, and so never changes; users read those that are public."""

    number: int
    public: bool
    indexes: Mapping[str, tuple[str, ...]]


SYSTEM_TABLES: Final[Mapping[str, SystemTable]] = {
    "_scheduled_functions": SystemTable(
        2,
        public=True,
        indexes={
            "by_state": ("state.kind", "scheduledTime"),
            "by_completed_time": ("completedTime",),
            "by_name": ("name", "state.kind", "scheduledTime"),
        },
    ),
    "_storage": SystemTable(3, public=True, indexes={"by_sha256": ("sha256",)}),
    "_cron_jobs": SystemTable(4, public=False, indexes={"by_name": ("name",), "by_next_run": ("nextRun",)}),
    "_cron_runs": SystemTable(5, public=False, indexes={"by_name": ("name",)}),
    "_environment": SystemTable(6, public=False, indexes={"by_name": ("name",)}),
    "_files": SystemTable(
        7, public=False, indexes={"by_file": ("file",), "by_token": ("token",), "by_number": ("number",)}
    ),
    "_session_requests": SystemTable(8, public=False, indexes={"by_request": ("session", "number")}),
    "_auth_providers": SystemTable(9, public=False, indexes={"by_position": ("position",)}),
    "_audit_log": SystemTable(10, public=False, indexes={}),
}
"""Whoever adds one gives it a number below `FIRST_USER_TABLE` that none of them has or had."""


def is_system_table(name: str) -> bool:
    """Whether this is the name of a system table, the application's or a component's."""
    return local_name(name).startswith("_")


def is_readable(name: str) -> bool:
    """Whether everybody may read a table of this name: those of users, and the public ones of the system."""
    local = local_name(name)
    return not local.startswith("_") or (local in SYSTEM_TABLES and SYSTEM_TABLES[local].public)


def definition_of(name: str, schema: SchemaDefinition | None) -> TableDefinition | None:
    """How a table is defined: by the system if it is one of the system's, else by the schema, else not at all."""
    if is_system_table(name):
        return _definition(local_name(name))
    return None if schema is None else schema.tables.get(name)


@lru_cache(64)
def _definition(name: str) -> TableDefinition | None:
    known = SYSTEM_TABLES.get(name)
    if known is None:
        # A file may hold one of a newer version.
        return None
    definition = define_table(v.any())
    for index, fields in known.indexes.items():
        definition = definition.index(index, list(fields))
    return definition


def check_system_table(name: object, *, public: bool = True) -> str:
    """``name`` if it is a (public) system table's. Raises ``InvalidValueError``."""
    if not isinstance(name, str):
        raise InvalidValueError(f"A table is named by a string, got {name!r}.", value=name)
    known = SYSTEM_TABLES.get(name)
    if known is not None and (known.public or not public):
        return name
    if not is_system_table(name):
        raise InvalidValueError(
            f"User tables cannot be accessed with db.system: {name!r} is one. Use `db` itself.", value=name
        )
    names = ", ".join(repr(each) for each, table in SYSTEM_TABLES.items() if table.public)
    raise InvalidValueError(f"There is no system table {name!r} to read. There are: {names}.", value=name)
