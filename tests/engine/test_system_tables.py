"""The tables of the system, and who may do what with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseWriter
from convex_nb.engine.reading.system_reader import SystemWriter
from convex_nb.engine.system_tables import SYSTEM_TABLES, check_system_table, definition_of
from convex_nb.language.errors import InvalidIdError, InvalidValueError, SqlError
from convex_nb.language.ids import FIRST_USER_TABLE
from tests.engine.databases import insert_all, items_schema, make_database, reading, transact

JOB = {"name": "a:b", "args": [{}], "scheduledTime": 5.0, "state": {"kind": "pending"}}


def insert_job(database: Database, **fields: Any) -> str:
    return transact(
        database, lambda db: SystemWriter(db._transaction).insert("_scheduled_functions", {**JOB, **fields})
    )


def test_their_numbers_are_their_own() -> None:
    numbers = [table.number for table in SYSTEM_TABLES.values()]
    assert len(set(numbers)) == len(numbers)
    assert 0 < min(numbers) <= max(numbers) < FIRST_USER_TABLE


def test_they_are_read_through_system() -> None:
    database = make_database()
    id = insert_job(database)
    _, db = reading(database)
    for document in (db.system.get(id), db.system.get("_scheduled_functions", id)):
        assert document is not None
        assert document["name"] == "a:b"
    jobs = db.system.query("_scheduled_functions")
    assert [job["_id"] for job in jobs.with_index("by_state", lambda q: q.eq("state.kind", "pending")).collect()] == [
        id
    ]
    assert db.system.normalize_id("_scheduled_functions", id) == id
    assert db.normalize_id("items", id) is None
    assert db.system.normalize_id("_storage", id) is None
    assert db.system.normalize_id("_storage", "x") is None


def test_they_are_not_read_or_written_through_db() -> None:
    database = make_database()
    id = insert_job(database)
    db = DatabaseWriter(database.begin())
    by_id: list[Callable[[], object]] = [
        lambda: db.get(id),
        lambda: db.get("_scheduled_functions", id),
        lambda: db.patch(id, {}),
        lambda: db.replace(id, {}),
        lambda: db.delete(id),
        lambda: db.delete("_scheduled_functions", id),
    ]
    for operation in by_id:
        with pytest.raises(InvalidIdError, match=r"System tables can only be accessed with db\.system"):
            operation()
    by_name: list[Callable[[], object]] = [
        lambda: db.query("_scheduled_functions"),
        lambda: db.insert("_scheduled_functions", {}),
        lambda: db.insert("_unknown", {}),
        lambda: db.normalize_id("_storage", id),
    ]
    for operation in by_name:
        with pytest.raises(InvalidValueError, match=r"System tables can only be accessed with db\.system"):
            operation()


def test_user_tables_are_not_read_through_system() -> None:
    database = make_database()
    (id,) = insert_all(database, "items", [{"n": 1}])
    db = DatabaseWriter(database.begin())
    # The second time the table of the id is known from its first letters.
    for _ in range(2):
        assert db.get(id) is not None
        with pytest.raises(InvalidIdError, match=r"User tables cannot be accessed with db\.system"):
            db.system.get(id)
    with pytest.raises(InvalidValueError, match=r"User tables cannot be accessed with db\.system"):
        db.system.query("items")
    with pytest.raises(InvalidValueError, match="There is no system table '_environment' to read"):
        db.system.query("_environment")
    with pytest.raises(AttributeError, match=r"ctx\.scheduler"):
        db.system.insert("_storage", {})  # type: ignore[attr-defined]
    with pytest.raises(InvalidValueError, match="named by a string"):
        check_system_table(5)


def test_what_is_the_systems_own_business_is_not_asked_in_sql() -> None:
    with convex_nb.open() as dep:
        dep.env["KEY"] = "secret"
        for name in ("_environment", "_ENVIRONMENT"):
            with pytest.raises(SqlError, match="does not exist"):
                dep.sql(f"select * from {name}")


def test_a_commit_to_them_is_seen_and_conflicts() -> None:
    database = make_database()
    id = insert_job(database)
    transaction, db = reading(database)
    db.system.get(id)
    transact(database, lambda db: SystemWriter(db._transaction).patch(id, {"state": {"kind": "canceled"}}))
    assert database.subscribe(transaction.read_set, "token", transaction.snapshot.timestamp)
    transact(database, lambda db: SystemWriter(db._transaction).delete(id))
    assert reading(database)[1].system.get(id) is None
    database.check()


def test_a_schema_says_nothing_about_them() -> None:
    database = make_database()
    id = insert_job(database, state={"kind": "success"}, completedTime=9.0)
    database.push_schema(items_schema("n"))
    database.push_schema(None)
    _, db = reading(database)
    found = db.system.query("_scheduled_functions").with_index("by_completed_time", lambda q: q.gt("completedTime", 0))
    assert [document["_id"] for document in found.collect()] == [id]
    assert definition_of("_of_a_newer_version", None) is None


def test_they_live_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    with convex_nb.open(path) as dep:
        dep.transact(lambda db: SystemWriter(db._transaction).insert("_scheduled_functions", JOB))
        dep.transact(lambda db: db.insert("items", {"n": 1}))
        assert list(dep.tables) == ["items"]
    with convex_nb.open(path) as dep:
        assert list(dep.tables) == ["items"]
        assert "1 tables with 1 documents" in repr(dep)
        assert dep.table("_scheduled_functions").df()["name"].tolist() == ["a:b"]
        assert "by_state" in dep.table("_scheduled_functions").indexes
        assert dep.sql("select count(*) as n from _scheduled_functions").rows() == [{"n": 1}]
        dep.check()
