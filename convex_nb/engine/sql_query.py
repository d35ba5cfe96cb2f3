"""Read-only SQL over the tables of one snapshot."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.duckdb_cursor import cursor
from convex_nb.engine.system_tables import is_system_table
from convex_nb.engine.table import BY_CREATION_TIME
from convex_nb.language.errors import SqlError
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.values import Id, Int64

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from convex_nb.engine.reader import DatabaseReader
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.sql_result import SqlResult
    from convex_nb.engine.table import TableState

_INSTEAD: Final[Mapping[str, str]] = {
    "INSERT": 'dep.transact(lambda db: db.insert("{table}", {{...}}))',
    "UPDATE": 'dep.transact(lambda db: db.patch("{table}", id, {{...}}))',
    "DELETE": 'dep.transact(lambda db: db.delete("{table}", id))',
    "MERGE_INTO": 'a mutation that reads, and then calls `db.patch` or `db.insert("{table}", {{...}})`',
    "CREATE": 'dep.push(define_schema({{"{table}": define_table({{...}})}}))',
    "ALTER": 'dep.push(define_schema({{"{table}": define_table({{...}})}}))',
    "DROP": "dep.push(...) with a schema that does not have it",
    "COPY": "dep.table(name).df(), and what pandas writes",
    "EXPORT": "dep.table(name).df(), and what pandas writes",
    "MULTI": "PIVOT ... ON column IN (value, value): a PIVOT that finds its columns by itself makes a type first",
}
_TARGET: Final = re.compile(
    r'\b(?:into|update|from|table|truncate)\s+(?:if\s+(?:not\s+)?exists\s+)?"?(\w+)', re.IGNORECASE
)
_WRITING_NODE: Final = re.compile(r"(INSERT|UPDATE|DELETE|MERGE)\w*_NODE")
_BY_NAME_IN_A_TEXT: Final = frozenset({"query", "query_table"})


class SqlQuery:
    """One SELECT statement, parsed: what it reads, and what it has to be given.

    ``relations`` are the names of the tables and frames that it reads, as they are written; ``parameters`` the names
    behind ``$``. Raises ``SqlError`` for anything but one reading statement.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql
        with cursor() as duckdb:
            self.parameters = self._checked(duckdb)
            (text,) = duckdb.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone() or ("",)
        tree = json.loads(text)
        if tree["error"]:
            raise self._error(f"This cannot be run: {tree['error_message']}")
        self.relations = frozenset(self._relations(tree["statements"], frozenset()))

    def __repr__(self) -> str:
        return f"SqlQuery({self.sql!r})"

    def tables(self, snapshot: Snapshot) -> dict[str, TableState]:
        """The tables that the statement reads at a snapshot, by their names in it."""
        found = {relation: _table(snapshot, relation) for relation in self.relations}
        return {relation: state for relation, state in found.items() if state is not None}

    def run(
        self, snapshot: Snapshot, parameters: Mapping[str, Any] | None = None, frames: Mapping[str, Any] | None = None
    ) -> SqlResult:
        """The rows at a snapshot. ``frames`` (pandas, polars, Arrow) are tables by name where the database has none.

        Only what the statement names is converted, and typed columns of documents are shared. Any thread may call
        this. Raises ``SqlError`` with DuckDB's own message and the place in the statement.
        """
        from convex_nb.engine.sql_result import SqlResult

        given = {name: _plain(value) for name, value in (parameters or {}).items()}
        self._check_parameters(given)
        tables = self.tables(snapshot)
        import duckdb as module

        with cursor() as duckdb:
            try:
                for relation, state in tables.items():
                    _register(duckdb, relation, state)
                for name, frame in (frames or {}).items():
                    if name in self.relations and name not in tables:
                        duckdb.register(name, frame)
                rows = duckdb.sql(self.sql, params=given).to_arrow_table()
            except module.Error as error:
                raise self._explained(error, snapshot, frames or {}) from None
        names = frozenset(state.name for state in tables.values())
        return SqlResult(self.sql, rows, names, snapshot.timestamp)

    def read(
        self, db: DatabaseReader, parameters: Mapping[str, Any] | None = None, frames: Mapping[str, Any] | None = None
    ) -> SqlResult:
        """The same in a read-only transaction, which then depends on every table read, one that is yet to come too."""
        transaction = db._transaction
        tables = self.tables(transaction.snapshot)
        for relation in sorted(self.relations - (frames or {}).keys() | tables.keys()):
            transaction.count(
                tables[relation].name if relation in tables else relation, BY_CREATION_TIME, MIN_KEY, MAX_KEY
            )
        return self.run(transaction.snapshot, parameters, frames)

    # -- what may be run ---------------------------------------------------------------------------------------

    def _checked(self, duckdb: DuckDBPyConnection) -> frozenset[str]:
        """The names of the parameters of the one statement that there is."""
        import duckdb as module

        try:
            statements = duckdb.extract_statements(self.sql)
        except module.Error as error:
            raise self._error(str(error)) from None
        except TypeError:
            raise SqlError(f"SQL is a text, not {self.sql!r}.", sql=repr(self.sql)) from None
        if len(statements) != 1:
            raise self._error(f"One statement is run at a time, and this is {len(statements) or 'none'}.")
        kind = statements[0].type.name
        if kind != "SELECT":
            raise self._refused(kind)
        names = frozenset(statements[0].named_parameters)
        if any(name.isdecimal() for name in names):
            raise self._error("Parameters have names: write `$name`, and give name=value.")
        return names

    def _relations(self, node: Any, hidden: frozenset[str]) -> Iterator[str]:
        """The names after FROM and the like that are no names of common table expressions."""
        if isinstance(node, list):
            for item in node:
                yield from self._relations(item, hidden)
            return
        if not isinstance(node, dict):
            return
        kind = str(node.get("type", ""))
        if writing := _WRITING_NODE.fullmatch(kind):
            raise self._refused(writing[1])
        if kind == "BASE_TABLE" or (kind == "SHOW_REF" and node["show_type"] == "SHOW"):
            if not node["schema_name"] and node["table_name"].lower() not in hidden:
                yield node["table_name"]
        elif kind == "SHOW_REF" and node["query"] is None:
            raise self._error("The tables are not listed by SQL: `dep.tables` has them.")
        elif kind == "TABLE_FUNCTION" and node["function"]["function_name"] in _BY_NAME_IN_A_TEXT:
            raise self._error("A table that is named by a text cannot be followed: write its name in the statement.")
        elif kind == "RECURSIVE_CTE_NODE":
            hidden |= {node["cte_name"].lower()}
        for expression in (node.get("cte_map") or {"map": ()})["map"]:
            # Such an expression sees those before it, and not itself unless it is recursive.
            yield from self._relations(expression["value"], hidden)
            hidden |= {expression["key"].lower()}
        for name, item in node.items():
            if name != "cte_map":
                yield from self._relations(item, hidden)

    def _check_parameters(self, given: Mapping[str, Any]) -> None:
        if missing := self.parameters - given.keys():
            raise self._error(f"The statement has the parameter ${min(missing)}, which was not given.")
        if unknown := given.keys() - self.parameters:
            raise self._error(f"The statement has no parameter ${min(unknown)}.")

    # -- errors ------------------------------------------------------------------------------------------------

    def _refused(self, kind: str) -> SqlError:
        target = _TARGET.search(self.sql)
        instead = _INSTEAD.get(kind)
        text = f"SQL only reads here: {kind.replace('_', ' ')} was not run, and nothing was changed."
        if instead is not None:
            text += f" Use {instead.format(table=target[1] if target else 'table')}."
        return self._error(text)

    def _explained(self, error: Exception, snapshot: Snapshot, frames: Mapping[str, Any]) -> SqlError:
        text = str(error)
        unknown = sorted(self.relations - self.tables(snapshot).keys() - frames.keys())
        if unknown and "does not exist" in text:
            # DuckDB proposes its own catalog.
            text = re.sub(r'\nDid you mean "pg_\w*"\?', "", text)
            names = sorted([name for name in snapshot.tables if not is_system_table(name)])
            text += f"\nTables: {', '.join(names) or 'none'}."
        return self._error(text)

    def _error(self, text: str) -> SqlError:
        return SqlError(text, sql=self.sql)


def _table(snapshot: Snapshot, relation: str) -> TableState | None:
    """The table of this name, or the only one that differs from it in case at most, which is SQL's rule."""
    state = snapshot.tables.get(relation)
    if state is None:
        near = [state for name, state in snapshot.tables.items() if name.lower() == relation.lower()]
        state = near[0] if len(near) == 1 else None
    return state


def _register(duckdb: DuckDBPyConnection, name: str, state: TableState) -> None:
    from convex_nb.engine.columnar import ALIVE, table_with_dead_rows

    table = table_with_dead_rows(state)
    if ALIVE not in table.column_names:
        duckdb.register(name, table)
        return
    # A mask costs the scan little; without the dead rows every column would have to be copied.
    duckdb.register(f"${name}", table)
    duckdb.execute(
        f'CREATE TEMP VIEW {_quoted(name)} AS SELECT * EXCLUDE ("{ALIVE}") FROM {_quoted(f"${name}")} WHERE "{ALIVE}"'
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(value: Any) -> Any:
    """A parameter as DuckDB takes it."""
    if isinstance(value, Int64):
        return int(value)
    if isinstance(value, Id):
        return str(value)
    # numpy's scalars.
    item = getattr(value, "item", None)
    return item() if item is not None and getattr(value, "shape", None) == () else value
