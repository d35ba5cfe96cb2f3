from __future__ import annotations

import pytest

from convex_nb.engine.database import Database
from convex_nb.language.errors import LimitError
from convex_nb.language.ids import FIRST_USER_TABLE, decode_id
from convex_nb.language.limits import Limits
from tests.engine.databases import (
    committed,
    import_all,
    insert_all,
    items_schema,
    make_database,
    numbers,
    reading,
    transact,
)


def test_an_empty_database() -> None:
    database = Database()
    assert repr(database) == "Database(0 tables, 0 documents)"
    assert database.head.schema is None
    assert database.at(database.head.timestamp) is database.head
    assert database.maintain(10) is False
    database.check()
    database.close()


def test_table_numbers() -> None:
    database = make_database()
    first, second = database.register.number("items"), database.register.number("notes")
    assert (first, second) == (FIRST_USER_TABLE, FIRST_USER_TABLE + 1)
    assert database.register.number("items") == first
    own = {number: name for number, name in database.table_names.items() if not name.startswith("_")}
    assert own == {first: "items", second: "notes"}
    (id,) = insert_all(database, "notes", [{}])
    assert decode_id(id)[0] == second


def test_tables_are_limited() -> None:
    database = make_database(limits=Limits(tables=2))
    insert_all(database, "a", [{}])
    insert_all(database, "b", [{}])
    with pytest.raises(LimitError, match="at most 2 tables; 'c' was not created") as caught:
        insert_all(database, "c", [{}])
    assert (caught.value.kind, caught.value.limit, caught.value.used) == ("tables", 2, 3)
    insert_all(database, "b", [{}])


def test_commits_between() -> None:
    database = make_database()
    start = database.head.timestamp
    commits = [committed(database, lambda db: db.insert("items", {})) for _ in range(4)]
    stamps = [commit.timestamp for commit in commits]
    assert database.commits_between(start, stamps[-1]) == commits
    assert database.commits_between(stamps[0], stamps[2]) == commits[1:3]
    assert database.commits_between(stamps[3], stamps[3]) == []
    assert database.commits_between(start - 1, stamps[-1]) is None, "history does not reach back so far"


def test_a_read_only_transaction_over_any_snapshot() -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": 1}])
    old = database.head
    insert_all(database, "items", [{"n": 2}])
    assert numbers(database.begin(old, writable=False).read("items", "by_fields", b"", b"\xff")) == [1]
    assert numbers(database.begin().read("items", "by_fields", b"", b"\xff")) == [1, 2]


def test_replacing_a_table_by_a_segment() -> None:
    database = make_database(items_schema("n"))
    (old,) = insert_all(database, "items", [{"n": 1}])
    appended = import_all(database, "items", [{"n": 2}])
    assert (appended.tables, appended.replaced, len(appended.parts)) == (frozenset({"items"}), frozenset(), 1)
    assert numbers(reading(database)[1].query("items").with_index("by_fields")) == [1, 2]
    commit = import_all(database, "items", [{"n": 3}], replace=True)
    assert (commit.replaced, commit.source) == (frozenset({"items"}), "import")
    assert numbers(reading(database)[1].query("items").with_index("by_fields")) == [3]
    assert reading(database)[1].get(old) is None
    import_all(database, "fresh", [{}])
    assert len(database.head.tables["fresh"]) == 1
    database.check()


def test_the_system_clock_is_the_default() -> None:
    import time

    database = Database()
    id = transact(database, lambda db: db.insert("items", {}))
    document = reading(database)[1].get(id)
    assert document is not None
    assert abs(document["_creationTime"] - time.time() * 1000) < 60_000
