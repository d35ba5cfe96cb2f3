"""Merges that are left half done, and what may happen to a table meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from convex_nb.engine import maintenance
from convex_nb.engine.database import Database
from convex_nb.engine.maintenance import Task
from convex_nb.engine.steps import Steps
from convex_nb.language.documents import Document
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import (
    StepTimer,
    TickingClock,
    import_all,
    insert_all,
    items_schema,
    make_database,
    reading,
    small_thresholds,
    transact,
)
from tests.engine.model import same_documents


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    monkeypatch.setattr(maintenance, "monotonic", StepTimer())


def one_step(database: Database) -> bool:
    return database.maintain(2)


def task(database: Database) -> Task | None:
    return database._maintenance.task


def documents(database: Database, index: str = "by_creation_time") -> list[Document]:
    return reading(database)[1].query("items").with_index(index).collect()


def fragmented(schema: SchemaDefinition | None = None, **options: Any) -> Database:
    """A table of several segments with dead rows and a delta, which a merge is due for."""
    # The same ids each time, so that it takes the same steps.
    database = make_database(schema or items_schema("n"), random_bytes=random.Random(7).randbytes, **options)
    ids: list[str] = []
    for batch in range(5):
        commit = import_all(database, "items", [{"n": (batch * 7 + n * 5) % 19, "batch": batch} for n in range(12)])
        ids += [document["_id"] for document in commit.parts[0][1].segment.documents(range(12))]
    insert_all(database, "items", [{"n": n, "batch": "recent"} for n in range(3)])
    transact(database, lambda db: [db.patch(id, {"n": 50}) for id in ids[::11]])
    transact(database, lambda db: [db.delete(id) for id in ids[1::13]])
    return database


def begun(database: Database, steps: int) -> Task:
    """After so many steps of the merge of `fragmented`."""
    for _ in range(steps):
        assert one_step(database)
    found = task(database)
    assert found is not None
    upkeep = database.statistics().upkeep
    assert upkeep is not None
    assert upkeep[:2] == ("merge", "items")
    return found


def finished(database: Database) -> None:
    while one_step(database):
        pass
    assert task(database) is None
    assert database.statistics().upkeep is None
    database.check()
    state = database.head.tables["items"]
    assert len(state.parts) <= maintenance.MOST_PARTS
    assert len(state.live[0]) <= maintenance.RECENT


def steps_of(make: Callable[[], Database]) -> int:
    database = make()
    count = 1
    while one_step(database):
        count += 1
    return count


def test_a_merge_takes_many_steps() -> None:
    database = fragmented()
    rows = len(database.head.tables["items"])
    # Columns, three indexes and the ids, a handful of rows each time.
    assert steps_of(fragmented) > rows
    before = documents(database)
    assert begun(database, 3).upkeep.rows == rows
    assert same_documents(documents(database), before)
    finished(database)
    assert same_documents(documents(database), before)
    assert database.statistics().maintenance_steps == 1


def test_commits_and_held_snapshots_between_any_two_steps() -> None:
    database = fragmented()
    held = database.head
    before = documents(database)
    expected = list(before)
    turn = 0
    while one_step(database):
        turn += 1
        if turn % 3 == 0:
            gone, changed = expected.pop(turn % len(expected)), expected.pop(turn % (len(expected) - 1))
            transact(database, lambda db: db.delete(gone["_id"]))  # noqa: B023
            transact(database, lambda db: db.patch(changed["_id"], {"n": turn}))  # noqa: B023
            (new,) = insert_all(database, "items", [{"n": turn, "batch": "meanwhile"}])
            reader = reading(database)[1]
            expected += [document for id in (changed["_id"], new) if (document := reader.get(id)) is not None]
        assert same_documents(sorted(documents(database), key=str), sorted(expected, key=str))
        assert same_documents(list(held.tables["items"].scan(1, b"", b"\xff", reverse=False)), before)
        assert same_documents(
            list(held.tables["items"].scan(2, b"", b"\xff", reverse=False)),
            sorted(before, key=lambda document: (document["n"], document["_creationTime"])),
        )
        if turn > 400:
            break
    database.check()
    finished(database)


def interrupted(steps: Steps[object]) -> Steps[None]:
    """As if the interrupt came in the middle of the next step."""
    steps.throw(KeyboardInterrupt)
    yield


def test_an_interrupt_in_any_step() -> None:
    for place in range(1, steps_of(fragmented), 5):
        database = fragmented()
        before = documents(database)
        found = begun(database, place)
        database._maintenance.task = found._replace(steps=interrupted(found.steps))
        with pytest.raises(KeyboardInterrupt):
            one_step(database)
        # A generator that was interrupted has ended: it must not be taken for one that is done.
        assert task(database) is None
        database.check()
        assert same_documents(documents(database), before)
        finished(database)
        assert same_documents(documents(database), before)
        assert database.statistics().maintenance_steps == 1


def test_a_push_of_other_indexes_ends_a_merge() -> None:
    for schema, index in ((items_schema("batch"), "by_fields"), (define_schema({}), "by_creation_time")):
        database = fragmented()
        first = begun(database, 20)
        database.push_schema(schema)
        before = documents(database, index)
        assert one_step(database)
        assert task(database) is not first
        finished(database)
        assert same_documents(documents(database, index), before)


def test_a_push_that_leaves_the_indexes_as_they_are_does_not() -> None:
    database = fragmented()
    first = begun(database, 20)
    named = define_table({"n": v.number(), "batch": v.union(v.number(), v.string())}).index("by_fields", ["n"])
    schema = define_schema({"items": named, "others": define_table({"a": v.string()})})
    database.push_schema(schema)
    assert one_step(database)
    assert task(database) is first
    finished(database)
    assert database.statistics().maintenance_steps == 1
    assert database.head.tables["items"].definition == schema.tables["items"]
    assert database.validates(database.head, "items")


def test_indexes_that_were_others_for_a_while_end_a_merge() -> None:
    database = fragmented()
    first = begun(database, 20)
    database.push_schema(items_schema("batch"))
    insert_all(database, "items", [{"n": 1, "batch": 1}])
    database.push_schema(items_schema("n"))
    before = documents(database, "by_fields")
    assert one_step(database)
    assert task(database) is not first
    finished(database)
    assert same_documents(documents(database, "by_fields"), before)


def test_an_import_meanwhile_stays_a_segment_of_its_own() -> None:
    database = fragmented()
    first = begun(database, 20)
    import_all(database, "items", [{"n": n, "batch": "imported"} for n in range(4)])
    before = documents(database)
    assert one_step(database)
    assert task(database) is first
    finished(database)
    assert len(database.head.tables["items"].parts) == 2
    assert same_documents(documents(database), before)


def test_a_table_that_is_replaced_ends_a_merge() -> None:
    database = fragmented()
    first = begun(database, 20)
    import_all(database, "items", [{"n": 1}], replace=True)
    before = documents(database)
    one_step(database)
    assert task(database) is not first
    finished(database)
    assert same_documents(documents(database), before)
    assert len(before) == 1


def test_a_table_that_is_replaced_ends_the_building_of_its_index() -> None:
    staged = define_schema({"items": define_table(v.any()).index("by_n", ["n"], staged=True)})
    database = make_database(staged)
    import_all(database, "items", [{"n": n} for n in range(20)])
    assert one_step(database)
    first = task(database)
    assert first is not None
    assert first.upkeep == ("index", "items", 20)
    import_all(database, "items", [{"n": n} for n in range(10)], replace=True)
    assert one_step(database)
    assert task(database) is not first
    finished(database)
    assert database.statistics().tables["items"].staged["by_n"].is_ready


def test_an_index_is_built_in_steps() -> None:
    database = make_database(define_schema({"items": define_table(v.any()).index("by_a_b", ["a.b", "n"], staged=True)}))
    import_all(database, "items", [{"n": -n, "a": {"b": n % 3}} for n in range(40)])
    taken = 0
    while one_step(database):
        taken += 1
    assert taken > 40 / 5
    database.push_schema(define_schema({"items": define_table(v.any()).index("by_a_b", ["a.b", "n"])}))
    found = [(document["a"]["b"], document["n"]) for document in documents(database, "by_a_b")]
    assert found == sorted(found)
    assert len(found) == 40
    database.check()


def test_a_large_commit_meanwhile_is_replayed_in_steps() -> None:
    few, many = (
        (fragmented(), 1),
        (fragmented(), 60),
    )
    taken = []
    for database, changes in (few, many):
        begun(database, 20)
        insert_all(database, "items", [{"n": n} for n in range(changes)])
        before = documents(database)
        first = task(database)
        count = 0
        while task(database) is first:
            one_step(database)
            count += 1
        assert same_documents(documents(database), before)
        taken.append(count)
    # Two changes at a time.
    assert taken[1] >= taken[0] + 60 // 2


def test_history_forgets_nothing_that_a_merge_has_to_replay() -> None:
    clock = TickingClock()
    database = fragmented(clock=clock, retention=10**9)
    first = begun(database, 10)
    insert_all(database, "items", [{"n": 100}])
    before = documents(database)
    clock.offset += 10**10
    assert one_step(database)
    assert database.history.floor == database.head.timestamp
    assert task(database) is first
    finished(database)
    assert database.statistics().maintenance_steps == 1
    assert same_documents(documents(database), before)


def test_others_that_commit_all_the_time_do_not_keep_it_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    database = fragmented()
    replace_head = database.committer.replace_head
    refused = 0

    def busy(change: Any) -> bool:
        nonlocal refused
        insert_all(database, "items", [{"n": refused}] * 4)
        done = replace_head(change)
        refused += not done
        return done

    monkeypatch.setattr(database.committer, "replace_head", busy)
    first = begun(database, 1)
    while task(database) in (first, None):
        one_step(database)
    # One change may be replayed while others wait, then two, then four.
    assert refused == 2
    database.check()
