"""SQL reads the tables of one snapshot, and nothing else."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from hypothesis import given, settings

from convex_nb.engine.database import Database
from convex_nb.engine.sql.sql_query import SqlQuery
from convex_nb.engine.sql.sql_result import SqlResult
from convex_nb.engine.sql.sql_tree import SqlTree
from convex_nb.language.errors import SqlError
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import Int64, to_value
from tests.engine.databases import import_all, insert_all, make_database, reading
from tests.engine.stored import TABLE, databases


def run(database: Database, sql: str, frames: dict[str, Any] | None = None, **parameters: Any) -> SqlResult:
    return SqlQuery(sql).run(database.head, parameters, frames)


@pytest.fixture
def database() -> Database:
    made = make_database()
    import_all(made, "tasks", [{"n": n, "done": n % 2 == 0, "owner": "Ada" if n < 3 else "Bob"} for n in range(6)])
    insert_all(made, "people", [{"name": "Ada", "age": 36}, {"name": "Bob"}])
    return made


def test_tables_by_name(database: Database) -> None:
    assert run(database, "select done, count(*) as n from tasks group by 1 order by 1").rows() == [
        {"done": False, "n": 3},
        {"done": True, "n": 3},
    ]
    joined = run(
        database, 'select age, sum(n) as total from tasks join "people" on owner = name group by all order by 1'
    )
    assert joined.rows() == [{"age": 36, "total": 3}, {"age": None, "total": 12}]
    assert joined.tables == {"tasks", "people"}
    assert joined.timestamp == database.head.timestamp
    assert run(database, "FROM Tasks").tables == {"tasks"}
    assert len(run(database, "from tasks -- the end;\n;")) == 6


@settings(max_examples=40)
@given(databases())
def test_what_sql_sees_is_what_there_is(database: Database) -> None:
    _, db = reading(database)
    documents = db.query(TABLE).collect()
    found = run(database, f"select _id, _creationTime from {TABLE} order by 2")
    assert found.rows() == [{name: each[name] for name in ("_id", "_creationTime")} for each in documents]
    assert run(database, f"select count(*) as n from {TABLE}").rows() == [{"n": len(documents)}]


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ("select 1", set()),
        ("from tasks", {"tasks"}),
        ('from "tasks" t, people as p', {"tasks", "people"}),
        (
            "select (select max(n) from tasks) from people where name in (select owner from more)",
            {"tasks", "people", "more"},
        ),
        ("with tasks as (select 1 as n) from tasks", set()),
        ("with tasks as (from tasks where n > 1) from tasks", {"tasks"}),
        ("with a as (from tasks), b as (from a) from b, c", {"tasks", "c"}),
        ("with recursive r as (select 1 as i union all select i + 1 from r where i < 3) from r, tasks", {"tasks"}),
        ("select * from (with x as (from tasks) from x), x", {"tasks", "x"}),
        ("from tasks union all by name from people", {"tasks", "people"}),
        ("from tasks where n = $n", {"tasks"}),
        ("describe tasks", {"tasks"}),
        ("show tasks", {"tasks"}),
        ("summarize tasks", {"tasks"}),
        ("pivot tasks on done in (true, false) using count(*)", {"tasks"}),
        ("select 'from nowhere', \"from\" from tasks -- from elsewhere", {"tasks"}),
        ("from range(3), unnest([1]), (values (1))", set()),
        ("from tasks tablesample 1", {"tasks"}),
        ("from information_schema.tables", set()),
    ],
)
def test_a_statement_says_what_it_reads(sql: str, relations: set[str]) -> None:
    assert SqlQuery(sql).relations == relations


@pytest.fixture
def nested() -> Database:
    made = make_database()
    fields = [
        {"n": n, "m": n % 3, "t": {"city": "Oslo" if n % 2 else "Rome"}, "tags": ["a"] * n, "done": n > 2}
        for n in range(6)
    ]
    import_all(made, "tasks", fields)
    insert_all(made, "people", [{"name": "Ada", "n": 1, "tasks": [1]}, {"name": "Bob", "n": 2, "tasks": []}])
    return made


@pytest.mark.parametrize(
    ("sql", "tasks", "people"),
    [
        ("select n from tasks order by m desc, n", {"n", "m"}, set()),
        ("select N + 1 from tasks", {"n"}, set()),
        ("select count(*) from tasks", set(), set()),
        ("select t.city from tasks", {"t"}, set()),
        ("select tasks.t.city, tasks.n from tasks", {"t", "n"}, set()),
        ("select x.t.city from tasks as x where x.tags[1] = 'a'", {"t", "tags"}, set()),
        ("select m, list(n) from tasks group by all order by all", {"n", "m"}, set()),
        ("select name from people where exists (select * from tasks t where t.n = people.n)", None, {"name", "n"}),
        ("select name from people where n in (select m from tasks)", {"n", "m"}, {"name", "n"}),
        ("with x as (select n, m from tasks) select * from x", {"n", "m"}, set()),
        ("select * from (select n as k from tasks) join people on k = people.n", {"n"}, None),
        ("select a.m, name from tasks a join people b using (n)", {"n", "m"}, {"name", "n"}),
        ("select m, name from tasks natural join people", None, None),
        ("select k from tasks as t(a, b, k)", None, set()),
        ("select tasks from tasks", None, set()),
        ("select x from tasks as x", None, set()),
        ("select to_json(x) from tasks as x", None, set()),
        ("select columns('n|m') from tasks", None, set()),
        ("select #1 from tasks", None, set()),
        ("select min(columns(*)) from (select n, m from tasks)", {"n", "m"}, set()),
        ("select unnest(tags) from tasks", {"tags"}, set()),
        ("select n, tag from tasks, unnest(tags) as u(tag)", {"n", "tags"}, set()),
        ("select distinct on (m) n from tasks order by m, n", {"n", "m"}, set()),
        (
            "select n, row_number() over (partition by m order by done) as r from tasks qualify r = 1",
            {"n", "m", "done"},
            set(),
        ),
        ("pivot (select m, done, n from tasks) on done in (true, false) using sum(n)", {"n", "m", "done"}, set()),
        ("select m from (pivot tasks on done in (true, false) using count(*))", None, set()),
        ("select v from (unpivot tasks on n, m into name k value v)", None, set()),
        ("summarize select n from tasks", {"n"}, set()),
        ("describe tasks", None, set()),
        ("select n from tasks union all by name select name from people", {"n"}, {"name", "n"}),
        ("select (select max(n) from people) from tasks", {"n"}, {"n"}),
        ("select list_transform(tags, lambda x: x || t.city) from tasks", {"t", "tags"}, set()),
        ("from tasks select n order by all", {"n"}, set()),
        ("select n from tasks order by columns('m|done')", None, set()),
        ("explain select n from tasks", {"n"}, set()),
    ],
)
def test_only_the_columns_that_are_needed_are_made(
    nested: Database, sql: str, tasks: set[str] | None, people: set[str] | None
) -> None:
    query = SqlQuery(sql)
    found = query.run(nested.head)
    every = {"tasks": {"n", "m", "t", "tags", "done"}, "people": {"name", "n", "tasks"}}
    for name, wanted in {"tasks": tasks, "people": people}.items():
        made = nested.head.tables[name].columns
        own = set() if made is None else {each for each in made._made if each not in ("_id", "_creationTime")}
        assert own == (every[name] if wanted is None else wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqlTree, "columns", lambda *_: None)
        every_column = query.run(nested.head).rows()
    assert sorted(map(repr, every_column)) == sorted(map(repr, found.rows())) or sql.startswith("explain")


def test_a_name_that_means_nothing_is_told_all_there_are(nested: Database) -> None:
    with pytest.raises(SqlError, match=r'Candidate bindings: .*"tags"'):
        run(nested, "select tagz from tasks")
    with pytest.raises(SqlError, match="city"):
        run(nested, "select t.town from tasks")


def test_columns_that_differ_in_case_only_have_sql_s_names() -> None:
    database = make_database()
    insert_all(database, "t", [{"a": 1, "A": 2}])
    assert run(database, "select A_1 from t").rows() == [{"A_1": 2}]


def test_what_was_made_of_a_snapshot_is_kept(nested: Database) -> None:
    run(nested, "select t.city from tasks")
    before = nested.head.tables["tasks"].columns
    assert before is not None
    made = before._made["t"]
    run(nested, "select t.city, n from tasks")
    assert before._made["t"] is made


def test_the_tables_are_listed(nested: Database) -> None:
    query = SqlQuery("show tables")
    assert query.run(nested.head).rows() == [{"name": "people"}, {"name": "tasks"}]
    assert not query.is_followed
    assert SqlQuery("from tasks").is_followed
    assert run(nested, "select count(*) as n from (show tables)").rows() == [{"n": 2}]
    assert len(run(make_database(), "show tables")) == 0


def test_a_table_is_described_and_summarized(nested: Database) -> None:
    described = {row["column_name"]: row["column_type"] for row in run(nested, "describe tasks").rows()}
    assert described["t"] == "STRUCT(city VARCHAR)"
    assert described["tags"] == "VARCHAR[]"
    (row,) = run(nested, "select max from (summarize tasks) where column_name = 'n'").rows()
    assert row == {"max": "5"}


@pytest.mark.parametrize(
    "sql",
    ["explain select n from tasks", "-- why\nEXPLAIN ANALYZE\nfrom tasks where n > $n", "explain(select n from tasks)"],
)
def test_a_plan_is_shown_as_text(nested: Database, sql: str) -> None:
    query = SqlQuery(sql)
    found = query.run(nested.head, dict.fromkeys(query.parameters, 1))
    assert not query.is_followed
    assert found.tables == {"tasks"}
    assert "Projections:" in repr(found)
    assert found._repr_html_().startswith("<pre")
    assert "FORMAT json" not in repr(found)
    assert repr(run(nested, "explain (format json) select 1")).strip().startswith("[")


def test_only_what_is_read_counts(database: Database) -> None:
    assert run(database, "with people as (select 1 as x) select x from people, tasks").tables == {"tasks"}


def test_a_transaction_depends_on_the_tables_that_it_read(database: Database) -> None:
    transaction, db = reading(database)
    SqlQuery("from tasks join later using (n)").read(db, {}, {"later": pd.DataFrame({"n": [1]})})
    assert transaction.read_set.tables() == {"tasks"}
    transaction, db = reading(database)
    with pytest.raises(SqlError):
        SqlQuery("from people, later").read(db)
    assert transaction.read_set.tables() == {"people", "later"}


def test_parameters_are_bound(database: Database) -> None:
    sql = "select n from tasks where owner = $owner and n < $most order by n"
    assert SqlQuery(sql).parameters == {"owner", "most"}
    assert run(database, sql, owner="Ada", most=np.int64(2)).rows() == [{"n": 0}, {"n": 1}]
    assert run(database, sql, owner="Ada' or true --", most=Int64(9)).rows() == []
    assert run(database, "select $x as x", x="'; drop table tasks; --").rows() == [{"x": "'; drop table tasks; --"}]
    assert run(database, "from tasks where list_contains($ns, n)", ns=[1, 2]).arrow().num_rows == 2
    with pytest.raises(SqlError, match=r"parameter \$most, which was not given"):
        run(database, sql, owner="Ada")
    with pytest.raises(SqlError, match=r"no parameter \$other"):
        run(database, sql, owner="Ada", most=1, other=2)
    with pytest.raises(SqlError, match="Parameters have names"):
        SqlQuery("from tasks where n = ?")
    with pytest.raises(SqlError, match="Parameters have names"):
        SqlQuery("from tasks where n = $1")
    with pytest.raises(SqlError, match="object"):
        run(database, "select $x", x=object())


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"owner": ["Ada"], "city": ["Rome"]}),
        polars.DataFrame({"owner": ["Ada"], "city": ["Rome"]}),
        pa.table({"owner": ["Ada"], "city": ["Rome"]}),
    ],
    ids=["pandas", "polars", "arrow"],
)
def test_frames_by_name(database: Database, frame: Any) -> None:
    found = run(
        database, "select count(*) as n, any_value(city) as c from tasks join cities using (owner)", {"cities": frame}
    )
    assert found.rows() == [{"n": 3, "c": "Rome"}]
    assert found.tables == {"tasks"}


def test_a_table_comes_before_a_frame(database: Database) -> None:
    assert len(run(database, "from tasks", {"tasks": pd.DataFrame({"x": [1]})})) == 6


def test_variables_of_python_are_out_of_reach(database: Database) -> None:
    secret = pd.DataFrame({"x": [1]})
    with pytest.raises(SqlError, match="secret does not exist"):
        run(database, "from secret")
    assert len(secret) == 1


@pytest.mark.parametrize(
    ("sql", "instead"),
    [
        ("insert into tasks (n) values (1)", 'dep.transact(lambda db: db.insert("tasks", {...}))'),
        ("update tasks set n = 1", 'db.patch("tasks", id, {...})'),
        ("delete from tasks", 'db.delete("tasks", id)'),
        ("truncate tasks", 'db.delete("tasks", id)'),
        ("create table notes (n int)", '"notes": define_table({...})'),
        ("create or replace temp view tasks as select 1", "define_table"),
        ("drop table if exists tasks", "dep.push"),
        ("alter table tasks add column x int", '"tasks": define_table'),
        ("copy tasks to 'x.csv'", "dep.table(name).df()"),
        ("with gone as (delete from tasks returning *) from gone", 'db.delete("tasks", id)'),
        ("attach 'x.db'", "ATTACH"),
        ("install httpfs", "LOAD"),
        ("load httpfs", "LOAD"),
        ("set threads = 1", "SET"),
        ("pragma database_list", "PRAGMA"),
        ("call pragma_version()", "CALL"),
        ("begin", "TRANSACTION"),
        ("export database 'x'", "EXPORT"),
        ("prepare p as select 1", "PREPARE"),
        ("explain delete from tasks", 'db.delete("tasks", id)'),
        ("explain analyze insert into tasks (n) values (1)", 'db.insert("tasks", {...})'),
        ("explain analyze with gone as (delete from tasks returning *) from gone", 'db.delete("tasks", id)'),
        ("explain (analyze, format json) update tasks set n = 1", 'db.patch("tasks", id, {...})'),
        ("explain analyze copy (select 1) to 'x.csv'", "dep.table(name).df()"),
        ("pivot tasks on done using count(*)", "ON column IN (value, value)"),
    ],
)
def test_a_statement_that_would_do_something_is_refused(database: Database, sql: str, instead: str) -> None:
    with pytest.raises(SqlError) as raised:
        run(database, sql)
    assert instead in str(raised.value)
    assert "was not run, and nothing was changed" in str(raised.value)
    assert raised.value.sql == sql
    assert len(run(database, "from tasks")) == 6


def forbidden(folder: Path) -> list[str]:
    file = folder / "secret.csv"
    file.write_text("a\n1\n")
    return [
        f"from '{file}'",
        f"from read_csv('{file}')",
        f"from read_text('{file}')",
        f"from read_blob('{file}')",
        f"from read_parquet('{file}')",
        f"from read_json('{file}')",
        f"from sniff_csv('{file}')",
        f"from glob('{folder}/*')",
        f"from parquet_metadata('{file}')",
        "from read_csv('https://example.com/x.csv')",
        "from 's3://bucket/x.parquet'",
        "select getenv('HOME')",
        "from enable_logging('QueryLog', storage = 'file')",
        "from enable_profiling()",
        "from arrow_scan(1::ubigint, 2::ubigint, 3::ubigint)",
        "from pandas_scan(1::ubigint)",
        "from query('from tasks')",
        "from query_table('tasks')",
        "from json_execute_serialized_sql(json_serialize_sql('from tasks'))",
        "from python_arrow_scan(1::ubigint)",
        "from python_map_function((from tasks))",
        "explain analyze from read_csv('x.csv')",
        "select (select count(*) from glob('/*')) from tasks",
        "from checkpoint()",
        "from duckdb_secrets()",
        "from which_secret('s3://x', 's3')",
    ]


def test_no_file_no_network_no_memory_is_within_reach(database: Database, tmp_path: Path) -> None:
    for sql in forbidden(tmp_path):
        with pytest.raises(SqlError):
            run(database, sql)
    assert [each.name for each in tmp_path.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("selec n from tasks", "LINE 1: selec n from tasks\n        ^"),
        ("select m from tasks", 'Referenced column "m" not found'),
        ("select n +\nfrom tasks", "syntax error"),
        ("from task", "Tables: people, tasks. A frame is given by name, as in dep.sql(..., task=frame)."),
        ("from 'x.csv'", "and no file"),
        ("from read_csv('x.csv')", "read_csv(...) is out of reach here: SQL reads the tables"),
        ('from "ta""sks"', 'ta"sks does not exist'),
        ('from "tasks\'; drop table tasks; --"', "does not exist"),
        ("", "this is none"),
        ("-- nothing", "this is none"),
        ("select 1; select 2", "this is 2"),
        ("show databases", "SHOW TABLES, and DESCRIBE of one"),
        ("show all tables", "SHOW TABLES, and DESCRIBE of one"),
        ("describe", "SHOW TABLES, and DESCRIBE of one"),
        ("explain selec 1", "syntax error"),
        ("explain analyze attach 'x.db'", "syntax error"),
        ("explain explain select 1", "syntax error"),
        ("explain (codegen) select 1", "Unimplemented explain type"),
        ("explain select m from tasks", 'Referenced column "m" not found'),
        ("explain select 1; select 2", "this is 2"),
        ("select 1 / 'a'", "Could not convert string 'a'"),
    ],
)
def test_errors_keep_duckdb_s_message(database: Database, sql: str, says: str) -> None:
    with pytest.raises(SqlError) as raised:
        run(database, sql)
    assert says in str(raised.value)
    assert "pg_" not in str(raised.value)
    assert raised.value.sql == sql


def test_sql_is_a_text() -> None:
    with pytest.raises(SqlError):
        SqlQuery(5)  # type: ignore[arg-type]


def test_names_that_differ_in_case_only() -> None:
    database = make_database()
    insert_all(database, "tasks", [{"n": 1}])
    insert_all(database, "Tasks", [{"n": 2}, {"n": 3}])
    assert len(run(database, "from tasks")) == 1
    assert len(run(database, 'from "Tasks"')) == 2
    with pytest.raises(SqlError, match="does not exist"):
        run(database, "from TASKS")


def test_columns_of_any_name() -> None:
    database = make_database()
    import_all(database, "t", [{'a "b" c': 1, "select": 2, "é": 3}] * 2)
    assert run(database, 'select "a ""b"" c" + "select" + "é" as s from t').rows() == [{"s": 6}] * 2
    first = next(iter(reading(database)[1].query("t")))
    transaction = database.begin()
    transaction.delete(first["_id"])
    database.commit(transaction)
    insert_all(database, "t", [{"n": 1}])
    assert run(database, "select * exclude (_id, _creationTime) from t order by n").rows() == [
        {'a "b" c': None, "select": None, "é": None, "n": 1},
        {'a "b" c': 1, "select": 2, "é": 3, "n": None},
    ]


def test_an_empty_table_has_the_columns_of_its_schema() -> None:
    database = make_database(define_schema({"users": define_table({"name": v.string(), "age": v.number()})}))
    assert run(database, "select name, age from users").arrow().schema.types == [pa.string(), pa.float64()]


def test_the_result(database: Database) -> None:
    found = run(database, "select * from tasks order by n")
    assert found.columns[:2] == ["_id", "_creationTime"]
    assert str(found.df()["_creationTime"].dt.tz) == "UTC"
    assert polars.DataFrame(found)["n"].to_list() == list(range(6))
    assert "6 rows" in repr(found)
    assert "<table" in found._repr_html_()
    assert "6 rows" in found._repr_html_()
    assert "first 20 shown" in repr(run(database, "from range(30)"))
    assert "0 rows" in repr(run(database, "from tasks where n > 99"))
    assert "1 row" in repr(run(database, "select '<b>' as x"))
    assert "&lt;b&gt;" in run(database, "select '<b>' as x")._repr_html_()


def test_sums_are_numbers(database: Database) -> None:
    table = run(
        database, "select sum(n) as whole, sum(n)::hugeint * 10::hugeint ** 30 as large, 1.5 as half from tasks"
    ).arrow()
    assert table.schema.types == [pa.int64(), pa.float64(), pa.float64()]
    assert table.column("whole").to_pylist() == [15]


def test_rows_as_values(database: Database) -> None:
    (row,) = run(
        database,
        "select date '2026-01-02' as d, timestamp '2026-01-02 03:04:05' as t, 9007199254740993 as big, [1, null] as l, "
        "{'a': date '2026-01-02'} as s, interval 1 day as i, map {'k': 1} as m, null as n, 'x'::blob as b, true as f",
    ).values()
    assert to_value(row) == row
    assert (row["d"], row["t"], row["s"]) == ("2026-01-02", "2026-01-02T03:04:05", {"a": "2026-01-02"})
    assert isinstance(row["big"], Int64)
    assert row["m"] == {"k": 1}
    assert (row["l"], row["n"], row["b"], row["f"]) == ([1, None], None, b"x", True)
    assert date.fromisoformat(row["d"])
    assert not any(isinstance(item, Decimal) for item in row.values())


def test_threads_have_cursors_of_their_own(database: Database) -> None:
    found: list[int] = []

    def ask() -> None:
        found.extend([len(run(database, "from tasks where n < $n", n=3)) for _ in range(20)])

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3] * 120


def test_a_snapshot_stays_as_it_was(database: Database) -> None:
    before = database.head
    insert_all(database, "tasks", [{"n": 6}])
    query = SqlQuery("select count(*) as n from tasks")
    assert (query.run(before).rows(), query.run(database.head).rows()) == ([{"n": 6}], [{"n": 7}])
