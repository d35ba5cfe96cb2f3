"""Tables as a whole: reading them, SQL, the past, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convex_nb.deployment.data.backups import Backups
from convex_nb.deployment.data.feed import Feed
from convex_nb.deployment.data.fork import Forking
from convex_nb.deployment.data.past import Past, When, timestamp_of
from convex_nb.deployment.data.place import Durability, save_place
from convex_nb.deployment.data.tables import Table, Tables
from convex_nb.deployment.data.transfer import Transfer
from convex_nb.engine.names import check_table_name
from convex_nb.engine.system_tables import is_system_table
from convex_nb.functions.execution import note_outside
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.qualified_names import component_of, local_name, qualified
from convex_nb.language.schema import define_schema
from convex_nb.services.whole_tables import clear_tables, drop_table

if TYPE_CHECKING:
    from convex_nb.engine.sql.sql_result import SqlResult
    from convex_nb.language.schema import SchemaDefinition, TableDefinition


class Data(Transfer, Feed, Forking, Backups):
    """What a deployment does with tables, without functions."""

    @property
    def tables(self) -> Tables:
        """The tables, by name."""
        return Tables(self._head)

    @property
    def path(self) -> Path | None:
        """The file that it lives in, or `None` in memory."""
        return self._database.log.path

    @property
    def place(self) -> str | None:
        """The file that it lives in, or the address of its PostgreSQL database without a password; `None` in memory."""
        return self._database.log.place

    @property
    def timestamp(self) -> int:
        """The newest commit: nanoseconds since the epoch, strictly increasing."""
        return self._database.head.timestamp

    def table(self, name: str, *, component: str = "") -> Table:
        """A whole table: `.df()`, `.arrow()`, `.count()`. One that does not exist yet is empty.

        Of the application, or of the `component` at this path.
        """
        note_outside("table", "ctx.db.query(...)")
        return Table(name, self._head, component)

    def clear_tables(self, *names: str, component: str = "") -> int:
        """Delete all documents of these tables as one commit, and keep the tables; how many documents there were.

        Of the application, or of the `component` at this path. One that does not exist is empty already. Costs O(1).
        """
        self._check_open()
        number = clear_tables(self._database, [qualified(component, check_table_name(name)) for name in names])
        self._after_commit()
        return number

    def drop_table(self, name: str, *, component: str = "") -> int:
        """Drop a table, its documents and its indexes; how many documents it had. The past keeps them, as always.

        Of the application, or of the `component` at this path. Raises `InvalidValueError` for a table that does not
        exist, and for one that the schema names: push a schema without it first. Costs O(1).
        """
        self._check_open()
        number = drop_table(self._database, qualified(component, check_table_name(name)))
        self._after_commit()
        return number

    def infer_schema(self, *tables: str, component: str = "") -> SchemaDefinition:
        """The narrowest usual schema that fits what is stored, of these tables or of all: `.to_code()` shows it.

        Of the application, or of the `component` at this path. Indexes are those in force. Costs O(documents). Raises
        `InvalidValueError` for a table that does not exist.
        """
        from convex_nb.engine.inference import shape_of

        head = self._head()
        inferred: dict[str, TableDefinition] = {}
        numbers = self._database.table_names.items()
        names = {number: local_name(each) if component_of(each) == component else each for number, each in numbers}
        for name in tables or tuple(Tables(self._head, component)):
            state = head.tables.get(qualified(component, name))
            if state is None or is_system_table(name):
                raise InvalidValueError(f"There is no table {name!r} to infer a schema from.", value=name)
            table = shape_of(state).table(names)
            for index in () if state.definition is None else state.definition.indexes:
                table = table.index(index.name, list(index.fields), staged=index.staged)
            if state.definition is not None:
                searches, vectors = state.definition.search_indexes, state.definition.vector_indexes
                table = replace(table, search_indexes=searches, vector_indexes=vectors)
            inferred[name] = table
        return define_schema(inferred)

    def at(self, when: When) -> Past:
        """The deployment as it was: at a commit timestamp, at a datetime (UTC if it has no zone), or so long ago.

        Raises `LookupError` for a time before what is kept.
        """
        self._check_open()
        return Past(self._runner, self._database.at(timestamp_of(when, self._database.clock.now_ns())))

    def sql(self, sql: str, parameters: Mapping[str, Any] | None = None, /, **given: Any) -> SqlResult:
        """Run one SELECT of DuckDB's SQL over the tables as of the newest commit; it can reach nothing else.

        `$name` in it stands for a value given by name; a DataFrame or Arrow table given by name can be read from. The
        result has `.df()`, `.arrow()` and `.rows()`. Raises `SqlError`, for whatever would write as well.
        """
        from convex_nb.deployment.data.sql import run_sql

        note_outside("sql", "ctx.db.query(...)")
        return run_sql(self._head(), sql, {**(parameters or {}), **given})

    def save(self, path: str | PathLike[str], *, durability: Durability = "full") -> None:
        """Write everything to a new file, or to a PostgreSQL database, and live there from now on; functions, views and
        subscriptions stay.

        The file has this name once it is complete; `"postgresql://..."` is shared from then on. Raises
        `StorageExistsError`, `StorageError` and `DeploymentLockedError`; nothing changes then. The place that it lived
        in before is closed, and stays as it was.
        """
        self._check_open()
        save_place(self._database, path, durability, self._scheduling.claim)
        self._scheduling.moved()
        self._follow()
