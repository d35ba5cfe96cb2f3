from __future__ import annotations

import random

import pytest

from convex_nb.engine.commit import Commit
from convex_nb.engine.database import Database
from convex_nb.engine.snapshot import Snapshot, replay_commit
from tests.engine.databases import committed, import_all, insert_all, items_schema, make_database, transact
from tests.engine.model import Contents, assert_holds
from tests.engine.test_history import contents_of


def test_a_snapshot() -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "others", [{"n": 1}])
    head = database.head
    assert head.schema == items_schema("n")
    assert head.table("others") is head.tables["others"]
    assert head.table("nothing") is None
    assert repr(head) == f"Snapshot({head.timestamp}, 2 tables)"


def test_an_older_snapshot_stays_as_it_was() -> None:
    database = make_database()
    states: list[tuple[Snapshot, Contents]] = [(database.head, {})]
    for n in range(20):
        insert_all(database, "items", [{"n": n}])
        transact(database, lambda db: db.delete(db.query("items").take(1)[0]["_id"]) if n % 3 else None)  # noqa: B023
        states.append((database.head, contents_of(database.head)))
    for snapshot, contents in states:
        assert_holds(database, snapshot, contents)


@pytest.mark.parametrize("seed", range(5))
def test_taking_a_result_over_is_the_same_as_replaying(seed: int) -> None:
    chance = random.Random(seed)
    database = make_database(items_schema("n"))
    ids: list[str] = []
    tables = dict(database.head.tables)
    for _ in range(30):
        kind = chance.randrange(4)
        if kind == 0 or not ids:
            commit = committed(database, lambda db: ids.append(db.insert(chance.choice(["items", "others"]), {"n": 1})))
        elif kind == 1:
            commit = committed(database, lambda db: db.patch(chance.choice(ids), {"n": chance.randrange(9)}))
        elif kind == 2:
            commit = committed(database, lambda db: db.delete(ids.pop()))
        else:
            commit = import_all(database, "items", [{"n": 5}], replace=False)
        replay_commit(tables, commit)
        replayed = Snapshot(commit.timestamp, tables, database.head.catalog, {})
        assert_holds(database, replayed, contents_of(database.head))


def test_a_table_that_others_changed_is_replayed() -> None:
    database = make_database()
    insert_all(database, "items", [{"n": 1}])
    head = database.head
    one, other = database.begin(), database.begin()
    one.insert("items", {"n": 2})
    other.insert("items", {"n": 3})
    other.insert("alone", {"n": 4})
    database.commit(one)
    commit = database.commit(other)
    assert commit is not None
    assert len(database.head.tables["items"]) == 3
    assert len(head.tables["items"]) == 1
    assert (commit.base, commit.result) == ({}, {}), "nothing keeps old versions alive"
    database.check()


def test_an_empty_commit_changes_nothing() -> None:
    database: Database = make_database()
    insert_all(database, "items", [{"n": 1}])
    head = database.head
    after = head.apply(Commit(head.timestamp + 1, (), "", {}))
    assert after.tables == head.tables
    assert after.timestamp == head.timestamp + 1
