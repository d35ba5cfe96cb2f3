"""Vector search inside transactions: it depends on what is as near as the last document found, and on nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.search import vector_index
from convex_nb.engine.search.nearness import VectorKeyspace
from convex_nb.language.errors import IndexNotFoundError, SearchError
from tests.engine.databases import committed, import_all, insert_all, make_database, reading, small_thresholds
from tests.engine.search import naive
from tests.engine.search.test_vector_search import (
    CONDITIONS,
    DOCUMENTS,
    TABLE,
    VECTORS,
    cosine,
    is_indexed,
    nearest,
    schema,
)

LISTS = st.lists(DOCUMENTS, max_size=6)


def filter_of(conditions: Any) -> Any:
    return None if conditions is None else lambda q: q.or_(*[q.eq(field, value) for field, value in conditions])


def asked(db: DatabaseReader, vector: Any, limit: int, conditions: Any = None) -> Any:
    return db.vector_search(TABLE, "near", vector=vector, limit=limit, filter=filter_of(conditions))


@settings(max_examples=60)
@given(
    LISTS,
    LISTS,
    VECTORS,
    st.integers(1, 4),
    CONDITIONS,
    st.sampled_from(["insert", "replace", "delete", "import"]),
    LISTS,
)
def test_a_commit_touches_a_search_that_it_may_change(
    imported: Any, inserted: Any, vector: Any, limit: int, conditions: Any, kind: str, new: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        small_thresholds(patch)
        patch.setattr(vector_index, "ROWS", 3)
        database = make_database(schema())
        if imported:
            import_all(database, TABLE, imported)
        ids = insert_all(database, TABLE, inserted) if inserted else []
        transaction, db = reading(database)
        found = asked(db, vector, limit, conditions)
        assert found == nearest(database, vector, limit, filter_of(conditions))
        database.subscriptions.add(transaction.read_set, "search")
        database.subscriptions.check()

        def write(db: DatabaseWriter) -> None:
            if kind == "insert":
                db.insert_many(TABLE, new)
            for id, document in zip(ids, new, strict=False):
                if kind == "replace":
                    db.replace(id, document)
                elif kind == "delete":
                    db.delete(id)

        if not new or (kind in ("replace", "delete") and not ids):
            return
        if kind == "import":
            changed, commit = new, import_all(database, TABLE, new)
        else:
            commit = committed(database, write)
            changed = [each for write in commit.writes for each in (write.old, write.new) if each is not None]
        touched = database.touched(commit) == {"search"}
        assert (transaction.read_set.touched_by(commit) is not None) == touched
        if not touched:
            assert nearest(database, vector, limit, filter_of(conditions)) == found
        least = found[-1]["_score"] if len(found) == limit else -2.0
        near = [
            document
            for document in changed
            if is_indexed(document.get("vector"))
            and (conditions is None or any(naive.passes(document, [condition]) for condition in conditions))
            and cosine(document["vector"], vector) >= least - 1e-6
        ]
        assert not touched or near


def filled() -> Database:
    database = make_database(schema())
    insert_all(database, TABLE, [{"vector": [1.0, number, 0.0], "f": number % 2} for number in range(6)])
    return database


def test_only_what_is_near_counts() -> None:
    database = filled()
    transaction, db = reading(database)
    asked(db, [1.0, 0.0, 0.0], 2, [("f", 0)])
    (interval,) = transaction.read_set
    assert isinstance(interval.index_name, VectorKeyspace)
    database.subscriptions.add(transaction.read_set, "search")
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"vector": [1.0, 9.0, 0.0], "f": 0}, False),
        ({"vector": [1.0, 0.0, 0.0], "f": 1}, False),
        ({"vector": [1.0, 0.0], "f": 0}, False),
        ({"f": 0}, False),
        ({"vector": [-1.0, 0.0, 0.0], "f": 0}, False),
        ({"vector": [1.0, 0.5, 0.0], "f": 0}, True),
    ]
    for document, touched in cases:
        commit = committed(database, lambda db, document=document: db.insert(TABLE, document))  # type: ignore[misc]
        assert (database.touched(commit) == {"search"}) == touched, document
        assert (database.touched(import_all(database, TABLE, [document])) == {"search"}) == touched, document


@pytest.mark.parametrize("limit", [1, 3, 6, 7])
def test_each_that_was_found_counts_and_where_there_is_room_all_do(limit: int) -> None:
    for place in range(7):
        database = filled()
        transaction, db = reading(database)
        found = [each["_id"] for each in asked(db, [1.0, 0.0, 0.0], limit)]
        ids = [each["_id"] for each in database.head.tables[TABLE].scan(1, b"", b"\xff", reverse=False)]
        database.subscriptions.add(transaction.read_set, "search")

        def write(db: DatabaseWriter, place: int = place, ids: Any = ids) -> None:
            # The nearest comes first in the table; what comes last is new and far.
            db.delete(ids[place]) if place < 6 else db.insert(TABLE, {"vector": [-1.0, 0.0, 0.0]})

        commit = committed(database, write)
        touched = limit > 6 if place == 6 else ids[place] in found
        assert found == ids[:limit]
        assert (database.touched(commit) == {"search"}) == touched, place


NEAR, FAR = [1.0, 0.1, 0.0], [-1.0, 0.0, 0.0]


@pytest.mark.parametrize("stretch", [1, 1 << 16])
@pytest.mark.parametrize(
    ("documents", "touched"),
    [
        ([{"vector": FAR, "f": 0}, {"vector": NEAR, "f": 0}, {"vector": FAR, "f": 0}], True),
        ([{"vector": NEAR, "f": 1}, {"vector": FAR, "f": 0}], False),
        # One of the conditions is enough.
        ([{"vector": NEAR, "f": 1, "g": 5}], True),
    ],
)
def test_of_many_that_come_together_those_count_that_pass(
    monkeypatch: pytest.MonkeyPatch, stretch: int, documents: Any, touched: bool
) -> None:
    monkeypatch.setattr(vector_index, "ROWS", stretch)
    for imports in (True, False):
        database = filled()
        transaction, db = reading(database)
        asked(db, [1.0, 0.0, 0.0], 2, [("f", 0), ("g", 5)])
        database.subscriptions.add(transaction.read_set, "search")
        if imports:
            commit = import_all(database, TABLE, documents)
        else:
            commit = committed(database, lambda db: db.insert_many(TABLE, documents))
        assert (database.touched(commit) == {"search"}) == touched


def test_searches_near_the_same_vector_that_filter_differently_count_each() -> None:
    for first, second in ((0, 1), (1, 0)):
        database = filled()
        transaction, db = reading(database)
        for f in (first, second):
            asked(db, [1.0, 0.0, 0.0], 2, [("f", f)])
        database.subscriptions.add(transaction.read_set, "search")
        for f in (0, 1):
            commit = committed(database, lambda db, f=f: db.insert(TABLE, {"vector": NEAR, "f": f}))  # type: ignore[misc]
            assert database.touched(commit) == {"search"}
            assert transaction.read_set.touched_by(commit) is not None


def test_a_mutation_finds_what_it_has_written_and_conflicts_with_what_is_near() -> None:
    database = filled()
    for other, conflicts in [([0.0, 1.0, 0.0], True), ([0.0, 0.0, 1.0], False)]:
        transaction = database.begin()
        db = DatabaseWriter(transaction)
        id = db.insert(TABLE, {"vector": [1.0, 0.0, 0.0]})
        assert asked(db, [1.0, 0.0, 0.0], 1)[0]["_id"] <= id
        db.insert("log", {"nearest": asked(db, [0.0, 1.0, 0.0], 1)[0]["_id"]})
        committed(database, lambda db, other=other: db.insert(TABLE, {"vector": other}))  # type: ignore[misc]
        if conflicts:
            with pytest.raises(Conflict):
                database.commit(transaction)
        else:
            assert database.commit(transaction) is not None


def test_what_is_refused() -> None:
    _, db = reading(filled())
    with pytest.raises(IndexNotFoundError):
        db.vector_search(TABLE, "far", vector=[1.0, 0.0, 0.0])
    with pytest.raises(SearchError, match="a list of 3 finite numbers"):
        db.vector_search(TABLE, "near", vector=[1.0])
    with pytest.raises(SearchError, match="from 1 to"):
        asked(db, [1.0, 0.0, 0.0], 0)
