from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseReader
from convex_nb.language.documents import Document
from convex_nb.language.errors import InvalidValueError, LimitError, NotUniqueError
from convex_nb.language.limits import Limits
from convex_nb.language.values import to_value
from tests.engine.databases import insert_all, items_schema, make_database, numbers, reading

COUNTS = [3, 1, 2, 1]


@pytest.fixture(scope="module")
def database() -> Database:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": n, "place": place} for place, n in enumerate(COUNTS)])
    return database


@pytest.fixture
def db(database: Database) -> DatabaseReader:
    return reading(database)[1]


def places(documents: Any) -> list[int]:
    return numbers(documents, "place")


def test_creation_order_is_the_default(db: DatabaseReader) -> None:
    assert places(db.query("items").collect()) == [0, 1, 2, 3]
    assert places(db.query("items").full_table_scan().collect()) == [0, 1, 2, 3]
    assert places(db.query("items").with_index("by_creation_time").collect()) == [0, 1, 2, 3]


def test_an_index_orders_and_creation_time_breaks_ties(db: DatabaseReader) -> None:
    query = db.query("items").with_index("by_fields")
    assert places(query.collect()) == [1, 3, 2, 0]
    assert places(query.order("asc").collect()) == [1, 3, 2, 0]
    assert places(query.order("desc").collect()) == [0, 2, 3, 1], "ties are reversed too"
    by_id = [document["_id"] for document in db.query("items").with_index("by_id")]
    assert by_id == sorted(by_id)


@pytest.mark.parametrize(("n", "expected"), [(0, []), (1, [1]), (3, [1, 3, 2]), (4, [1, 3, 2, 0]), (100, [1, 3, 2, 0])])
def test_take(db: DatabaseReader, n: int, expected: list[int]) -> None:
    query = db.query("items").with_index("by_fields")
    assert places(query.take(n)) == expected
    assert places(query.filter(lambda q: True).take(n)) == expected


@pytest.mark.parametrize("n", [-1, 1.0, 2.5, "2", None, True])
def test_take_wants_a_whole_number(db: DatabaseReader, n: Any) -> None:
    with pytest.raises(InvalidValueError, match=r"take\(n\) takes a whole number that is not negative, got"):
        db.query("items").take(n)


def test_first(db: DatabaseReader) -> None:
    first = db.query("items").order("desc").first()
    assert isinstance(first, Document)
    assert first["place"] == 3
    assert db.query("items").with_index("by_fields", n=9).first() is None


def test_unique(db: DatabaseReader) -> None:
    one = db.query("items").with_index("by_fields", n=2).unique()
    assert one is not None
    assert one["place"] == 2
    assert db.query("items").with_index("by_fields", n=9).unique() is None
    with pytest.raises(NotUniqueError) as caught:
        db.query("items").with_index("by_fields", n=1).unique()
    two = [document["_id"] for document in db.query("items").with_index("by_fields", n=1)]
    assert (caught.value.table, caught.value.document_ids) == ("items", tuple(two))
    assert f"unique() query returned more than one result from table items: [{two[0]}, {two[1]}]" in str(caught.value)


def test_iteration(db: DatabaseReader) -> None:
    query = db.query("items")
    assert places(query) == places(query) == [0, 1, 2, 3], "a query is only a description"
    iterator = iter(query)
    assert next(iterator)["place"] == 0
    assert [document["place"] for document in iterator] == [1, 2, 3]


def test_count(db: DatabaseReader) -> None:
    assert db.query("items").count() == 4
    assert db.query("items").with_index("by_fields", n=1).count() == 2
    assert db.query("items").filter(lambda q: q.field("n") > 1).count() == 2
    assert db.query("nothing").count() == 0


def test_a_table_that_does_not_exist_is_empty(db: DatabaseReader, database: Database) -> None:
    assert db.query("nothing").collect() == db.query("nothing").take(5) == list(db.query("nothing")) == []
    assert db.query("nothing").first() is None
    assert db.query("nothing").order("desc").unique() is None
    assert "nothing" not in database.head.tables


def test_filters_go_before_and_after_an_order(db: DatabaseReader) -> None:
    query = db.query("items").with_index("by_fields")
    assert places(query.filter(lambda q: q.field("n") < 3).order("desc").collect()) == [2, 3, 1]
    assert places(query.order("desc").filter(lambda q: q.field("n") < 3).collect()) == [2, 3, 1]
    assert places(db.query("items").filter(lambda q: q.field("n") < 3).with_index("by_fields")) == [1, 3, 2]


@pytest.mark.parametrize(
    ("misuse", "text"),
    [
        (lambda db: db.query("items").order("up"), r'order\(\) takes "asc" or "desc", got \'up\''),
        (lambda db: db.query("items").order(None), r'order\(\) takes "asc" or "desc", got None'),
        (lambda db: db.query("items").order("asc").order("desc"), "order a query once"),
        (lambda db: db.query("items").order("asc").filter(lambda q: True).order("asc"), "order a query once"),
        (lambda db: db.query("_storage"), "System tables"),
        (lambda db: db.query("no spaces"), "no spaces"),
        (lambda db: db.query(""), "Table"),
        (lambda db: db.query(5), "A table is named by a string, got 5"),
    ],
)
def test_what_is_refused(db: DatabaseReader, misuse: Callable[[DatabaseReader], Any], text: str) -> None:
    with pytest.raises(InvalidValueError, match=text):
        misuse(db)


def test_an_index_is_chosen_first(db: DatabaseReader) -> None:
    assert not hasattr(db.query("items").order("asc"), "with_index")
    assert not hasattr(db.query("items").with_index("by_fields"), "with_index")
    assert not hasattr(db.query("items").full_table_scan(), "with_index")


def test_operators_of_one_query_are_limited() -> None:
    database = make_database(limits=Limits(query_operators=6))
    query = reading(database)[1].query("items")
    once = query.filter(lambda q: q.field("n") == 2)
    once.filter(lambda q: q.field("n") == 3)
    with pytest.raises(LimitError, match="at most 6 nested operators, these have 8"):
        once.filter(lambda q: q.field("n") + 1 == 2)
    with pytest.raises(LimitError, match="at most 6 nested operators, these have 7"):
        query.filter(lambda q: q.field("n") + 1 + 1 == 2)


def test_how_a_query_shows(db: DatabaseReader) -> None:
    query = db.query("items").with_index("by_fields", lambda q: q.gt("n", 1)).filter(lambda q: q.field("n") < 3)
    assert repr(query.order("desc")) == (
        "query('items').with_index('by_fields', lambda q: q.gt('n', 1))"
        ".filter(lambda q: q.lt(q.field('n'), 3)).order('desc')"
    )


def test_documents_are_shared_and_read_only(db: DatabaseReader) -> None:
    first = db.query("items").collect()
    second = db.query("items").collect()
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert first is not second
    assert all(type(document) is Document for document in first)


@pytest.mark.parametrize(
    ("misuse", "text"),
    [
        (lambda db: db.query("items").where("n > 2"), r"no 'where'. Filter with .filter\(lambda q"),
        (lambda db: db.query("items").order_by("n"), r"no 'order_by'. A query has the order of its index"),
        (lambda db: db.query("items").withIndex("by_n"), r"In Python it is .with_index"),
        (lambda db: db.query("items").limit(5), r"are .take\(n\)"),
        (lambda db: db.query("items").with_index("by_id").with_index("by_id"), "is said once, before its order"),
        (lambda db: db.query("items").order("desc").full_table_scan(), "is said once, before its order"),
        (lambda db: db.query("items").nonsense, "A query has no 'nonsense'.$"),
        (lambda db: db.query("items").colect(), r"Did you mean .collect\?$"),
        (
            lambda db: db.query("items").filter(lambda q: q.n > 2),
            r"q has no 'n'. A field of the document is q.field\('n'\)",
        ),
    ],
)
def test_names_of_elsewhere(db: DatabaseReader, misuse: Callable[[DatabaseReader], Any], text: str) -> None:
    with pytest.raises(AttributeError, match=text):
        misuse(db)


def test_q_is_not_the_document(db: DatabaseReader) -> None:
    with pytest.raises(TypeError, match=r"a field of it is q.field\('n'\)"):
        db.query("items").filter(lambda q: q["n"] > 2)
    with pytest.raises(TypeError, match="`in` or a chained comparison"):
        db.query("items").filter(lambda q: q.field("n") in [1, 2])


def test_a_query_that_was_not_read_is_no_value(db: DatabaseReader) -> None:
    with pytest.raises(InvalidValueError, match=r"is a QueryInitializer, .* Read it first: `.collect\(\)`"):
        to_value(db.query("items"))


def test_columns_are_named_in_a_list(db: DatabaseReader) -> None:
    for fields in ("n", ["n", 5]):
        with pytest.raises(InvalidValueError, match=r"df\(fields=...\) takes a list of names"):
            db.query("items").df(fields=fields)  # type: ignore[arg-type]


def test_python_makes_no_second_suggestion(db: DatabaseReader) -> None:
    with pytest.raises(AttributeError, match=r"Did you mean \.collect\?$") as raised:
        db.query("items").colect  # type: ignore[attr-defined]  # noqa: B018
    # Python finds what is called almost so among the attributes of this.
    assert raised.value.obj is None
