from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.database import Database
from convex_nb.engine.indexes.index_range import IndexRangeBuilder, collect_bounds, key_interval
from convex_nb.language.errors import IndexNotFoundError, IndexRangeError, InvalidValueError
from convex_nb.language.keys import key_function
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import UNDEFINED, Int64
from tests.engine.databases import insert_all, make_database, reading
from tests.engine.model import DOCUMENTS, Bounds, bounds_of, in_bounds, range_function

AB = ("a", "b")


@pytest.fixture(scope="module")
def database() -> Database:
    """``a`` from 1 to 5, and for each of them ``b`` missing, null and from 1 to 5."""
    table = define_table(v.any()).index("by_a_b", ["a", "b"]).index("later", ["a"], staged=True)
    database = make_database(define_schema({"myTable": table}))
    rows: list[dict[str, Any]] = [{"a": a, "b": b} for a in range(1, 6) for b in (UNDEFINED, None, 1, 2, 3, 4, 5)]
    insert_all(database, "myTable", rows)
    return database


def build(*calls: tuple[str, str, Any]) -> Callable[[IndexRangeBuilder], IndexRangeBuilder]:
    return range_function(calls)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([], 35),
        ([("eq", "a", 1)], 7),
        ([("eq", "a", 1), ("eq", "b", 2)], 1),
        ([("eq", "b", 2), ("eq", "a", 1)], 1),
        ([("eq", "a", 1.0), ("eq", "b", 2.0)], 1),
        ([("eq", "a", Int64(1))], 0),
        ([("eq", "a", 1), ("eq", "b", None)], 1),
        ([("eq", "a", 1), ("eq", "b", UNDEFINED)], 1),
        ([("gt", "a", 2), ("lt", "a", 4)], 7),
        ([("lt", "a", 4), ("gt", "a", 2)], 7),
        ([("gte", "a", 2), ("lte", "a", 4)], 21),
        ([("eq", "a", 1), ("gt", "b", 2), ("lt", "b", 4)], 1),
        ([("eq", "a", 1), ("gte", "b", 2), ("lte", "b", 4)], 3),
        ([("gt", "a", UNDEFINED)], 35),
        ([("lte", "a", UNDEFINED)], 0),
        ([("eq", "a", 1), ("gt", "b", UNDEFINED)], 6),
        ([("eq", "a", 1), ("gt", "b", None)], 5),
        ([("eq", "a", 1), ("lt", "b", 1)], 2),
        ([("gt", "a", 4), ("lt", "a", 2)], 0),
        ([("gt", "a", 3), ("lte", "a", 3)], 0),
        ([("gt", "a", "")], 0),
        ([("lt", "a", "")], 35),
        ([("eq", "a", 1), ("eq", "b", 1), ("gt", "_creationTime", 0)], 1),
        ([("eq", "a", 1), ("eq", "b", 1), ("lt", "_creationTime", 0)], 0),
    ],
)
def test_a_range_selects(database: Database, calls: Bounds, expected: int) -> None:
    query = reading(database)[1].query("myTable").with_index("by_a_b", build(*calls))
    assert len(query.collect()) == query.count() == expected


def test_equalities_by_name(database: Database) -> None:
    _, db = reading(database)
    assert db.query("myTable").with_index("by_a_b", a=1, b=None).count() == 1
    assert db.query("myTable").with_index("by_a_b", lambda q: q.gt("b", 3), a=1).count() == 2


def test_the_last_field_may_be_the_creation_time(database: Database) -> None:
    _, db = reading(database)
    document = db.query("myTable").with_index("by_a_b", a=2, b=3).unique()
    assert document is not None
    time = document["_creationTime"]
    assert db.query("myTable").with_index("by_a_b", a=2, b=3, _creationTime=time).unique() == document
    assert db.query("myTable").with_index("by_creation_time", lambda q: q.lt("_creationTime", time)).count() == 11
    assert db.query("myTable").with_index("by_id", _id=document["_id"]).unique() == document


IN_ORDER = "Tried to query index myTable.by_a_b but the query didn't use the index fields in order."
NOT_INDEXED = (
    'The index range included a comparison with "c", '
    'but myTable.by_a_b with fields ["a", "b"] doesn\'t index this field.'
)
TWO_FIELDS = (
    "Upper and lower bounds in `range` can only be applied to a single index field. This query against index "
    'myTable.by_a_b attempted to set a range bound on both "a" and "b".'
)


@pytest.mark.parametrize(
    ("calls", "text"),
    [
        ([("eq", "b", 1)], IN_ORDER),
        ([("gt", "b", 1)], IN_ORDER),
        ([("eq", "a", 1), ("gt", "_creationTime", 1)], IN_ORDER),
        ([("eq", "_creationTime", 1)], IN_ORDER),
        ([("eq", "b", 1), ("gt", "a", 1)], IN_ORDER),
        ([("eq", "c", 1)], NOT_INDEXED),
        ([("eq", "a", 1), ("lt", "c", 1)], NOT_INDEXED),
        ([("eq", "_id", "x")], NOT_INDEXED.replace('"c"', '"_id"')),
        ([("gt", "a", 1), ("gte", "a", 1)], 'Already defined lower bound in index range. Can\'t add "a" >= 1.'),
        ([("gt", "a", 1), ("gt", "b", 1)], 'Already defined lower bound in index range. Can\'t add "b" > 1.'),
        ([("lt", "a", 1), ("lte", "a", 2)], 'Already defined upper bound in index range. Can\'t add "a" <= 2.'),
        ([("eq", "a", 1), ("eq", "a", 2.0)], 'Already defined equality bound in index range. Can\'t add "a" == 2.0.'),
        ([("eq", "a", 1), ("gt", "a", 0)], 'Already defined equality bound in index range. Can\'t add "a" > 0.'),
        ([("eq", "a", 1), ("lte", "a", 3)], 'Already defined equality bound in index range. Can\'t add "a" <= 3.'),
        ([("gt", "a", 0), ("eq", "a", 1)], 'Already defined inequality bound in index range. Can\'t add "a" == 1.'),
        (
            [("lt", "a", 0), ("eq", "a", "x")],
            "Already defined inequality bound in index range. Can't add \"a\" == 'x'.",
        ),
        ([("gt", "a", 1), ("lt", "b", 1)], TWO_FIELDS),
    ],
)
def test_a_range_is_refused(database: Database, calls: Bounds, text: str) -> None:
    with pytest.raises(IndexRangeError) as caught:
        reading(database)[1].query("myTable").with_index("by_a_b", build(*calls))
    assert text in str(caught.value)
    assert (caught.value.table, caught.value.index, caught.value.fields) == ("myTable", "by_a_b", AB)


@pytest.mark.parametrize("index", ["by_nothing", "later"])
def test_an_index_that_cannot_be_read(database: Database, index: str) -> None:
    with pytest.raises(IndexNotFoundError) as caught:
        reading(database)[1].query("myTable").with_index(index)
    assert f"Index myTable.{index}" in str(caught.value)


def test_the_message_of_an_unknown_index(database: Database) -> None:
    with pytest.raises(IndexNotFoundError, match=r"Index myTable\.by_b_a not found\."):
        reading(database)[1].query("myTable").with_index("by_b_a")


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (5, "takes a function of the range builder"),
        (lambda q: None, "returned None and not the range"),
        (lambda q: True, "returned True and not the range"),
        (lambda q: q.eq(1, 2), "is the name of an index field, got 1"),
    ],
)
def test_what_is_no_range_function(function: Any, text: str) -> None:
    with pytest.raises(IndexRangeError, match=text):
        collect_bounds("myTable", "by_a_b", function, {})


def test_a_value_that_cannot_be_compared() -> None:
    bounds = collect_bounds("myTable", "by_a_b", None, {"a": object()})
    with pytest.raises(InvalidValueError, match=r'The range of myTable\.by_a_b compares "a"'):
        key_interval("myTable", "by_a_b", AB, bounds)


def test_a_builder_is_immutable() -> None:
    start = IndexRangeBuilder()
    start.eq("a", 1)
    one = start.eq("a", 2)
    assert (start.bounds, [bound.value for bound in one.bounds]) == ((), [2])
    assert repr(one.gt("b", "x")) == 'IndexRangeBuilder("a" == 2, "b" > \'x\')'


@given(st.data(), st.sampled_from([("a",), ("a", "b"), ("c.d", "a")]), st.lists(DOCUMENTS, min_size=1, max_size=20))
def test_an_interval_holds_the_keys_of_the_documents_in_range(
    data: st.DataObject, fields: tuple[str, ...], documents: list[dict[str, Any]]
) -> None:
    bounds = data.draw(bounds_of(fields))
    lo, hi = key_interval("t", "i", fields, collect_bounds("t", "i", range_function(bounds), {}))
    key_of = key_function(fields)
    for number, document in enumerate(documents):
        whole = {"_id": f"x{number}", "_creationTime": float(number), **document}
        assert (lo <= key_of(whole) < hi) is in_bounds(whole, bounds)
