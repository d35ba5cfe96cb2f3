"""What a parsed statement reads, as far as its names tell. What that comes to is under test in `test_sql_query`."""

from __future__ import annotations

import json

import pytest

from convex_nb.engine.sql.duckdb_cursor import cursor
from convex_nb.engine.sql.sql_tree import SqlTree, UnknownReadError, WritingError


def tree(sql: str) -> SqlTree:
    with cursor() as duckdb:
        (text,) = duckdb.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone() or ("",)
    return SqlTree(json.loads(text)["statements"])


def test_relations_and_columns() -> None:
    found = tree("select a.N, count(*) from tasks a join people using (Id) where exists (from others) group by 1")
    assert found.relations == {"tasks", "people", "others"}
    assert set(found.columns("tasks") or ()) == {"a", "n", "id"}
    assert found.columns("others") is None
    assert not found.lists_tables
    assert tree("show tables").lists_tables


@pytest.mark.parametrize(
    "sql", ["from read_csv('x')", "from query('select 1')", "from glob('*')", "show databases", "from duckdb_secrets()"]
)
def test_what_cannot_be_told_is_refused(sql: str) -> None:
    with pytest.raises(UnknownReadError):
        tree(sql)


def test_what_writes_is_refused() -> None:
    with pytest.raises(WritingError) as raised:
        tree("with gone as (delete from tasks returning *) from gone")
    assert raised.value.kind == "DELETE"


def test_functions_that_reach_nothing_are_read() -> None:
    assert tree("from range(3), unnest([1]), json_each('{}')").relations == set()
