from __future__ import annotations

from tests.engine.databases import committed, import_all, insert_all, items_schema, make_database


def test_the_tables_of_a_commit() -> None:
    database = make_database(items_schema("n"))

    def write(db: object) -> None:
        db.insert("items", {"n": 1})  # type: ignore[attr-defined]
        db.insert("notes", {"n": 2})  # type: ignore[attr-defined]

    assert committed(database, write).tables == frozenset({"items", "notes"})
    assert import_all(database, "others", [{"n": 1}], replace=True).tables == frozenset({"others"})


def test_a_commit_knows_the_indexes_of_its_keys() -> None:
    database = make_database(items_schema("n"))
    commit = committed(database, lambda db: db.insert("items", {"n": 1}))
    assert [index.name for index in commit.indexes["items"]] == ["by_id", "by_creation_time", "by_fields"]
    write = commit.writes[0]
    assert write.new is not None
    assert write.new_keys == tuple([index.key_of(write.new) for index in commit.indexes["items"]])
    database.push_schema(items_schema("m", "n"))
    assert commit.indexes["items"][2].fields == ("n",)


def test_a_table_that_a_commit_brought() -> None:
    database = make_database()
    commit = committed(database, lambda db: db.insert("items", {}))
    assert [(name, len(state)) for name, state in commit.created.items()] == [("items", 0)]
    insert_all(database, "items", [{}])
    assert database.commits_between(commit.timestamp, database.head.timestamp)[0].created == {}  # type: ignore[index]
