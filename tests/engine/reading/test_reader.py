from __future__ import annotations

from typing import Any

import pytest

from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.language.errors import InvalidIdError, InvalidValueError, SchemaValidationError
from convex_nb.language.ids import encode_id
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import Id
from tests.engine.databases import insert_all, make_database, numbers, reading, transact


def test_get_with_and_without_the_table() -> None:
    database = make_database()
    (id,) = insert_all(database, "items", [{"n": 1}])
    _, db = reading(database)
    for found in (db.get(id), db.get("items", id), db.get(str(id))):
        assert found is not None
        assert found["n"] == 1
    assert db.get(encode_id(10001, bytes(16))) is None
    assert db.get("items", encode_id(10001, bytes(16))) is None
    assert db.get(encode_id(9999, bytes(16))) is None, "a table that there never was"
    with pytest.raises(InvalidIdError, match='an Id<"items">, got the id of a table that does not exist'):
        db.get("items", encode_id(9999, bytes(16)))


def test_writes_with_and_without_the_table() -> None:
    database = make_database()
    one, two = insert_all(database, "items", [{"n": 1}, {"n": 2}])

    def write(db: DatabaseWriter) -> None:
        db.patch(one, {"n": 3})
        db.patch("items", one, {"m": 4})
        db.replace("items", two, {"n": 5})
        db.replace(two, {"n": 6})
        db.delete(db.insert("items", {}))
        db.delete("items", db.insert("items", {}))

    transact(database, write)
    documents = reading(database)[1].query("items").collect()
    assert [{key: d[key] for key in d if key[0] != "_"} for d in documents] == [{"n": 3, "m": 4}, {"n": 6}]


def test_insert_many_gives_ids_in_order() -> None:
    database = make_database()
    ids = transact(database, lambda db: db.insert_many("items", ({"n": n} for n in range(5))))
    assert all(type(id) is Id and id.table == "items" for id in ids)
    _, db = reading(database)
    assert numbers([db.get(id) or {} for id in ids]) == [0, 1, 2, 3, 4]
    assert transact(database, lambda db: db.insert_many("items", [])) == []


def test_insert_many_is_all_or_nothing() -> None:
    database = make_database(define_schema({"items": define_table({"n": v.number()})}))
    with pytest.raises(SchemaValidationError):
        transact(database, lambda db: db.insert_many("items", [{"n": 1}, {"n": "x"}]))
    assert len(database.head.tables["items"]) == 0


@pytest.mark.parametrize(
    "document", [{"_id": "x"}, {"_creationTime": 1}, {"_mine": 1}, {"$x": 1}, {"": 1}, {"a": object()}]
)
def test_what_cannot_be_inserted(document: dict[str, Any]) -> None:
    database = make_database()
    with pytest.raises(InvalidValueError):
        transact(database, lambda db: db.insert("items", document))
    assert "items" not in database.head.tables


def test_system_tables_are_not_written() -> None:
    with pytest.raises(InvalidValueError, match="They are read-only"):
        transact(make_database(), lambda db: db.insert("_storage", {}))


@pytest.mark.parametrize("garbage", ["", "x", None, 5, "j57" + "0" * 29])
def test_garbage_is_no_id(garbage: Any) -> None:
    database = make_database()
    insert_all(database, "items", [{}])
    assert reading(database)[1].normalize_id("items", garbage) is None


def test_normalize_id() -> None:
    database = make_database()
    (item,) = insert_all(database, "items", [{}])
    (other,) = insert_all(database, "others", [{}])
    transaction, db = reading(database)
    found = db.normalize_id("items", str(item))
    assert type(found) is Id
    assert (found, found.table) == (item, "items")
    assert db.normalize_id("items", other) is None
    assert db.normalize_id("nothing", item) is None
    assert db.normalize_id("items", encode_id(10001, bytes(16))) is not None, "it need not exist"
    assert not transaction.read_set, "it reads nothing"
    with pytest.raises(InvalidValueError):
        db.normalize_id("_storage", item)


def test_a_reader_has_no_writes() -> None:
    database = make_database()
    _, db = reading(database)
    assert not hasattr(db, "insert")
    assert repr(db) == f"DatabaseReader(at {database.head.timestamp})"
    assert isinstance(DatabaseWriter(database.begin()), DatabaseReader)
