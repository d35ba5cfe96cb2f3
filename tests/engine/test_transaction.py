from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.transaction import Transaction
from convex_nb.language.documents import Document
from convex_nb.language.errors import (
    DocumentNotFoundError,
    InvalidIdError,
    InvalidValueError,
    LimitError,
    ReadOnlyError,
    SchemaValidationError,
)
from convex_nb.language.ids import encode_id
from convex_nb.language.keys import encode_key
from convex_nb.language.limits import Limits
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import UNDEFINED
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


def numbered(count: int = 10, *, imported: int = 0) -> Database:
    """``n`` from 1 on under ``by_fields``, the last ``imported`` of them in a segment."""
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": n} for n in range(1, count - imported + 1)])
    if imported:
        import_all(database, "items", [{"n": n} for n in range(count - imported + 1, count + 1)])
    return database


def greater(db: DatabaseReader, least: int) -> Any:
    return db.query("items").with_index("by_fields", lambda q: q.gt("n", least))


# -- what a read is recorded as -----------------------------------------------------------------------------------


def leave(iterator: Iterator[Any], count: int) -> list[Any]:
    """Some documents of an iteration that nobody ends."""
    kept.append(iterator)
    return list(islice(iterator, count))


kept: list[Any] = []
Read = Callable[[DatabaseReader], Any]
ABOVE_2 = (3, 10), (2.5, 12)
# Which documents it depends on, and where between 0.5 and 12 an older document would have been noticed.
READS: dict[str, tuple[Read, tuple[tuple[int, int], tuple[float, float]] | None]] = {
    "collect": (lambda db: greater(db, 2).collect(), ABOVE_2),
    "count": (lambda db: greater(db, 2).count(), ABOVE_2),
    "take(2)": (lambda db: greater(db, 2).take(2), ((3, 4), (2.5, 4))),
    "take(2) descending": (lambda db: greater(db, 2).order("desc").take(2), ((9, 10), (9.5, 12))),
    "take(8), all there are": (lambda db: greater(db, 2).take(8), ((3, 10), (2.5, 10))),
    "take(9), one more": (lambda db: greater(db, 2).take(9), ABOVE_2),
    "take(0)": (lambda db: greater(db, 2).take(0), None),
    "first": (lambda db: greater(db, 2).first(), ((3, 3), (2.5, 3))),
    "last": (lambda db: greater(db, 2).order("desc").first(), ((10, 10), (10.5, 12))),
    "first of nothing": (lambda db: greater(db, 10).first(), ((11, 10), (10.5, 12))),
    "unique": (lambda db: db.query("items").with_index("by_fields", n=5).unique(), ((5, 5), (5, 5))),
    "an iteration": (lambda db: list(greater(db, 2)), ABOVE_2),
    "a broken iteration": (lambda db: next(d for d in greater(db, 2) if d["n"] == 5), ((3, 5), (2.5, 5))),
    "descending and broken": (lambda db: list(islice(greater(db, 2).order("desc"), 3)), ((8, 10), (8.5, 12))),
    "an iteration that is left": (lambda db: leave(iter(greater(db, 2)), 3), ((3, 5), (2.5, 5))),
    "an iteration that never began": (lambda db: leave(iter(greater(db, 2)), 0), None),
    "a filter": (lambda db: greater(db, 2).filter(lambda q: q.field("n") == 4).collect(), ABOVE_2),
    "a filter and take": (lambda db: greater(db, 2).filter(lambda q: q.field("n") > 5).take(1), ((3, 6), (2.5, 6))),
    "a filter that nothing passes": (lambda db: greater(db, 2).filter(lambda q: q.field("n") > 50).first(), ABOVE_2),
    "arrow": (lambda db: greater(db, 2).arrow(limit=2), ((3, 4), (2.5, 4))),
    "a page": (lambda db: greater(db, 2).paginate(num_items=2), ((3, 4), (2.5, 4))),
    "the last page": (lambda db: greater(db, 2).paginate(num_items=50), ABOVE_2),
    "nothing at all": (lambda db: None, None),
}


@pytest.mark.parametrize("imported", [0, 4, 10])
@pytest.mark.parametrize("name", READS)
def test_what_was_consumed_is_recorded(name: str, imported: int) -> None:
    database = numbered(imported=imported)
    read, expected = READS[name]
    transaction, db = reading(database)
    read(db)
    intervals = list(transaction.read_set)
    if expected is None:
        assert intervals == []
        return
    (interval,) = intervals
    assert interval[:2] == ("items", "by_fields")
    (first, last), (least, greatest) = expected
    key_of = database.head.tables["items"].indexes[2].key_of
    documents = reading(database)[1].query("items").collect()
    assert [d["n"] for d in documents if interval.lo <= key_of(d) < interval.hi] == list(range(first, last + 1))
    older = [n / 2 for n in range(1, 25) if interval.lo <= encode_key(n / 2, 0.0, "x") < interval.hi]
    assert (older[0], older[-1]) == (least, greatest)


def test_an_iteration_is_recorded_as_far_as_it_has_come() -> None:
    database = numbered()
    transaction, db = reading(database)
    iterator = iter(greater(db, 2))
    next(iterator)
    before = list(transaction.read_set)
    next(iterator)
    after = list(transaction.read_set)
    assert before[0].hi < after[0].hi
    assert len(list(iterator)) == 6
    assert [interval.hi for interval in transaction.read_set] == [b"\xff"]


def test_a_transaction_whose_iteration_is_still_open_conflicts() -> None:
    database = numbered(3)
    transaction = database.begin()
    db = DatabaseWriter(transaction)
    iterator = iter(db.query("items"))
    first = next(iterator)
    db.insert("items", {"n": first["n"] + 100})
    transact(database, lambda db: db.patch(first["_id"], {"n": 50}))
    with pytest.raises(Conflict):
        database.commit(transaction)
    assert next(iterator)["n"] == 2


def test_a_table_that_does_not_exist_is_depended_on() -> None:
    database = make_database()
    transaction, db = reading(database)
    assert db.query("items").collect() == []
    assert db.query("items").count() == 0
    assert list(db.query("items")) == []
    assert [interval[:2] for interval in transaction.read_set] == [("items", "by_creation_time")]
    commit = committed(database, lambda db: db.insert("items", {}))
    assert transaction.read_set.touched_by(commit)


def test_points_are_recorded_whether_or_not_they_exist() -> None:
    database = numbered(2)
    one, two = [document["_id"] for document in reading(database)[1].query("items")]
    transact(database, lambda db: db.delete(two))
    transaction = database.begin()
    db = DatabaseWriter(transaction)
    assert db.get(one) is not None
    assert db.get(two) is None
    with pytest.raises(DocumentNotFoundError):
        db.delete(two)
    assert transaction.read_set.ids == {one, two}
    assert not transaction.read_set.intervals


@pytest.mark.parametrize(
    "write",
    [
        lambda db, id: db.patch(id, {}),
        lambda db, id: db.replace(id, {}),
        lambda db, id: db.delete(id),
    ],
)
def test_a_blind_write_reads_the_document(write: Callable[[DatabaseWriter, str], None]) -> None:
    database = numbered(1)
    document = reading(database)[1].query("items").first()
    assert document is not None
    transaction = database.begin()
    write(DatabaseWriter(transaction), document["_id"])
    transact(database, lambda db: db.patch(document["_id"], {"n": 2}))
    with pytest.raises(Conflict):
        database.commit(transaction)


def test_blind_inserts_do_not_conflict() -> None:
    database = numbered(1)
    transactions = [database.begin() for _ in range(3)]
    for n, transaction in enumerate(transactions):
        transaction.insert("items", {"n": n})
        transaction.insert("others", {"n": n})
    for transaction in transactions:
        database.commit(transaction)
    assert [len(database.head.tables[name]) for name in ("items", "others")] == [4, 3]
    database.check()


# -- own writes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("imported", [0, 5])
def test_reads_see_own_writes_in_every_index(imported: int) -> None:
    database = numbered(5, imported=imported)
    transaction = database.begin()
    db = DatabaseWriter(transaction)
    documents = db.query("items").collect()
    db.patch(documents[0]["_id"], {"n": 9})
    db.delete(documents[2]["_id"])
    db.insert("items", {"n": 0})
    by_n = db.query("items").with_index("by_fields")
    assert numbers(by_n.collect()) == [0, 2, 4, 5, 9]
    assert numbers(by_n.order("desc").take(2)) == [9, 5]
    assert numbers(db.query("items").collect()) == [9, 2, 4, 5, 0]
    assert by_n.count() == db.query("items").count() == 5
    assert db.get(documents[2]["_id"]) is None
    assert numbers(reading(database)[1].query("items").collect()) == [1, 2, 3, 4, 5]
    database.commit(transaction)
    assert numbers(reading(database)[1].query("items").with_index("by_fields").collect()) == [0, 2, 4, 5, 9]
    database.check()


def test_an_iteration_does_not_see_what_is_written_meanwhile() -> None:
    database = numbered(3)

    def double(db: DatabaseWriter) -> int:
        count = 0
        for document in db.query("items"):
            count += 1
            db.insert("items", {"n": document["n"] * 2})
        return count

    assert transact(database, double) == 3


def test_writes_are_net_changes() -> None:
    database = numbered(3)
    one, two, three = [document["_id"] for document in reading(database)[1].query("items")]

    def write(db: DatabaseWriter) -> None:
        db.patch(one, {"n": 10})
        db.patch(one, {"n": 11})
        db.patch(two, {"n": 12})
        db.delete(two)
        db.patch(three, {"n": 3})
        gone = db.insert("items", {"n": 4})
        db.delete(gone)
        db.patch(db.insert("items", {"n": 5}), {"n": 6})

    commit = committed(database, write)
    assert [(w.old and w.old["n"], w.new and w.new["n"]) for w in commit.writes] == [
        (1, 11),
        (2, None),
        (3, 3),
        (None, 6),
    ]
    database.check()


def test_a_transaction_that_undid_everything_commits_nothing() -> None:
    database = numbered(1)
    head = database.head
    transaction = database.begin()
    db = DatabaseWriter(transaction)
    db.delete(db.insert("items", {}))
    assert transaction.writes == ()
    assert database.commit(transaction) is None
    assert database.head is head


def test_what_an_insert_makes() -> None:
    database = make_database()
    before = database.clock.now_ns() / 1e6
    id = transact(database, lambda db: db.insert("items", {"list": [1, {"a": 2}], "gone": UNDEFINED}))
    assert id.table == "items"
    document = reading(database)[1].get(id)
    assert isinstance(document, Document)
    assert list(document) == ["_id", "_creationTime", "list"]
    assert document["_id"] == id
    assert before < document["_creationTime"] < database.clock.now_ns() / 1e6
    with pytest.raises(ReadOnlyError):
        document["list"].append(1)


def test_creation_times_ascend_even_when_the_clock_does_not() -> None:
    class Stopped:
        now = 1_700_000_000_000_000_000

        def now_ns(self) -> int:
            self.now -= 1000
            return self.now

    database = make_database(clock=Stopped())
    for _ in range(3):
        insert_all(database, "items", [{} for _ in range(5)])
    times = [document["_creationTime"] for document in reading(database)[1].query("items")]
    assert times == sorted(set(times))
    assert len(times) == 15


# -- patch, replace, delete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"a": {"x": 1, "y": 2}, "b": 1}),
        ({"b": 2}, {"a": {"x": 1, "y": 2}, "b": 2}),
        ({"c": [1]}, {"a": {"x": 1, "y": 2}, "b": 1, "c": [1]}),
        ({"a": {"x": 3}}, {"a": {"x": 3}, "b": 1}),
        ({"a": UNDEFINED}, {"b": 1}),
        ({"nothing": UNDEFINED}, {"a": {"x": 1, "y": 2}, "b": 1}),
        ({"b": None}, {"a": {"x": 1, "y": 2}, "b": None}),
    ],
)
def test_patch_merges_shallowly(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    database = make_database()
    id = transact(database, lambda db: db.insert("items", {"a": {"x": 1, "y": 2}, "b": 1}))
    old = reading(database)[1].get(id)
    assert old is not None
    transact(database, lambda db: db.patch("items", id, fields))
    new = reading(database)[1].get(id)
    assert new == {"_id": id, "_creationTime": old["_creationTime"], **expected}


def test_replace_keeps_nothing_but_the_system_fields() -> None:
    database = make_database()
    id = transact(database, lambda db: db.insert("items", {"a": 1, "b": 2}))
    old = reading(database)[1].get(id)
    assert old is not None
    transact(database, lambda db: db.replace(id, {"b": 3, "c": UNDEFINED}))
    assert reading(database)[1].get(id) == {"_id": id, "_creationTime": old["_creationTime"], "b": 3}
    transact(database, lambda db: db.replace(id, old))
    assert reading(database)[1].get(id) == old


def test_system_fields_may_be_given_as_they_are() -> None:
    database = make_database()
    id = transact(database, lambda db: db.insert("items", {"a": 1}))
    old = reading(database)[1].get(id)
    assert old is not None
    transact(database, lambda db: db.patch(id, {**old, "a": 2}))
    assert reading(database)[1].get(id) == {**old, "a": 2}
    for write in ("patch", "replace"):
        for field, value in (("_id", "other"), ("_creationTime", 0), ("_creationTime", True)):
            with pytest.raises(InvalidValueError, match=f"'{field}' cannot be changed.*Nothing was written"):
                transact(database, lambda db: getattr(db, write)(id, {field: value}))  # noqa: B023
    for write in ("patch", "replace"):
        with pytest.raises(InvalidValueError):
            transact(database, lambda db: getattr(db, write)(id, {"_other": 1}))  # noqa: B023


@pytest.mark.parametrize("operation", ["patch", "replace", "delete"])
def test_what_is_not_there_cannot_be_written(operation: str) -> None:
    database = numbered(1)
    id = transact(database, lambda db: db.insert("items", {}))
    transact(database, lambda db: db.delete(id))
    nowhere = encode_id(20000, bytes(16))
    arguments: tuple[Any, ...] = () if operation == "delete" else ({},)
    for table in ((), ("items",)):
        with pytest.raises(DocumentNotFoundError) as caught:
            transact(database, lambda db: getattr(db, operation)(*table, id, *arguments))  # noqa: B023
        named = {"patch": "Update"}.get(operation, operation.capitalize())
        assert f"{named} on nonexistent document ID {id}" in str(caught.value)
        assert (caught.value.document_id, caught.value.table) == (id, "items")
    with pytest.raises(DocumentNotFoundError, match=f"nonexistent document ID {nowhere}"):
        transact(database, lambda db: getattr(db, operation)(nowhere, *arguments))


@pytest.mark.parametrize("operation", ["get", "patch", "replace", "delete"])
@pytest.mark.parametrize("garbage", [None, 5, "", "abc", "j57" + "0" * 29, b"x", {"_id": "x"}])
def test_what_is_no_id(operation: str, garbage: Any) -> None:
    database = numbered(1)
    arguments: tuple[Any, ...] = ({},) if operation in ("patch", "replace") else ()
    with pytest.raises(InvalidIdError, match=f"Invalid argument `id` for `db.{operation}`"):
        transact(database, lambda db: getattr(db, operation)(garbage, *arguments))
    with pytest.raises(InvalidIdError, match=f"Invalid argument `id` for `db.{operation}`"):
        transact(database, lambda db: getattr(db, operation)("items", garbage, *arguments))


@pytest.mark.parametrize("operation", ["get", "patch", "replace", "delete"])
def test_an_id_of_another_table(operation: str) -> None:
    database = numbered(1)
    id = transact(database, lambda db: db.insert("others", {}))
    arguments: tuple[Any, ...] = ({},) if operation in ("patch", "replace") else ()
    with pytest.raises(
        InvalidIdError, match=f'`db.{operation}`: expected to be an Id<"items">, got Id<"others"> instead'
    ):
        transact(database, lambda db: getattr(db, operation)("items", id, *arguments))


@pytest.mark.parametrize("operation", ["patch", "replace", "insert"])
@pytest.mark.parametrize("value", [None, 5, [("a", 1)], "text"])
def test_what_is_no_document(operation: str, value: Any) -> None:
    database = numbered(1)
    target = "items" if operation == "insert" else reading(database)[1].query("items").take(1)[0]["_id"]
    with pytest.raises(InvalidValueError, match=f"Invalid argument `value` for `db.{operation}`: it must be a dict"):
        transact(database, lambda db: getattr(db, operation)(target, value))


def test_a_query_cannot_write() -> None:
    database = numbered(1)
    document = reading(database)[1].query("items").first()
    assert document is not None
    transaction = database.begin(writable=False)
    writes: list[Callable[[Transaction], Any]] = [
        lambda t: t.insert("items", {}),
        lambda t: t.patch(document["_id"], {}),
        lambda t: t.replace(document["_id"], {}),
        lambda t: t.delete(document["_id"]),
    ]
    for write in writes:
        with pytest.raises(ReadOnlyError, match="nothing was written"):
            write(transaction)
    assert not transaction.has_writes


def test_writes_are_checked_against_the_schema() -> None:
    schema = define_schema({"items": define_table({"n": v.number(), "to": v.optional(v.id("items"))})})
    database = make_database(schema)
    id = transact(database, lambda db: db.insert("items", {"n": 1}))
    transact(database, lambda db: db.patch(id, {"to": id}))
    for write in (
        lambda db: db.insert("items", {"n": "x"}),
        lambda db: db.patch(id, {"n": UNDEFINED}),
        lambda db: db.replace(id, {"n": 1, "other": 2}),
    ):
        with pytest.raises(SchemaValidationError, match='"items"'):
            transact(database, write)
    others = transact(database, lambda db: db.insert("others", {"anything": 1}))
    with pytest.raises(SchemaValidationError):
        transact(database, lambda db: db.patch(id, {"to": others}))
    database.push_schema(define_schema(dict(schema.tables), schema_validation=False))
    transact(database, lambda db: db.patch(id, {"n": "x"}))


# -- savepoints ---------------------------------------------------------------------------------------------------


def test_rolling_back_undoes_writes_and_keeps_reads() -> None:
    database = numbered(3)
    transaction = database.begin()
    db = DatabaseWriter(transaction)
    one, two, three = [document["_id"] for document in greater(db, 0).collect()]
    db.patch(one, {"n": 10})
    outer = transaction.savepoint()
    db.delete(two)
    db.insert("others", {"n": 1})
    inner = transaction.savepoint()
    db.delete(three)
    db.patch(one, {"n": 20})
    transaction.rollback_to(inner)
    assert numbers(greater(db, 0).collect()) == [3, 10]
    transaction.rollback_to(outer)
    assert numbers(greater(db, 0).collect()) == [2, 3, 10]
    assert db.query("others").collect() == []
    assert [(write.id, write.new and write.new["n"]) for write in transaction.writes] == [(one, 10)]
    assert {two, three} <= transaction.read_set.ids
    db.insert("others", {"n": 2})
    database.commit(transaction)
    assert numbers(reading(database)[1].query("others").collect()) == [2]
    assert numbers(greater(reading(database)[1], 0).collect()) == [2, 3, 10]
    database.check()


def test_one_savepoint_serves_twice() -> None:
    database = numbered(1)
    transaction = database.begin()
    savepoint = transaction.savepoint()
    for _ in range(2):
        transaction.insert("items", {"n": 5})
        transaction.rollback_to(savepoint)
    assert not transaction.has_writes
    assert database.commit(transaction) is None


def test_a_segment_is_rolled_back_too() -> None:
    from convex_nb.engine.part import Part
    from convex_nb.engine.segments.segment import Segment

    database = numbered(1)
    transaction = database.begin()
    state = database.head.tables["items"]
    id, time = database.mint.identity(state.number, "items")
    part = Part.build(
        Segment.from_documents([Document({"_id": id, "_creationTime": time, "n": 7})], "items"), state.indexes
    )
    savepoint = transaction.savepoint()
    transaction.add_part("items", part, replace=True)
    transaction.rollback_to(savepoint)
    assert not transaction.has_writes
    transaction.insert("items", {"n": 2})
    insert_all(database, "items", [{"n": 3}])
    commit = database.commit(transaction)
    assert commit is not None
    assert (commit.parts, commit.replaced) == ((), frozenset())
    assert numbers(reading(database)[1].query("items").collect()) == [1, 2, 3]
    database.check()


# -- limits -------------------------------------------------------------------------------------------------------


def limited(**limits: int) -> Database:
    database = make_database(items_schema("n"), limits=Limits(**limits))
    insert_all(database, "items", [{"n": n} for n in range(1, 4)])
    insert_all(database, "items", [{"n": n} for n in range(4, 7)])
    return database


def test_documents_read_are_limited() -> None:
    database = limited(read_documents=5)
    assert len(reading(database)[1].query("items").take(5)) == 5
    reads: list[Read] = [
        lambda db: db.query("items").collect(),
        lambda db: list(db.query("items")),
        lambda db: db.query("items").take(6),
        lambda db: (db.query("items").take(3), db.query("items").take(3)),
        lambda db: db.query("items").filter(lambda q: False).collect(),
    ]
    for read in reads:
        transaction, db = reading(database)
        with pytest.raises(LimitError, match=r"Too many documents read .*limit: 5") as caught:
            read(db)
        assert (caught.value.kind, caught.value.limit, caught.value.used) == ("documents_read", 5, 6)
        # A query that fails has to know when it may succeed.
        commit = committed(database, lambda db: db.patch(db.query("items").take(1)[0]["_id"], {}))
        assert transaction.read_set.touched_by(commit)


def test_bytes_read_are_limited() -> None:
    database = limited(read_bytes=200)
    assert len(reading(database)[1].query("items").take(2)) == 2
    with pytest.raises(LimitError, match="Too many bytes read"):
        reading(database)[1].query("items").collect()


def test_reads_are_limited() -> None:
    database = limited(read_ranges=2)
    _, db = reading(database)
    db.query("items").take(1)
    db.query("items").count()
    with pytest.raises(LimitError, match=r"Too many reads .*limit: 2"):
        db.query("items").first()


def test_writes_are_limited() -> None:
    database = limited(write_documents=3)
    with pytest.raises(LimitError, match="Too many writes"):
        insert_all(database, "items", [{}] * 4)
    assert len(database.head.tables["items"]) == 6
    database = limited(write_bytes=300)
    with pytest.raises(LimitError, match="Too many bytes written"):
        insert_all(database, "items", [{"text": "x" * 400}])
