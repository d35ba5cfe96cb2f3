"""A result that is carried over is the same as one that is read anew, and costs less."""

from __future__ import annotations

import random
from typing import Any

import pytest

from convex_nb.engine import materialised as module
from convex_nb.engine.database import Database
from convex_nb.engine.materialised import Materialised
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.documents import Document
from tests.engine.databases import (
    TickingClock,
    import_all,
    insert_all,
    items_schema,
    make_database,
    numbers,
    reading,
    small_thresholds,
    transact,
)
from tests.engine.model import same_documents


class Reader:
    """A live query's way of reading: with what it read in its last run."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.materialised = Materialised(database)

    def db(self) -> DatabaseReader:
        return DatabaseReader(self.database.begin(writable=False, materialised=self.materialised))

    def read(self, low: int = 0, high: int = 99, order: str = "asc") -> list[Document]:
        query = self.db().query("items").with_index("by_fields", lambda q: q.gte("n", low).lt("n", high))
        return query.order(order).collect()


def fresh(database: Database, low: int = 0, high: int = 99, order: str = "asc") -> list[Document]:
    query = reading(database)[1].query("items").with_index("by_fields", lambda q: q.gte("n", low).lt("n", high))
    return query.order(order).collect()


def change(database: Database, chance: random.Random, ids: list[str]) -> None:
    """A commit of several writes, some of them to one document, some moving it, or a bulk one."""
    if chance.random() < 0.04:
        replace = chance.random() < 0.3
        commit = import_all(database, "items", [{"n": chance.randrange(40)} for _ in range(4)], replace)
        if replace:
            ids.clear()
        ids += [document["_id"] for document in commit.parts[0][1].segment.documents(range(4))]
        return

    def write(db: DatabaseWriter) -> None:
        for _ in range(chance.randint(1, 4)):
            kind = chance.randrange(5)
            if kind == 0 or not ids:
                ids.append(db.insert("items", {"n": chance.randrange(40)}))
            elif kind == 1:
                db.patch(chance.choice(ids), {"n": chance.randrange(40)})
            elif kind == 2:
                db.patch(chance.choice(ids), {"other": chance.randrange(3)})
            elif kind == 3:
                db.delete(ids.pop(chance.randrange(len(ids))))
            else:
                db.delete(db.insert("items", {"n": chance.randrange(40)}))

    transact(database, write)


@pytest.mark.parametrize("seed", range(25))
def test_a_patched_result_equals_a_fresh_read(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    small_thresholds(monkeypatch)
    chance = random.Random(seed)
    database = make_database(items_schema("n"))
    ids = insert_all(database, "items", [{"n": chance.randrange(40)} for _ in range(30)])
    reader = Reader(database)
    for step in range(60):
        for _ in range(chance.randint(0, 2)):
            change(database, chance, ids)
        if chance.random() < 0.2:
            database.maintain(1000)
        if chance.random() < 0.03:
            fields = ["n"] if chance.random() < 0.5 else ["n", "other"]
            database.push_schema(items_schema(*fields))
        order = chance.choice(["asc", "desc"])
        low, high = chance.choice([(0, 99), (10, 30), (20, 25)])
        found = reader.read(low, high, order)
        assert same_documents(found, fresh(database, low, high, order)), f"seed {seed}, step {step}"
        if chance.random() < 0.05:
            reader.materialised.turn()
    assert reader.materialised.patched > 2
    assert reader.materialised.read_anew > 5


def test_nothing_is_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database(items_schema("n"))
    commit = import_all(database, "items", [{"n": n % 90} for n in range(2000)])
    imported = commit.parts[0][1].segment.documents(range(2000))
    reader = Reader(database)
    first = reader.read()
    assert reader.materialised.read_anew == 1
    decoded = 0
    documents = Segment.documents

    def counted(self: Segment, rows: Any) -> list[Document]:
        nonlocal decoded
        found = documents(self, rows)
        decoded += len(found)
        return found

    monkeypatch.setattr(Segment, "documents", counted)
    transact(database, lambda db: db.insert("items", {"n": 50}))
    transact(database, lambda db: db.patch(imported[7]["_id"], {"n": 80}))
    transact(database, lambda db: db.delete(imported[8]["_id"]))
    second = reader.read()
    assert decoded == 0
    assert (reader.materialised.read_anew, reader.materialised.patched) == (1, 1)
    assert len({id(document) for document in first} & {id(document) for document in second}) == 1998
    monkeypatch.undo()
    assert same_documents(second, fresh(database))


def test_each_caller_has_a_list_of_its_own() -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": 1}] * 300)
    reader = Reader(database)
    reader.read().clear()
    reader.read().pop()
    assert len(reader.read()) == 300


def test_short_ranges_are_not_kept() -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": 1}] * (module.LEAST - 1))
    reader = Reader(database)
    reader.read()
    assert len(reader.materialised) == 0
    insert_all(database, "items", [{"n": 1}])
    reader.read()
    assert len(reader.materialised) == 1
    transact(database, lambda db: db.delete(db.query("items").take(1)[0]["_id"]))
    reader.read()
    assert len(reader.materialised) == 0, "it has become short"


def test_what_a_run_did_not_read_is_forgotten() -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": 1}] * 300)
    reader = Reader(database)
    reader.read(0)
    reader.read(1)
    reader.materialised.turn()
    assert len(reader.materialised) == 2
    reader.read(1)
    reader.materialised.turn()
    assert len(reader.materialised) == 1
    reader.read(1)
    assert (reader.materialised.patched, reader.materialised.read_anew) == (2, 2)
    reader.materialised.turn()
    reader.materialised.turn()
    assert len(reader.materialised) == 0


@pytest.mark.parametrize("what", ["many changes", "an import", "a push", "an older snapshot", "a forgotten past"])
def test_when_a_range_is_read_anew(what: str) -> None:
    clock = TickingClock()
    database = make_database(items_schema("n"), clock=clock)
    ids = insert_all(database, "items", [{"n": n} for n in range(400)])
    old = database.head
    insert_all(database, "items", [{"n": 1}])
    reader = Reader(database)
    reader.read(0, 500)
    if what == "many changes":
        transact(database, lambda db: [db.patch(id, {"x": 1}) for id in ids[:60]])
    elif what == "an import":
        import_all(database, "items", [{"n": 1}])
    elif what == "a push":
        database.push_schema(items_schema("n", "x"))
    elif what == "a forgotten past":
        insert_all(database, "items", [{"n": 1}])
        clock.offset += 10**15
        database.maintain(1000)
    if what == "an older snapshot":
        transaction = database.begin(old, writable=False, materialised=reader.materialised)
        found = DatabaseReader(transaction).query("items").with_index("by_fields").collect()
        assert numbers(found) == list(range(400))
    else:
        assert same_documents(reader.read(0, 500), fresh(database, 0, 500))
    assert (reader.materialised.read_anew, reader.materialised.patched) == (2, 0)


def test_a_transactions_own_writes_are_seen() -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": 1}] * 300)
    materialised = Materialised(database)
    transaction = database.begin(materialised=materialised)
    db = DatabaseWriter(transaction)
    assert len(db.query("items").collect()) == 300
    db.insert("items", {"n": 2})
    assert len(db.query("items").collect()) == 301
    assert len(DatabaseReader(database.begin(materialised=materialised)).query("items").collect()) == 300
