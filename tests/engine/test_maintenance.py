from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import pytest

from convex_nb.engine import compaction, maintenance, steps
from convex_nb.engine.database import Database
from convex_nb.engine.part import Part
from convex_nb.engine.steps import Steps
from convex_nb.engine.table import TableState
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import import_all, insert_all, items_schema, make_database, numbers, reading, transact
from tests.engine.model import same_documents


@pytest.fixture(autouse=True)
def _thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "RECENT", 10)
    monkeypatch.setattr(maintenance, "MOST_PARTS", 4)
    monkeypatch.setattr(steps, "ROWS", 4)
    monkeypatch.setattr(steps, "SLOW_ROWS", 3)
    monkeypatch.setattr(compaction, "CATCH_UP", 1)
    monkeypatch.setattr(compaction, "REPLAYED", 2)


def items(database: Database) -> TableState:
    return database.head.tables["items"]


def maintained(database: Database) -> None:
    assert database.maintain(60_000) is False
    database.check()


def sizes(database: Database) -> tuple[list[int], int]:
    """Rows of each segment, and how many documents are in none."""
    return [len(part) for part in items(database).parts], len(items(database).live[0])


def test_a_long_delta_becomes_a_segment() -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": n} for n in range(10)])
    maintained(database)
    assert sizes(database) == ([], 10)
    insert_all(database, "items", [{"n": 10}])
    before = database.head
    documents = reading(database)[1].query("items").collect()
    maintained(database)
    assert sizes(database) == ([11], 0)
    assert database.head.timestamp == before.timestamp
    assert same_documents(reading(database)[1].query("items").collect(), documents)
    assert len(before.tables["items"].live[0]) == 11, "who holds it reads it as it was"
    assert database.statistics().maintenance_steps == 1


def test_segments_are_merged_by_size() -> None:
    database = make_database(items_schema("n"))
    for _ in range(40):
        insert_all(database, "items", [{"n": n} for n in range(11)])
        maintained(database)
        rows, recent = sizes(database)
        assert recent == 0
        assert len(rows) <= 4
        assert all(big >= small for big, small in pairwise(rows)), rows
    assert sum(sizes(database)[0]) == 440


def test_many_imports_are_merged() -> None:
    database = make_database(items_schema("n"))
    for n in range(12):
        import_all(database, "items", [{"n": n}])
    maintained(database)
    assert len(sizes(database)[0]) <= 4
    assert numbers(reading(database)[1].query("items")) == list(range(12))


def test_dead_rows_are_dropped() -> None:
    database = make_database(items_schema("n"))
    ids = import_ids(database, 20)
    transact(database, lambda db: [db.delete(id) for id in ids[:5]])
    maintained(database)
    assert database.statistics().tables["items"].dead == 5, "a quarter is not worth it"
    transact(database, lambda db: db.delete(ids[5]))
    maintained(database)
    assert (database.statistics().tables["items"].dead, sizes(database)) == (0, ([14], 0))
    transact(database, lambda db: [db.delete(id) for id in ids[6:]])
    maintained(database)
    assert sizes(database) == ([], 0)


def import_ids(database: Database, count: int) -> list[str]:
    commit = import_all(database, "items", [{"n": n} for n in range(count)])
    return [document["_id"] for document in commit.parts[0][1].segment.documents(range(count))]


def test_no_budget_no_work() -> None:
    database = make_database()
    insert_all(database, "items", [{}] * 11)
    assert database.maintain(0) is True
    assert sizes(database) == ([], 11)
    assert database.maintain(60_000) is False
    assert database.maintain(0) is False


def test_an_index_that_was_pushed_is_merged_too() -> None:
    database = make_database()
    for _ in range(3):
        insert_all(database, "items", [{"n": n} for n in range(11)])
        maintained(database)
    database.push_schema(items_schema("n"))
    insert_all(database, "items", [{"n": n} for n in range(11)])
    maintained(database)
    found = numbers(reading(database)[1].query("items").with_index("by_fields"))
    assert found == sorted([*range(11)] * 4)


def between(monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Something that happens once while a segment is being made."""
    joining = Part.joining
    pending = [action]

    def interrupted(*arguments: Any) -> Steps[Part]:
        part = yield from joining(*arguments)
        if pending:
            pending.pop()()
        return part

    monkeypatch.setattr(Part, "joining", interrupted)


def test_commits_go_on_while_a_segment_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database(items_schema("n"))
    ids = import_ids(database, 3)
    ids += insert_all(database, "items", [{"n": n} for n in range(3, 14)])

    def meanwhile() -> None:
        transact(database, lambda db: db.patch(ids[0], {"n": 100}))
        transact(database, lambda db: db.delete(ids[5]))
        transact(database, lambda db: db.patch(ids[6], {"n": 101}))
        insert_all(database, "items", [{"n": 102}])
        import_all(database, "items", [{"n": 103}])
        insert_all(database, "others", [{"n": 1}])

    between(monkeypatch, meanwhile)
    maintained(database)
    expected = [1, 2, 3, 4, *range(7, 14), 100, 101, 102, 103]
    assert numbers(reading(database)[1].query("items").with_index("by_fields")) == expected
    assert len(database.head.tables["others"]) == 1
    assert len(sizes(database)[0]) == 2


def test_a_table_is_replaced_while_a_segment_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": n} for n in range(11)])
    between(monkeypatch, lambda: import_all(database, "items", [{"n": 100}], replace=True))
    maintained(database)
    assert numbers(reading(database)[1].query("items")) == [100]


def test_a_push_while_a_segment_is_made_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database()
    insert_all(database, "items", [{"n": n} for n in range(11)])
    between(monkeypatch, lambda: database.push_schema(items_schema("n")))
    maintained(database)
    assert sizes(database) == ([11], 0)
    assert numbers(reading(database)[1].query("items").with_index("by_fields")) == list(range(11))


def test_a_transaction_over_a_maintained_table_commits() -> None:
    database = make_database(items_schema("n"))
    ids = insert_all(database, "items", [{"n": n} for n in range(11)])
    transaction = database.begin()
    transaction.patch(ids[3], {"n": 100})
    transaction.delete(ids[4])
    transaction.insert("items", {"n": 101})
    maintained(database)
    database.commit(transaction)
    database.check()
    found = numbers(reading(database)[1].query("items").with_index("by_fields"))
    assert found == [0, 1, 2, *range(5, 11), 100, 101]


def test_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database()
    insert_all(database, "items", [{}] * 11)
    answers: list[bool] = []

    def ask() -> None:
        thread = threading.Thread(target=lambda: answers.append(database.maintain(60_000)))
        thread.start()
        thread.join(30)

    between(monkeypatch, ask)
    maintained(database)
    assert answers == [False]
    assert sizes(database) == ([11], 0)


def test_staged_indexes_are_filled_in_the_background() -> None:
    database = make_database()
    for _ in range(2):
        import_all(database, "items", [{"n": n} for n in range(5)])
    database.push_schema(define_schema({"items": define_table(v.any()).index("by_n", ["n"], staged=True)}))
    begun = database.statistics().tables["items"].staged["by_n"]
    assert (begun, begun.is_ready) == ((("n",), 0, 10), False)
    maintained(database)
    done = database.statistics().tables["items"].staged["by_n"]
    assert (done, done.is_ready) == ((("n",), 10, 10), True)
    database.push_schema(define_schema({"items": define_table(v.any()).index("by_n", ["n"])}))
    assert database.statistics().tables["items"].staged == {}
    assert numbers(reading(database)[1].query("items").with_index("by_n")) == sorted([*range(5)] * 2)
    database.check()


def test_a_push_just_before_the_swap_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database()
    import_all(database, "items", [{"a": n} for n in range(5)])
    import_all(database, "items", [{"a": n} for n in range(5)])
    insert_all(database, "items", [{"a": n} for n in range(maintenance.RECENT + 1)])
    replace_head = database.committer.replace_head
    pushed = False

    def push_first(change: Any) -> bool:
        nonlocal pushed
        if not pushed:
            pushed = True
            database.push_schema(items_schema("a"))
        return replace_head(change)

    monkeypatch.setattr(database.committer, "replace_head", push_first)
    maintained(database)
    assert pushed
    assert database.head.schema == items_schema("a")
    assert len(reading(database)[1].query("items").with_index("by_fields").collect()) == maintenance.RECENT + 11
    database.check()
