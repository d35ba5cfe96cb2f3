"""What searches look into: made ahead of them, counted, verified, and let go of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.database_statistics import table_statistics
from convex_nb.engine.schema_push import Backfill
from convex_nb.engine.search import text_index, vector_index
from convex_nb.engine.search.filter_values import FilterValues
from convex_nb.engine.search.text_index import TextIndex
from convex_nb.engine.search.vector_index import VectorIndex
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import import_all, insert_all, make_database, reading

TABLE = "items"
PLAIN = define_table(v.any())
DOCUMENTS = [{"text": f"word{number} é", "vector": [1.0, number], "f": number % 2} for number in range(7)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_index, "ROWS", 3)
    monkeypatch.setattr(vector_index, "ROWS", 3)


def schema(*, staged: bool = False) -> SchemaDefinition:
    table = PLAIN.search_index("by_text", "text", ["f"], staged=staged)
    return define_schema({TABLE: table.vector_index("near", "vector", 2, ["f", "g"], staged=staged)})


def segment_of(database: Database) -> Segment:
    return database.head.tables[TABLE].parts[0].segment


KEYS: set[Any] = {
    (TextIndex, "text"),
    (VectorIndex, "vector", 2),
    (FilterValues, "f"),
    (FilterValues, "g"),
}


def test_a_push_makes_it_and_another_lets_go_of_it() -> None:
    database = make_database(define_schema({TABLE: PLAIN}))
    import_all(database, TABLE, DOCUMENTS)
    before = segment_of(database).nbytes
    database.push_schema(schema())
    segment = segment_of(database)
    assert segment.derived.keys() == KEYS
    statistics = table_statistics(database.head.tables[TABLE])
    assert statistics.searched == {"by_text": Backfill(("text",), 7, 7), "near": Backfill(("vector",), 7, 7)}
    assert statistics.staged == {}
    assert segment.nbytes > before
    database.push_schema(define_schema({TABLE: PLAIN.search_index("other", "text")}))
    assert segment.derived.keys() == {(TextIndex, "text")}
    database.push_schema(None)
    assert not segment.derived
    assert segment.nbytes == before


def test_an_import_makes_it() -> None:
    database = make_database(schema())
    import_all(database, TABLE, DOCUMENTS)
    assert segment_of(database).derived.keys() == KEYS


def test_a_search_of_the_past_makes_it_again() -> None:
    database = make_database(schema())
    import_all(database, TABLE, DOCUMENTS)
    past = database.head
    database.push_schema(None)
    db = reading(database)[1]
    assert not segment_of(database).derived
    from convex_nb.engine.reading.reader import DatabaseReader

    db = DatabaseReader(database.begin(past, writable=False))
    found = db.query(TABLE).with_search_index("by_text", lambda q: q.search("text", "word3")).collect()
    assert [document["vector"] for document in found] == [[1.0, 3]]


def test_a_staged_index_is_made_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database(define_schema({TABLE: PLAIN}))
    import_all(database, TABLE, DOCUMENTS)
    insert_all(database, TABLE, DOCUMENTS)
    database.push_schema(schema(staged=True))
    state = database.head.tables[TABLE]
    assert {each.indexed for each in table_statistics(state).staged.values()} == {0}
    steps = 0
    while database.maintain(0) and steps < 100:
        steps += 1
    while database.maintain(1000):
        pass
    assert table_statistics(state).staged == {"by_text": Backfill(("text",), 7, 7), "near": Backfill(("vector",), 7, 7)}
    # The push that turns it on has nothing to make any more.
    made = []
    monkeypatch.setattr(text_index, "texts_at", lambda *_: made.append(1))
    monkeypatch.setattr(vector_index, "vectors_at", lambda *_: made.append(1))
    database.push_schema(schema())
    assert not made


def test_what_was_opened_is_made_in_the_background() -> None:
    database = make_database(schema())
    import_all(database, TABLE, DOCUMENTS)
    segment_of(database).derived.clear()
    while database.maintain(1000):
        pass
    assert segment_of(database).derived.keys() == KEYS
    assert all(each.is_ready for each in table_statistics(database.head.tables[TABLE]).searched.values())


def test_what_is_wrong_is_noticed() -> None:
    database = make_database(schema())
    import_all(database, TABLE, DOCUMENTS)
    database.check()
    derived = segment_of(database).derived
    vectors = derived[VectorIndex, "vector", 2].make(1)
    vectors.units[0] = np.float32(0.5)
    with pytest.raises(AssertionError, match="other vectors"):
        database.check()
    del derived[VectorIndex, "vector", 2]
    text = derived[TextIndex, "text"]
    text._made[0], text._made[1] = text.make(1), text.make(0)
    with pytest.raises(AssertionError, match="is not its text"):
        database.check()
