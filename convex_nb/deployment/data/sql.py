"""SQL over the tables: once, and followed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from convex_nb.engine.sql.sql_query import SqlQuery
from convex_nb.functions.definition import Function
from convex_nb.language.errors import SqlError
from convex_nb.language.validators import v

if TYPE_CHECKING:
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.sql.sql_result import SqlResult
    from convex_nb.functions.contexts import QueryCtx


@lru_cache(maxsize=64)
def _parsed(sql: str) -> SqlQuery:
    return SqlQuery(sql)


def parse_sql(sql: str) -> SqlQuery:
    """A statement, with the names of its parameters and of what it reads. Raises `SqlError` unless it only reads."""
    return _parsed(sql) if isinstance(sql, str) else SqlQuery(sql)


def run_sql(snapshot: Snapshot, sql: str, given: Mapping[str, Any]) -> SqlResult:
    """Run a statement with what was given by name: values for its parameters, and frames to read from."""
    query = parse_sql(sql)
    frames = {name: value for name, value in given.items() if name in query.relations - query.parameters}
    if unused := sorted(given.keys() - query.parameters - frames.keys()):
        raise SqlError(
            f"The statement has no parameter ${unused[0]} and reads from nothing called {unused[0]!r}: it was not run.",
            sql=sql,
        )
    return query.run(snapshot, {name: given[name] for name in query.parameters & given.keys()}, frames)


def sql_function(query: SqlQuery, frames: Mapping[str, Any], name: str) -> Function:
    """A statement as a query that can be watched: its arguments are the parameters, its value is a list of rows.

    It depends on the whole of every table that it reads, and on no other. `frames` are what they are now.
    """

    def rows(ctx: QueryCtx, **parameters: Any) -> list[dict[str, Any]]:
        return query.read(ctx.db, parameters, frames).values()

    return Function(rows, "query", args=v.any(), name=name)
