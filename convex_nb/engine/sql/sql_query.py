"""Read-only SQL over the tables of one snapshot."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.sql.duckdb_cursor import cursor
from convex_nb.engine.sql.sql_tree import NO_FILES, SqlTree, UnknownReadError, WritingError
from convex_nb.engine.system_tables import is_readable, is_system_table
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.errors import SqlError
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.values import Id, Int64

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from convex_nb.engine.reading.reader import DatabaseReader
    from convex_nb.engine.segments.columns import ArrowTable
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.sql.sql_result import SqlResult
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
_OPTION: Final = r"(?:ANALYZE|FORMAT\s+\w+)"
_EXPLAIN: Final = re.compile(
    rf"(EXPLAIN(?:\s+ANALYZE\b)?(?:\s*\(\s*{_OPTION}(?:\s*,\s*{_OPTION})*\s*\))?)(?!\w)(.*)", re.IGNORECASE | re.DOTALL
)


class SqlQuery:
    """One SELECT statement, parsed: what it reads, and what it has to be given.

    ``relations`` are the names of the tables and frames that it reads, as they are written; ``parameters`` the names
    behind ``$``. ``is_followed`` is false where it is about something that no commit announces: the tables that there
    are, or DuckDB's plan. Raises ``SqlError`` for anything but one reading statement.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql
        with cursor() as duckdb:
            statement = self._only_statement(duckdb, sql)
            explained = _EXPLAIN.fullmatch(statement.query) if statement.type.name == "EXPLAIN" else None
            # What is explained has to be a SELECT as well: with ANALYZE it is run.
            self._explain, select = explained.groups() if explained else ("", sql)
            if explained:
                statement = self._only_statement(duckdb, select)
            if statement.type.name != "SELECT":
                raise self._refused(statement.type.name)
            self.parameters = self._names_of_parameters(statement)
            (text,) = duckdb.execute("SELECT json_serialize_sql($sql)", {"sql": select}).fetchone() or ("",)
        self._select = select
        tree = json.loads(text)
        if tree["error"]:
            raise self._error(f"This cannot be run: {tree['error_message']}")
        try:
            self._tree = SqlTree(tree["statements"])
        except WritingError as error:
            raise self._refused(error.kind) from None
        except UnknownReadError as error:
            raise self._error(str(error)) from None
        self.relations = self._tree.relations
        self.is_followed = not self._explain and not self._tree.lists_tables

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
        import duckdb as module
        import pyarrow as pa

        from convex_nb.engine.sql.sql_result import SqlResult

        given = {name: _plain(value) for name, value in (parameters or {}).items()}
        self._check_parameters(given)
        tables = self.tables(snapshot)
        others = {name: frame for name, frame in (frames or {}).items() if name in self.relations - tables.keys()}
        if self._tree.lists_tables:
            others |= dict.fromkeys(set(_user_tables(snapshot)) - tables.keys(), pa.table({"_id": []}))
        try:
            try:
                rows = self._rows(tables, self._tree.columns, others, given)
            except module.BinderException:
                # Some name means nothing: DuckDB proposes others, of all that there are.
                rows = self._rows(tables, lambda _: None, others, given)
        except module.Error as error:
            raise self._explained(error, snapshot, frames or {}) from None
        read = frozenset(state.name for state in tables.values())
        return SqlResult(self.sql, rows, read, snapshot.timestamp, is_plan=bool(self._explain))

    def _rows(
        self,
        tables: Mapping[str, TableState],
        columns: Callable[[str], Collection[str] | None],
        frames: Mapping[str, Any],
        parameters: Mapping[str, Any],
    ) -> ArrowTable:
        with cursor() as duckdb:
            for relation, state in tables.items():
                _register(duckdb, relation, state, columns(relation))
            for name, frame in frames.items():
                duckdb.register(name, frame)
            return duckdb.sql(f"{self._explain} {self._select}", params=dict(parameters)).to_arrow_table()

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

    def _only_statement(self, duckdb: DuckDBPyConnection, sql: str) -> Any:
        import duckdb as module

        try:
            statements = duckdb.extract_statements(sql)
        except module.Error as error:
            raise self._error(str(error)) from None
        except TypeError:
            raise SqlError(f"SQL is a text, not {self.sql!r}.", sql=repr(self.sql)) from None
        if len(statements) != 1:
            raise self._error(f"One statement is run at a time, and this is {len(statements) or 'none'}.")
        return statements[0]

    def _names_of_parameters(self, statement: Any) -> frozenset[str]:
        names = frozenset(statement.named_parameters)
        if any(name.isdecimal() for name in names):
            raise self._error("Parameters have names: write `$name`, and give name=value.")
        return names

    def _check_parameters(self, given: Mapping[str, Any]) -> None:
        if missing := self.parameters - given.keys():
            name = min(missing)
            raise self._error(
                f"The statement has the parameter ${name}, which was not given: it was not run. Give it by name, as in "
                f"dep.sql(..., {name}=value)."
            )
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
        # DuckDB proposes its own catalog.
        text = re.sub(r'\nDid you mean "pg_\w*"\?', "", str(error))
        if "file system operations are disabled" in text:
            return self._error(f"{text}\n{NO_FILES}")
        unknown = sorted(self.relations - self.tables(snapshot).keys() - frames.keys())
        if unknown and "does not exist" in text:
            text += f"\nTables: {', '.join(_user_tables(snapshot)) or 'none'}."
            if unknown[0].isidentifier():
                text += f" A frame is given by name, as in dep.sql(..., {unknown[0]}=frame)."
        return self._error(text)

    def _error(self, text: str) -> SqlError:
        return SqlError(text, sql=self.sql)


def _user_tables(snapshot: Snapshot) -> list[str]:
    return sorted([name for name in snapshot.tables if not is_system_table(name)])


def _table(snapshot: Snapshot, relation: str) -> TableState | None:
    """The table of this name, or the only one that differs from it in case at most, which is SQL's rule."""
    state = snapshot.tables.get(relation)
    if state is None:
        near = [state for name, state in snapshot.tables.items() if name.lower() == relation.lower()]
        state = near[0] if len(near) == 1 else None
    return state if state is not None and is_readable(state.name) else None


def _register(duckdb: DuckDBPyConnection, name: str, state: TableState, columns: Collection[str] | None) -> None:
    from convex_nb.engine.reading.columnar import ALIVE, TableColumns

    table = TableColumns.of(state).table(columns)
    if ALIVE not in table.column_names:
        duckdb.register(name, table)
        return
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
