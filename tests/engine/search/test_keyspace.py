"""What searches depend on: a commit touches exactly those that would find a document of it, before or after."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.committer import Conflict
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.search import text_index
from convex_nb.engine.search.keyspace import TermKeyspace
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import UNDEFINED
from tests.engine.databases import committed, import_all, insert_all, make_database, reading, small_thresholds
from tests.engine.search import naive

TABLE = "items"
SCHEMA = define_schema({TABLE: define_table(v.any()).search_index("by_text", "text", ["f", "g"])})
SEARCHES = st.tuples(
    naive.TEXTS,
    st.lists(st.tuples(st.sampled_from(["f", "g"]), naive.FILTERS | st.just(UNDEFINED)), max_size=2),
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    monkeypatch.setattr(text_index, "ROWS", 2)


def search(db: DatabaseReader, text: str, equalities: naive.Equalities = ()) -> list[Any]:
    def written(q: Any) -> Any:
        made = q.search("text", text)
        for field, value in equalities:
            made = made.eq(field, value)
        return made

    return db.query(TABLE).with_search_index("by_text", written).collect()


@settings(max_examples=100)
@given(
    st.lists(SEARCHES, min_size=1, max_size=6),
    st.lists(naive.DOCUMENTS, min_size=3, max_size=3),
    st.lists(naive.DOCUMENTS, min_size=1, max_size=3),
    st.sampled_from(["insert", "replace", "delete", "import"]),
)
def test_exactly_what_is_touched(searches: list[Any], stored: list[Any], new: list[Any], kind: str) -> None:
    database = make_database(SCHEMA)
    ids = insert_all(database, TABLE, stored)
    read_sets = []
    for token, each in enumerate(searches):
        transaction, db = reading(database)
        search(db, *each)
        database.subscriptions.add(transaction.read_set, token)
        read_sets.append(transaction.read_set)
    database.subscriptions.check()

    def write(db: DatabaseWriter) -> None:
        for id, document in zip(ids, new, strict=False):
            if kind == "insert":
                db.insert(TABLE, document)
            elif kind == "replace":
                db.replace(id, document)
            else:
                db.delete(id)

    if kind == "import":
        commit = import_all(database, TABLE, new)
        changed = new
    else:
        commit = committed(database, write)
        changed = [each for write in commit.writes for each in (write.old, write.new)]
    expected = {
        token for token, each in enumerate(searches) if any(naive.is_found_by(document, *each) for document in changed)
    }
    assert database.touched(commit) == expected
    assert {token for token, reads in enumerate(read_sets) if reads.touched_by(commit)} == expected
    for token in range(len(searches)):
        database.subscriptions.remove(token)
    database.subscriptions.check()
    assert database.subscriptions.statistics().intervals == 0


def test_a_subscription_follows_the_beginnings_of_words() -> None:
    database = make_database(SCHEMA)
    transaction, db = reading(database)
    search(db, "bar foo")
    database.subscriptions.add(transaction.read_set, "search")
    for text, touched in [("fo", False), ("food", True), ("bars", False), ("Bar!", True), ("x foo", True), ("", False)]:
        found = database.touched(committed(database, lambda db, text=text: db.insert(TABLE, {"text": text})))  # type: ignore[misc]
        assert found == ({"search"} if touched else set()), text


def test_filters_narrow_what_a_search_depends_on() -> None:
    database = make_database(SCHEMA)
    transaction, db = reading(database)
    search(db, "a", [("g", 1), ("f", UNDEFINED)])
    database.subscriptions.add(transaction.read_set, "search")
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"g": 1}, True),
        ({"g": 1.0}, True),
        ({"f": None, "g": 1}, False),
        ({"g": 2}, False),
    ]
    for document, touched in cases:
        changed = {"text": "a", **document}
        found = database.touched(committed(database, lambda db, changed=changed: db.insert(TABLE, changed)))  # type: ignore[misc]
        assert found == ({"search"} if touched else set()), document


def test_a_search_that_cannot_find_anything_depends_on_nothing() -> None:
    database = make_database(SCHEMA)
    for text, equalities in [("", []), ("a", [("f", 1), ("f", 2)])]:
        transaction, db = reading(database)
        assert search(db, text, equalities) == []
        assert not transaction.read_set


@pytest.mark.parametrize(("text", "conflicts"), [("foods", True), ("bar", False)])
def test_a_phantom_is_a_conflict(text: str, conflicts: bool) -> None:
    database = make_database(SCHEMA)
    transaction = database.begin()
    db = DatabaseWriter(transaction)
    assert search(db, "food") == []
    db.insert(TABLE, {"n": 1})
    insert_all(database, TABLE, [{"text": text}])
    if conflicts:
        with pytest.raises(Conflict):
            database.commit(transaction)
    else:
        assert database.commit(transaction) is not None


def test_a_keyspace_is_a_name_that_says_what_it_is() -> None:
    keyspace = TermKeyspace("by_text", "text", {"g", "f"})
    assert keyspace == TermKeyspace("by_text", "text", ["f", "g"]) == "by_text: terms of text and f, g"
    assert keyspace != TermKeyspace("by_text", "text", [])
    assert keyspace.keys_of({"text": 1}) == keyspace.keys_of(None) == set()
