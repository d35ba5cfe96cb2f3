"""SQL over a deployment: once, of the past, and followed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars
import pytest

import convex_nb
from convex_nb import InvalidValueError
from convex_nb.deployment.data.sql import parse_sql, sql_function
from convex_nb.deployment.deployment import Deployment
from convex_nb.language.errors import DeploymentClosedError, SqlError


def add(dep: Deployment, table: str, **fields: Any) -> Any:
    return dep.transact(lambda db: db.insert(table, fields))


def test_sql_over_the_newest_commit() -> None:
    with convex_nb.open() as dep:
        add(dep, "tasks", text="a", done=False)
        add(dep, "tasks", text="b", done=True)
        assert dep.sql("select text from tasks where done = $done", done=True).rows() == [{"text": "b"}]
        assert dep.sql("select text from tasks where done = $done", {"done": False}).df()["text"].tolist() == ["a"]
        assert polars.DataFrame(dep.sql("from tasks"))["text"].to_list() == ["a", "b"]
        owners = pd.DataFrame({"text": ["a"], "owner": ["Ada"]})
        assert dep.sql("select owner from tasks join owners using (text)", owners=owners).rows() == [{"owner": "Ada"}]
        with pytest.raises(SqlError, match=r"no parameter \$nobody and reads from nothing called 'nobody'"):
            dep.sql("from tasks", nobody=1)
        with pytest.raises(SqlError, match=r'dep.transact\(lambda db: db.insert\("tasks"'):
            dep.sql("insert into tasks values (1)")
    with pytest.raises(DeploymentClosedError):
        dep.sql("select 1")


def test_sql_over_the_past() -> None:
    with convex_nb.open() as dep:
        add(dep, "tasks", n=1)
        before = dep.timestamp
        add(dep, "tasks", n=2)
        assert dep.at(before).sql("select max(n) as n from tasks").rows() == [{"n": 1}]
        assert dep.sql("select max(n) as n from tasks").rows() == [{"n": 2}]


def test_a_followed_statement_runs_again_only_for_its_tables() -> None:
    with convex_nb.open() as dep:
        add(dep, "tasks", n=1)
        query = parse_sql("select sum(n) as n from tasks where n < $most")
        view = dep.watch(sql_function(query, {}, "sums"), {"most": 10})
        assert view.value == [{"n": 1}]
        assert view.tables == {"tasks"}
        add(dep, "others", n=5)
        assert not view.stale
        add(dep, "tasks", n=2)
        assert view.stale
        dep.refresh()
        assert (view.value, view.runs) == ([{"n": 3}], 2)


def test_a_followed_statement_waits_for_a_table() -> None:
    with convex_nb.open() as dep:
        view = dep.watch(sql_function(parse_sql("select n from later"), {}, "later"), {})
        assert isinstance(view.error, SqlError)
        add(dep, "later", n=1)
        dep.refresh()
        assert view.value == [{"n": 1}]
        assert view.status == "ok"


def test_frames_and_the_rows_of_a_followed_statement_are_values() -> None:
    with convex_nb.open() as dep:
        add(dep, "tasks", n=1)
        frames = {"days": pd.DataFrame({"n": [1], "day": [pd.Timestamp("2026-01-02")]})}
        view = dep.watch(sql_function(parse_sql("select day from tasks join days using (n)"), frames, "days"), {})
        assert view.value == [{"day": "2026-01-02T00:00:00"}]


def test_a_table_is_taken_by_libraries_of_frames() -> None:
    with convex_nb.open() as dep:
        add(dep, "tasks", n=1)
        assert polars.DataFrame(dep.table("tasks"))["n"].to_list() == [1]
        assert str(dep.table("tasks").df()["_creationTime"].dt.tz) == "UTC"
        with dep.transaction() as db:
            assert db.query("tasks").df()["n"].tolist() == [1]
            assert db.query("tasks").filter(lambda q: q.field("n") > 1).count() == 0
            with pytest.raises(InvalidValueError):
                db.query("tasks").take(-1)
