"""Text search against a naive model, over every way in which documents are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.reading.search_query import SearchQuery
from convex_nb.engine.search import text_index
from convex_nb.engine.search.ranking import Ranking
from convex_nb.engine.snapshot import Snapshot
from convex_nb.language.errors import IndexNotFoundError, InvalidValueError, LimitError, NotUniqueError, SearchError
from convex_nb.language.limits import Limits
from convex_nb.language.ordering import same_value
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import UNDEFINED
from tests.engine.databases import import_all, insert_all, make_database, numbers, reading, small_thresholds, transact
from tests.engine.search import naive

TABLE = "items"
SEARCHES = st.tuples(
    naive.TEXTS,
    st.lists(st.tuples(st.sampled_from(["f", "g"]), naive.FILTERS | st.just(UNDEFINED)), max_size=2),
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    monkeypatch.setattr(text_index, "ROWS", 3)


def schema(**options: Any) -> SchemaDefinition:
    return define_schema({TABLE: define_table(v.any()).search_index("by_text", "text", ["f", "g"], **options)})


def searched(db: DatabaseReader, text: str, equalities: naive.Equalities = ()) -> SearchQuery:
    def search(q: Any) -> Any:
        found = q.search("text", text)
        for field, value in equalities:
            found = found.eq(field, value)
        return found

    return db.query(TABLE).with_search_index("by_text", search)


def assert_finds(db: DatabaseReader, text: str, equalities: naive.Equalities = ()) -> None:
    """The documents, their order and their scores are those of the model."""
    query = searched(db, text, equalities)
    expected = naive.search(db.query(TABLE).collect(), text, equalities)
    found = query.collect()
    assert [document["_id"] for document in found] == [document["_id"] for _, document in expected]
    assert all(map(same_value, found, [document for _, document in expected]))
    ranking: Ranking = query._rank()
    assert [hit.place.score for hit in ranking.hits(len(found))] == [score for score, _ in expected]
    for n in (1, 3):
        assert query.take(n) == found[:n]


OPERATIONS = st.one_of(
    st.tuples(st.just("insert"), st.lists(naive.DOCUMENTS, min_size=1, max_size=4)),
    st.tuples(st.just("import"), st.lists(naive.DOCUMENTS, min_size=1, max_size=7)),
    st.tuples(st.sampled_from(["patch", "delete"]), st.tuples(st.integers(0, 99), naive.DOCUMENTS)),
    st.tuples(st.sampled_from(["maintain", "hold"]), st.none()),
    st.tuples(st.just("search"), SEARCHES),
    st.tuples(st.just("own"), st.tuples(st.lists(naive.DOCUMENTS, max_size=3), SEARCHES)),
)


def change(db: DatabaseWriter, kind: str, number: int, document: dict[str, Any]) -> None:
    ids = [each["_id"] for each in db.query(TABLE).collect()]
    if ids and kind == "delete":
        db.delete(ids[number % len(ids)])
    elif ids:
        db.patch(ids[number % len(ids)], document)


def perform(database: Database, kind: str, what: Any) -> None:
    if kind == "insert":
        insert_all(database, TABLE, what)
    elif kind == "import":
        import_all(database, TABLE, what)
    elif kind in ("patch", "delete"):
        transact(database, lambda db: change(db, kind, *what))
    elif kind == "maintain":
        database.maintain(1000)
    elif kind == "search":
        assert_finds(reading(database)[1], *what)
    elif kind == "own":
        documents, search = what
        transaction = database.begin()
        db = DatabaseWriter(transaction)
        db.insert_many(TABLE, documents)
        change(db, "delete", 1, {})
        change(db, "patch", 2, {"text": "ab a"})
        assert_finds(db, *search)


@settings(max_examples=60)
@given(st.lists(OPERATIONS, max_size=12), SEARCHES)
def test_searches_find_what_the_model_finds(operations: list[tuple[str, Any]], last: Any) -> None:
    database = make_database(schema())
    held: list[Snapshot] = []
    for kind, what in operations:
        if kind == "hold":
            held.append(database.head)
        perform(database, kind, what)
    for snapshot in [database.head, *held]:
        assert_finds(DatabaseReader(database.begin(snapshot, writable=False)), *last)
    database.check()


@settings(max_examples=40)
@given(
    st.lists(naive.DOCUMENTS, max_size=12),
    SEARCHES,
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.booleans(),
)
def test_pages_together_are_the_whole(documents: list[Any], search: Any, sizes: list[int], filtered: bool) -> None:
    database = make_database(schema())
    import_all(database, TABLE, documents[:7]) if documents[:7] else None
    insert_all(database, TABLE, documents[7:])

    def query() -> SearchQuery:
        made = searched(reading(database)[1], *search)
        return made.filter(lambda q: q.field("f") != 1) if filtered else made

    pages = list(_pages(query, sizes))
    assert [document for page in pages for document in page["page"]] == query().collect()
    assert all(not page["isDone"] for page in pages[:-1])


def _pages(query: Any, sizes: list[int]) -> Iterator[Any]:
    cursor = None
    for number in range(100):
        page = query().paginate(cursor=cursor, num_items=sizes[number % len(sizes)])
        yield page
        if page["isDone"]:
            return
        cursor = page["continueCursor"]
    raise AssertionError("the pages have no end")


# -- the acceptance table ------------------------------------------------------------------------------------------


def found(texts: list[str], text: str) -> list[Any]:
    database = make_database(schema())
    insert_all(database, TABLE, [{"text": each} for each in texts])
    return numbers(searched(reading(database)[1], text).collect(), "text")


@pytest.mark.parametrize(
    ("texts", "text", "expected"),
    [
        (["rabbit", "send request", "bar"], "r", ["rabbit", "send request"]),
        (["Hello, World!"], "hello world", ["Hello, World!"]),
        (["snake"], "stake", []),
        (["hello there", "hi hello"], "hello hi", ["hi hello", "hello there"]),
        (["hello", "worldly"], "hel world", ["worldly"]),
        (["pastor"], "past1r", []),
        (["pastor"], "pasto", ["pastor"]),
        (["a", "a a", "a a a", "a a a a", "a b", "a c"], "a", ["a a a a", "a a a", "a a", "a", "a c", "a b"]),
        (["one", "two"], "", []),
        (["one", "two"], " .,! ", []),
        (["one two", "one far away from two"], "one two", ["one two", "one far away from two"]),
        (["red car", "red cart"], "car", ["red car", "red cart"]),
    ],
)
def test_what_is_found(texts: list[str], text: str, expected: list[str]) -> None:
    assert found(texts, text) == expected


def test_equal_scores_newest_first() -> None:
    database = make_database(schema())
    insert_all(database, TABLE, [{"text": "same", "n": n} for n in range(9)])
    assert numbers(searched(reading(database)[1], "same").take(4)) == [8, 7, 6, 5]


def test_equal_moments_by_id_descending() -> None:
    database = make_database(schema())
    insert_all(database, TABLE, [{"text": "same"}])
    ranking = searched(reading(database)[1], "same")._rank()
    (hit,) = ranking.hits(2)
    assert not ranking.hits(2, hit.place)
    assert ranking.hits(2, hit.place._replace(id=hit.place.id + "0"))
    assert not ranking.hits(2, None, hit.place._replace(id=hit.place.id + "0"))


def test_missing_is_not_null() -> None:
    database = make_database(schema())
    insert_all(
        database, TABLE, [{"text": "a", "n": 1}, {"text": "a", "n": 2, "f": None}, {"text": "a", "n": 3, "f": 1}]
    )
    db = reading(database)[1]
    assert numbers(searched(db, "a", [("f", UNDEFINED)]).collect()) == [1]
    assert numbers(searched(db, "a", [("f", None)]).collect()) == [2]
    assert numbers(searched(db, "a", [("f", 1.0)]).collect()) == [3]
    assert searched(db, "a", [("f", 1), ("f", None)]).collect() == []


def test_own_writes_are_found() -> None:
    database = make_database(schema())

    def insert_and_search(db: DatabaseWriter) -> list[Any]:
        id = db.insert(TABLE, {"text": "new"})
        assert [document["_id"] for document in searched(db, "ne").collect()] == [id]
        db.patch(id, {"text": "old"})
        return searched(db, "new").collect()

    assert transact(database, insert_and_search) == []


def test_limits() -> None:
    database = make_database(schema(), limits=Limits.notebook())
    insert_all(database, TABLE, [{"text": "a", "n": n} for n in range(1024)])
    _, db = reading(database)
    with pytest.raises(LimitError, match="Max: 8 Actual: 9"):
        searched(db, "a", [("f", 1)] * 9)
    with pytest.warns(UserWarning, match="17 words"):
        assert searched(db, "b " * 16 + "a").collect() == []
    assert len(searched(db, "a").collect()) == 1024
    insert_all(database, TABLE, [{"text": "a", "n": 1024}])
    transaction, db = reading(database)
    reads: list[Callable[[SearchQuery], Any]] = [lambda query: query.collect(), lambda query: query.take(2000), list]
    for read in reads:
        with pytest.raises(LimitError, match="scanned too many documents") as caught:
            read(searched(db, "a"))
        assert (caught.value.kind, caught.value.limit) == ("search_results", 1024)
    assert transaction.read_set.intervals, "a search that read too much depends on what it found"
    assert len(searched(db, "a").take(1024)) == 1024
    assert numbers(searched(db, "a").filter(lambda q: q.field("n") > 1022).take(1)) == [1024]
    with pytest.raises(LimitError, match="scanned too many documents"):
        searched(db, "a").filter(lambda q: q.field("n") < 1).collect()
    page = searched(db, "a").filter(lambda q: q.field("n") < 1).paginate(num_items=1)
    assert (page["page"], page["isDone"]) == ([], False)
    page = (
        searched(reading(database)[1], "a")
        .filter(lambda q: q.field("n") < 1)
        .paginate(num_items=1, cursor=page["continueCursor"])
    )
    assert (numbers(page["page"]), page["isDone"]) == ([0], False)


def test_one_document() -> None:
    database = make_database(schema())
    insert_all(database, TABLE, [{"text": "a"}, {"text": "a b"}])
    _, db = reading(database)
    first = searched(db, "a").first()
    assert first is not None
    assert first["text"] == "a"
    assert searched(db, "z").first() is None
    assert searched(db, "b").unique() == db.query(TABLE).order("desc").first()
    with pytest.raises(NotUniqueError):
        searched(db, "a").unique()


def test_columns() -> None:
    database = make_database(schema())
    insert_all(database, TABLE, [{"text": "a b", "n": 1}, {"text": "a", "n": 2}])
    _, db = reading(database)
    assert searched(db, "a").arrow(fields=["n"]).to_pydict() == {"n": [2, 1]}
    assert searched(db, "a").df(fields=["n"], limit=1)["n"].tolist() == [2]


def test_dotted_paths() -> None:
    table = define_table(v.any()).search_index("by_name", "of.name", ["of.kind"])
    database = make_database(define_schema({TABLE: table}))
    insert_all(
        database, TABLE, [{"of": {"name": "red", "kind": 1}, "n": 1}, {"of": {"name": "red"}, "n": 2}, {"of": 1}]
    )
    _, db = reading(database)

    def search(q: Any) -> Any:
        return q.search("of.name", "red").eq("of.kind", UNDEFINED)

    assert numbers(db.query(TABLE).with_search_index("by_name", search).collect()) == [2]


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda q: q, SearchError, "does not contain any search filters"),
    (lambda q: q.eq("f", 1), SearchError, "begins with q.search"),
    (lambda q: q.search("text", "a").search("text", "b"), SearchError, "has one q.search"),
    (lambda q: q.search("f", "a"), SearchError, "IncorrectSearchField.*'text', not 'f'"),
    (lambda q: q.search("text", "a").eq("n", 1), SearchError, r"isn't indexed for filtering.*'f', 'g'"),
    (lambda q: q.search("text", "a").gt("f", 1), AttributeError, "no 'gt'"),
    (lambda q: q.search("text", 1), SearchError, "text to look for"),
    (lambda q: q.search("text", "a").eq("f", object()), InvalidValueError, "cannot be stored"),
    (lambda q: q.search("text", "a").eq(1, 1), SearchError, "name of a filter field"),
    (lambda _: None, SearchError, "returned None"),
    ("text", SearchError, "takes a function"),
]


@pytest.mark.parametrize(("function", "error", "message"), ERRORS)
def test_what_cannot_be_searched(function: Any, error: type[Exception], message: str) -> None:
    _, db = reading(make_database(schema()))
    with pytest.raises(error, match=message):
        db.query(TABLE).with_search_index("by_text", function)


def test_an_index_that_is_not_there() -> None:
    _, db = reading(make_database(schema(staged=True)))
    with pytest.raises(IndexNotFoundError, match="is staged"):
        searched(db, "a")
    with pytest.raises(IndexNotFoundError, match=r"no \.search_index\(\.\.\.\)"):
        db.query(TABLE).with_search_index("other", lambda q: q.search("text", "a"))
    _, db = reading(make_database(schema()))
    with pytest.raises(IndexNotFoundError, match="is one to search"):
        db.query(TABLE).with_index("by_text")
    with pytest.raises(IndexNotFoundError, match=r"The table has: by_text.*\.search_index\('other', search_field"):
        db.query(TABLE).with_search_index("other", lambda q: q.search("text", "a"))


@pytest.mark.parametrize(
    ("name", "hint"), [("order", "relevance"), ("count", "explain"), ("with_index", "eq"), ("x", "'x'")]
)
def test_what_a_search_does_not_have(name: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=hint):
        getattr(searched(reading(make_database(schema()))[1], "a"), name)


def test_a_search_shows_how_it_was_written() -> None:
    query = searched(reading(make_database(schema()))[1], "a b", [("f", 1)]).filter(lambda q: q.field("n") > 1)
    assert repr(query).startswith(
        "query('items').with_search_index('by_text', lambda q: q.search('text', 'a b').eq('f', 1)).filter("
    )


def test_explain() -> None:
    database = make_database(schema())
    insert_all(database, TABLE, [{"text": "red car", "f": 1}, {"text": "red cart", "f": 1}, {"text": "car"}, {"n": 1}])
    plan = searched(reading(database)[1], "red car", [("f", 1)]).explain()
    assert [(term.text, term.prefix, term.documents, term.words) for term in plan.terms] == [
        ("red", False, 2, 1),
        ("car", True, 2, 2),
    ]
    assert (plan.documents, plan.average_length, plan.matches) == (3, 5 / 3, 2)
    for scored in plan.best:
        assert scored.score == pytest.approx(sum(scored.terms.values()) + scored.proximity)
        assert set(scored.terms) == {"red", "car*"}
    assert plan.best[0].proximity == pytest.approx(0.1)
    assert "car* (2 documents" in repr(plan)
    assert "<table>" in plan._repr_html_()
    assert "nothing is found" in repr(searched(reading(database)[1], "").explain())
