"""Whichever way a read goes, its answer, its errors, its read set and its count of documents are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from convex_nb.engine.database import Database
from convex_nb.engine.reading import planner
from convex_nb.engine.reading.explanation import recording
from convex_nb.engine.reading.filters import Expression, FilterError
from convex_nb.engine.reading.planner import Range
from convex_nb.engine.reading.query import OrderedQuery
from convex_nb.language.errors import ConvexNbError, InvalidValueError, LimitError
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key, successor
from convex_nb.language.limits import Limits
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import import_all, insert_all, make_database, numbers, reading
from tests.engine.documents import FLAT, same_documents
from tests.engine.expressions import Q, conditions
from tests.engine.stored import INDEXES, TABLE, databases

Read = Callable[[OrderedQuery], Any]


@pytest.fixture
def long_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every range is long."""
    monkeypatch.setattr(planner, "LONG", 0)


def ways(database: Database, where: Range, filters: tuple[Expression, ...], read: Read) -> Iterator[Any]:
    """What a read gives, and is recorded as: by columns from the first document, from the third on, and never."""
    with pytest.MonkeyPatch.context() as patch:
        for long in (0, 2, 10**9):
            patch.setattr(planner, "LONG", long)
            transaction = database.begin(writable=False)
            result = error = None
            try:
                result = read(OrderedQuery(transaction, where, (), filters))
            except FilterError as raised:
                error = str(raised)
            # What an error depends on may be recorded as more than was looked at.
            recorded = (list(transaction.read_set), transaction.usage.documents_read) if error is None else None
            yield result, error, recorded


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """An interval of an index, in one of its orders."""
    index = draw(st.sampled_from(sorted(INDEXES)))
    lo, hi = MIN_KEY, MAX_KEY
    if index != "by_id" and draw(st.booleans()):
        low, high = (encode_key(draw(FLAT)) for _ in range(2))
        lo, hi = min(low, high), successor(max(low, high))
    return Range(TABLE, index, lo, hi, draw(st.booleans()))


@settings(max_examples=60)
@given(databases(), ranges(), st.lists(conditions(), min_size=1, max_size=2).map(tuple), st.integers(1, 6))
@example(make_database(), Range.whole(TABLE), (Q.field("a") > 1,), 1)
def test_every_way_to_filter_is_the_same(
    database: Database, where: Range, filters: tuple[Expression, ...], limit: int
) -> None:
    reads: list[Read] = [OrderedQuery.collect, lambda query: query.take(limit), lambda query: list(query)]
    for read in reads:
        (result, error, recorded), *others = ways(database, where, filters, read)
        for other, other_error, other_recorded in others:
            assert error == other_error
            assert recorded == other_recorded
            assert result is None if other is None else same_documents(result, other)
    for count in ways(database, where, filters, OrderedQuery.count):
        (found, error, _), *_ = ways(database, where, filters, OrderedQuery.collect)
        assert count[:2] == (None if found is None else len(found), error)


@pytest.mark.usefixtures("long_ranges")
def test_a_limit_narrows_what_was_read() -> None:
    database = numbered(range(100))
    transaction, db = reading(database)
    found = db.query(TABLE).filter(lambda q: q.field("n") % 10 == 5).take(2)
    assert numbers(found) == [5, 15]
    assert transaction.usage.documents_read == 16
    assert not touched_by_insert(transaction.read_set, database, found[1])


def touched_by_insert(read_set: Any, database: Database, last: Any) -> bool:
    """Whether a document that comes after everything is in the read set; the last one found has to be."""
    key_of = database.head.tables[TABLE].indexes[1].key_of
    inside = [each.lo <= key_of(last) < each.hi for each in read_set]
    assert any(inside)
    return any(each.hi > encode_key(1e15) for each in read_set)


def numbered(values: Any, limits: Limits | None = None) -> Database:
    table = define_table(v.any()).index("by_n", ["n"])
    database = make_database(define_schema({TABLE: table}), **({} if limits is None else {"limits": limits}))
    import_all(database, TABLE, [{"n": n, "even": n % 2 == 0} for n in values])
    return database


@pytest.mark.usefixtures("long_ranges")
def test_what_is_filtered_out_counts_as_read() -> None:
    limits = Limits(read_documents=50, read_bytes=Limits.notebook().read_bytes)
    _, db = reading(numbered(range(100), limits))
    assert numbers(db.query(TABLE).filter(lambda q: q.field("n") == 7).take(1)) == [7]
    for read in (OrderedQuery.collect, OrderedQuery.count, OrderedQuery.df):
        _, db = reading(numbered(range(100), limits))
        with pytest.raises(LimitError, match="Too many documents read") as raised:
            read(db.query(TABLE).filter(lambda q: q.field("n") == 7))
        assert raised.value.used == 51


def test_limits_on_bytes_hold_for_columns_too() -> None:
    _, db = reading(numbered(range(2000), Limits(read_bytes=5000)))
    for read in (OrderedQuery.df, OrderedQuery.arrow):
        with pytest.raises(LimitError, match="Too many bytes read"):
            read(db.query(TABLE))


@pytest.mark.usefixtures("long_ranges")
def test_an_error_depends_on_what_was_read() -> None:
    transaction, db = reading(numbered(range(10)))
    with pytest.raises(FilterError):
        db.query(TABLE).filter(lambda q: q.field("even") + 1 > 1).collect()
    assert [each.index_name for each in transaction.read_set] == ["by_creation_time"]


@pytest.mark.usefixtures("long_ranges")
def test_nobody_looks_behind_the_limit() -> None:
    database = numbered(range(10))
    insert_all(database, TABLE, [{"n": "no number"}])
    _, db = reading(database)
    query = db.query(TABLE).filter(lambda q: q.field("n") / 2 < 3)
    assert numbers(query.take(3)) == [0, 1, 2]
    with pytest.raises(FilterError, match="no number"):
        query.take(7)


@pytest.mark.parametrize("n", [-1, 1e9, True, "1", None, 2.5], ids=repr)
def test_a_number_of_documents_is_a_whole_number(n: Any) -> None:
    _, db = reading(numbered(range(3)))
    with pytest.raises(InvalidValueError, match="whole number that is not negative"):
        db.query(TABLE).take(n)
    if n is not None:
        with pytest.raises(InvalidValueError, match="whole number that is not negative"):
            db.query(TABLE).df(limit=n)


def test_more_may_be_asked_for_than_there_is() -> None:
    _, db = reading(numbered(range(3)))
    assert len(db.query(TABLE).take(10**9)) == 3


def test_a_filter_on_a_path_through_something_that_is_no_object_finds_a_missing_field() -> None:
    for long in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planner, "LONG", long)
            _, db = reading(numbered(range(3)))
            assert db.query(TABLE).filter(lambda q: q.field("n.deeper.still") == 1).collect() == []
            assert db.query(TABLE).filter(lambda q: q.field("n.deeper.still") < None).count() == 3


@pytest.mark.usefixtures("long_ranges")
def test_explain_tells_what_happens() -> None:
    database = numbered(range(10))
    _, db = reading(database)
    told = (
        db.query(TABLE)
        .with_index("by_n", lambda q: q.gte("n", 2).lt("n", 8))
        .order("desc")
        .filter(lambda q: (q.field("even") == True) & (q.field("n") * 2 > 6))  # noqa: E712
        .explain()
    )
    assert (told.table, told.index, told.fields, told.order) == (TABLE, "by_n", ("n",), "desc")
    assert told.range == '"n" >= 2, "n" < 8'
    assert (told.rows_in_range, told.rows_scanned, told.path) == (6, 6, "duckdb")
    assert [step.runs_in for step in told.filters] == ["DuckDB", "Python"]
    assert "arithmetic" in told.filters[1].why
    assert repr(told).splitlines()[0].split() == ["table", TABLE]
    assert "6 in the range" in repr(told)
    assert "<table>" in told._repr_html_()
    assert "&lt; 8" in told._repr_html_()


def test_explain_depends_on_the_range_and_reads_no_document() -> None:
    transaction, db = reading(numbered(range(10)))
    db.query(TABLE).with_index("by_n", n=3).explain()
    assert transaction.usage.documents_read == 0
    assert [each.index_name for each in transaction.read_set] == ["by_n"]


@pytest.mark.parametrize(
    ("make", "path", "why"),
    [
        (lambda db: db.query("nothing"), "empty", "nothing in the range"),
        (lambda db: db.query(TABLE), "index", "no filter"),
        (lambda db: db.query(TABLE).filter(lambda q: q.field("n") > 1), "index", "costs less"),
    ],
)
def test_explain_of_short_ranges(make: Callable[[Any], OrderedQuery], path: str, why: str) -> None:
    _, db = reading(numbered(range(10)))
    told = make(db).explain()
    assert told.path == path
    assert why in told.why


@pytest.mark.usefixtures("long_ranges")
def test_explain_names_what_python_has_to_do() -> None:
    database = numbered(range(10))
    insert_all(database, TABLE, [{"n": 1}])
    _, db = reading(database)
    told = db.query(TABLE).filter(lambda q: q.field("n") > 1).explain()
    assert told.filters[0].runs_in == "DuckDB and Python"
    assert "recent documents" in told.filters[0].why
    told = db.query(TABLE).filter(lambda q: q.neg(q.field("n")) < 1).explain()
    assert told.path == "python"


READS: list[tuple[Read, str, int, str]] = [
    (lambda query: query.collect(), "collect()", 10, "index"),
    (lambda query: query.take(3), "take(3)", 3, "index"),
    (lambda query: query.take(30), "take(30)", 10, "index"),
    (lambda query: query.first(), "first()", 1, "index"),
    (lambda query: query.filter(lambda q: q.field("n") > 6).first(), "first()", 8, "index"),
    (lambda query: query.count(), "count()", 0, "count"),
    (lambda query: query.df(), "df()", 10, "columns"),
    (lambda query: query.arrow(limit=2), "arrow()", 2, "columns"),
    (lambda query: query.paginate(num_items=4), "paginate(4)", 4, "index"),
    (lambda query: next(iter(query)), "for", 1, "index"),
    (lambda query: [document for document, _ in zip(query, range(3), strict=False)], "for", 4, "index"),
]


@pytest.mark.parametrize(("read", "call", "scanned", "path"), READS)
def test_a_read_is_recorded_as_it_went(read: Read, call: str, scanned: int, path: str) -> None:
    database = numbered(range(10))
    with recording() as plans:
        read(reading(database)[1].query(TABLE))
    (plan,) = plans
    assert plan.path != "search"
    assert (plan.call, plan.rows_scanned, plan.rows_in_range, plan.path) == (call, scanned, 10, path)
    assert plan.why
    assert (f"read    {call}" in repr(plan)) is (call != "collect()")
    read(reading(database)[1].query(TABLE))
    assert plans == [plan]


@pytest.mark.parametrize(
    ("read", "call", "scanned", "path", "runs_in", "why"),
    [
        (lambda query: query.collect(), "collect()", 9, "duckdb", "DuckDB", "on the columns"),
        (lambda query: query.count(), "count()", 9, "duckdb", "DuckDB", "on the columns"),
        (lambda query: query.df(), "df()", 9, "duckdb", "DuckDB", "on the columns"),
        (lambda query: query.take(2), "take(2)", 4, "index", "Python", "until there are enough"),
        (lambda query: query.take(4), "take(4)", 8, "duckdb", "DuckDB", "after the first 5 rows one after another"),
    ],
)
def test_a_long_read_is_recorded_as_it_went(
    monkeypatch: pytest.MonkeyPatch, read: Read, call: str, scanned: int, path: str, runs_in: str, why: str
) -> None:
    monkeypatch.setattr(planner, "LONG", 5)
    _, db = reading(numbered(range(9)))
    with recording() as plans:
        read(db.query(TABLE).filter(lambda q: q.field("even") == False))  # noqa: E712
    (plan,) = plans
    assert plan.path != "search"
    assert (plan.call, plan.rows_scanned, plan.path) == (call, scanned, path)
    assert [step.runs_in for step in plan.filters] == [runs_in]
    assert why in plan.why


def test_a_read_that_raises_is_recorded_up_to_there() -> None:
    _, db = reading(numbered(range(9)))
    with recording() as plans, pytest.raises(FilterError):
        db.query(TABLE).filter(lambda q: q.field("even") + 1 > 0).collect()
    assert [plan.rows_scanned for plan in plans if plan.path != "search"] == [1]


def test_errors_have_a_common_base() -> None:
    assert issubclass(FilterError, ConvexNbError)
