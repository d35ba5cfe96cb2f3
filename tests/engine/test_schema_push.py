from __future__ import annotations

from typing import Any

import pytest

from convex_nb.engine.commit import Commit
from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseWriter
from convex_nb.engine.transaction import Transaction
from convex_nb.language.errors import IndexNotFoundError, SchemaValidationError
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import (
    DiskFullError,
    FailingLog,
    import_all,
    insert_all,
    make_database,
    numbers,
    reading,
    transact,
)
from tests.engine.model import assert_holds


def filled(count: int = 6, imported: int = 6) -> Database:
    """Documents in a segment and in none, some of the segment's dead."""
    database = make_database()
    commit = import_all(database, "items", [{"n": n, "text": str(n)} for n in range(imported)])
    insert_all(database, "items", [{"n": n, "text": str(n)} for n in range(imported, imported + count)])
    ids = [document["_id"] for document in commit.parts[0][1].segment.documents(range(imported))]
    transact(database, lambda db: (db.patch(ids[0], {"n": 100}), db.delete(ids[1])))
    return database


def items(**validators: Any) -> SchemaDefinition:
    return define_schema({"items": define_table(validators or v.any())})


def contents(database: Database) -> dict[str, dict[str, Any]]:
    documents = reading(database)[1].query("items").collect()
    return {"items": {document["_id"]: document for document in documents}}


def test_indexes_come_and_go() -> None:
    database = filled()
    table = define_table(v.any())
    expected = contents(database)
    schemas = [
        define_schema({"items": table.index("by_n", ["n"])}),
        define_schema({"items": table.index("by_text", ["text"]).index("by_n", ["n"])}),
        define_schema({"items": table.index("by_n", ["text", "n"])}),
        define_schema({"items": table}),
        define_schema({}),
        None,
        define_schema({"items": table.index("by_n", ["n"])}),
    ]
    for schema in schemas:
        assert database.push_schema(schema) is True
        assert database.push_schema(schema) is False, "the same again changes nothing"
        assert database.head.schema == schema
        definition = None if schema is None else schema.tables.get("items")
        names = [] if definition is None else [index.name for index in definition.indexes]
        assert [index.name for index in database.head.tables["items"].indexes[2:]] == names
        database.check()
        assert_holds(database, database.head, expected)
        insert_all(database, "items", [{"n": 1, "text": "new"}])
        expected = contents(database)
    assert numbers(reading(database)[1].query("items").with_index("by_n").take(4)) == [1] * 4
    with pytest.raises(IndexNotFoundError):
        reading(database)[1].query("items").with_index("by_text")


def test_a_kept_index_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    database = filled()
    database.push_schema(define_schema({"items": define_table(v.any()).index("by_n", ["n"])}))
    run = database.head.tables["items"].parts[0].run(2)
    renamed = define_table(v.any()).index("by_text", ["text"]).index("by_n", ["n"])
    database.push_schema(define_schema({"items": renamed}))
    assert database.head.tables["items"].parts[0].run(3) is run


@pytest.mark.parametrize(
    ("schema", "field", "value"),
    [
        (items(n=v.number()), "text", "x"),
        (items(n=v.number(), text=v.number()), "text", "x"),
        (items(n=v.number(), text=v.string(), more=v.string()), "more", None),
        (items(n=v.number(), text=v.string(), to=v.optional(v.id("items"))), "to", "garbage"),
    ],
)
def test_a_schema_that_does_not_fit_changes_nothing(schema: SchemaDefinition, field: str, value: Any) -> None:
    database = filled()
    if value == "garbage":
        insert_all(database, "items", [{"n": 1, "text": "", "to": value}])
    head = database.head
    before = contents(database)
    with pytest.raises(SchemaValidationError) as caught:
        database.push_schema(schema)
    error = caught.value
    assert error.table == "items"
    assert error.document_id in before["items"]
    assert f'Document with ID "{error.document_id}" in table "items" does not match the schema' in str(error)
    assert field in str(error)
    assert database.head is head
    assert database.head.schema is None
    insert_all(database, "items", [{"anything": [1]}])
    database.check()


def test_the_offenders_are_named() -> None:
    database = make_database()
    ids = insert_all(database, "items", [{"n": 1}, {"n": "one"}, {"n": 2}, {"n": "two"}])
    others = insert_all(database, "others", [{"m": None}])
    with pytest.raises(SchemaValidationError) as caught:
        database.push_schema(define_schema({"items": define_table({"n": v.number()}), "others": define_table({})}))
    assert caught.value.document_id == ids[1]
    assert caught.value.document_ids == (ids[1], ids[3], others[0])
    assert len([note for note in caught.value.__notes__ if any(id in note for id in ids + others)]) == 3
    transact(database, lambda db: [db.patch(id, {"n": 0}) for id in (ids[1], ids[3])])
    assert database.push_schema(items(n=v.number())) is True


def test_only_what_changed_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    from convex_nb.engine import schema_push

    checked: list[str] = []
    check = schema_push.check_documents

    def counted(database: Any, state: Any, definition: Any) -> Any:
        checked.append(state.name)
        return check(database, state, definition)

    monkeypatch.setattr(schema_push, "check_documents", counted)
    database = make_database()
    insert_all(database, "items", [{"n": 1}])
    insert_all(database, "others", [{"m": 1}])
    one, other = define_table({"n": v.number()}), define_table({"m": v.number()})
    steps = [
        (define_schema({"items": one}), ["items"]),
        (define_schema({"items": one.index("by_n", ["n"])}), []),
        (define_schema({"items": one, "others": other}), ["others"]),
        (define_schema({"items": one, "others": other}, schema_validation=False), []),
        (define_schema({"items": one}), ["items"]),
        (define_schema({"items": define_table({"n": v.any()})}), ["items"]),
        (None, []),
        (define_schema({"items": one}), ["items"]),
    ]
    for schema, expected in steps:
        checked.clear()
        database.push_schema(schema)
        assert checked == expected


def test_without_validation_nothing_is_checked() -> None:
    database = filled()
    schema = define_schema({"items": define_table({"n": v.string()}).index("by_n", ["n"])}, schema_validation=False)
    assert database.push_schema(schema)
    insert_all(database, "items", [{"n": 5, "more": None}])
    assert reading(database)[1].query("items").with_index("by_n").count() == len(contents(database)["items"])


def test_tables_of_the_schema_exist() -> None:
    database = make_database(define_schema({"items": define_table(v.any()).index("by_n", ["n"])}))
    assert len(database.head.tables["items"]) == 0
    assert reading(database)[1].query("items").with_index("by_n").collect() == []
    assert [name for name in database.table_names.values() if not name.startswith("_")] == ["items"]


def test_a_push_waits_for_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody commits each time that a push is about to be installed."""
    from convex_nb.engine.schema_push import prepare

    database = make_database()
    disturbed = 0

    def prepared(*arguments: Any, **options: Any) -> Any:
        nonlocal disturbed
        tables = prepare(*arguments, **options)
        if not database.committer._publish.locked():
            insert_all(database, "items", [{"n": disturbed}])
            disturbed += 1
        return tables

    monkeypatch.setattr("convex_nb.engine.schema_push.prepare", prepared)
    assert database.push_schema(items())
    assert 0 < disturbed < 10
    assert len(database.head.tables["items"]) == disturbed
    database.check()


def test_what_is_written_with_a_push_is_in_force_with_it_or_not_at_all() -> None:
    full = True
    log = FailingLog(lambda: full)
    database = make_database(log=log)
    seen: list[set[str]] = []
    database.on_commit.append(lambda commit: seen.append(set(commit.tables)))

    def also(transaction: Transaction) -> None:
        assert transaction.snapshot.schema == items()
        DatabaseWriter(transaction).insert("items", {"n": 1})

    before = database.head
    with pytest.raises(DiskFullError):
        database.push_schema(items(), also)
    assert database.head is before

    full = False
    assert database.push_schema(items(), also, "several")
    assert log.appends == 2
    push, commit = log.entries
    assert (push.timestamp, commit.timestamp) == (database.head.timestamp - 1, database.head.timestamp)
    assert isinstance(commit, Commit)
    assert commit.source == "several"
    assert seen == [{"items"}]
    assert numbers(reading(database)[1].query("items").collect()) == [1]
    assert len(database.at(push.timestamp).tables["items"]) == 0
    assert not database.push_schema(items(), also)
    database.check()


def test_a_push_whose_writes_fail_changes_nothing() -> None:
    database = make_database()
    before = database.head

    def also(transaction: Transaction) -> None:
        DatabaseWriter(transaction).insert("items", {"n": "no number"})

    with pytest.raises(SchemaValidationError):
        database.push_schema(items(n=v.number()), also)
    assert database.head is before
