"""Columns hold what the documents hold, in the query's order, and count as the same read."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.database import Database
from convex_nb.engine.reading import planner
from convex_nb.engine.reading.columnar import ALIVE, TableColumns, table_to_arrow, to_frame
from convex_nb.engine.reading.filters import Expression
from convex_nb.engine.reading.planner import Range
from convex_nb.engine.reading.query import OrderedQuery
from convex_nb.engine.segments.recent_columns import RecentColumns
from convex_nb.language.limits import Limits
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import Int64
from tests.engine.databases import import_all, insert_all, make_database, reading, transact
from tests.engine.documents import documents_of
from tests.engine.expressions import Q, conditions
from tests.engine.reading.test_planner import ranges
from tests.engine.segments.test_public_columns import assert_shows
from tests.engine.stored import TABLE, databases


@settings(max_examples=60)
@given(databases(), ranges(), st.lists(conditions(risky=False), max_size=1).map(tuple), st.none() | st.integers(0, 7))
def test_columns_show_the_documents_of_the_query(
    database: Database, where: Range, filters: tuple[Expression, ...], limit: int | None
) -> None:
    def query() -> OrderedQuery:
        return OrderedQuery(database.begin(writable=False), where, (), filters)

    slow = query()
    documents = slow.collect() if limit is None else slow.take(limit)
    with pytest.MonkeyPatch.context() as patch:
        for long in (0, 10**9):
            patch.setattr(planner, "LONG", long)
            quick = query()
            assert_shows(quick.arrow(limit=limit), documents)
            assert list(quick._transaction.read_set) == list(slow._transaction.read_set)
            assert quick._transaction.usage.documents_read == slow._transaction.usage.documents_read
            assert query().df(limit=limit).shape[0] == len(documents)
    table = query().arrow(fields=["a", "nobody", "_id"], limit=limit)
    assert table.column_names == ["a", "nobody", "_id"]
    assert table.column("_id").to_pylist() == [document["_id"] for document in documents]


@settings(max_examples=30)
@given(databases())
def test_limits_on_bytes_change_nothing_else(database: Database) -> None:
    whole = OrderedQuery(database.begin(writable=False), Range.whole(TABLE)).arrow()
    database.limits = Limits()
    for limit in (None, 2):
        counted = OrderedQuery(database.begin(writable=False), Range.whole(TABLE)).arrow(limit=limit)
        assert_shows(counted, OrderedQuery(database.begin(writable=False), Range.whole(TABLE)).take(limit or 10**6))
    assert counted.slice(0, 2).column("_id") == whole.slice(0, 2).column("_id")


@settings(max_examples=40)
@given(databases())
def test_a_whole_table(database: Database) -> None:
    _, db = reading(database)
    state = database.head.tables[TABLE]
    assert_shows(table_to_arrow(state), db.query(TABLE).collect())
    every = TableColumns.of(state).table()
    if ALIVE in every.column_names:
        every = every.filter(every.column(ALIVE)).drop_columns([ALIVE])
    assert sorted(every.column("_id").to_pylist()) == sorted([d["_id"] for d in db.query(TABLE).collect()])


def test_columns_are_shared_with_the_storage() -> None:
    database = make_database()
    import_all(database, TABLE, [{"n": n} for n in range(100)])
    segment = database.head.tables[TABLE].parts[0].segment
    _, db = reading(database)
    for table in (
        db.query(TABLE).arrow(),
        db.query(TABLE).arrow(limit=10),
        table_to_arrow(database.head.tables[TABLE]),
    ):
        found = table.column("n").chunk(0).buffers()[1]
        assert found.address == segment.columns["n"].values.buffers()[1].address


def test_a_table_that_does_not_exist_and_one_that_is_empty() -> None:
    _, db = reading(make_database())
    assert db.query("nothing").arrow().schema.names == ["_id", "_creationTime"]
    assert db.query("nothing").df().empty
    transaction, db = reading(make_database(define_schema({"users": define_table({"name": v.string()})})))
    assert db.query("users").arrow().schema.field("name").type == pa.string()
    assert db.query("users").arrow(fields=["name", "age"]).column_names == ["name", "age"]
    assert [each.table for each in transaction.read_set] == ["users"]


def test_own_writes_are_in_the_columns() -> None:
    database = make_database()
    import_all(database, TABLE, [{"n": n} for n in range(5)])
    found = transact(database, lambda db: (db.insert(TABLE, {"n": 9}), db.query(TABLE).arrow().column("n").to_pylist()))
    assert found[1] == [0, 1, 2, 3, 4, 9]


def test_the_types_of_a_frame() -> None:
    database = make_database()
    ids = insert_all(
        database,
        TABLE,
        [
            {"whole": 1, "number": 1, "float": 0.5, "flag": True, "text": "a", "big": Int64(2**60), "bytes": b"\x00"},
            {"whole": None, "number": 2.5, "float": None, "text": None, "nested": {"a": [1, None]}, "mixed": 1},
            {"float": math.nan, "flag": False, "mixed": "1"},
        ],
    )
    _, db = reading(database)
    frame = db.query(TABLE).df()
    assert frame["_id"].tolist() == ids
    assert isinstance(frame["_creationTime"].dtype, pd.DatetimeTZDtype)
    assert str(frame["_creationTime"].dt.tz) == "UTC"
    assert frame["_creationTime"].is_monotonic_increasing
    assert frame["_creationTime"].is_unique
    assert frame["whole"].dtype == pd.Int64Dtype()
    assert frame["whole"].tolist() == [1, pd.NA, pd.NA]
    assert frame["big"].iloc[0] == 2**60
    assert frame["flag"].dtype == pd.BooleanDtype()
    assert frame["number"].dtype == np.float64
    assert frame["float"].isna().tolist() == [False, True, True]
    assert frame["bytes"].iloc[0] == b"\x00"
    assert frame["nested"].iloc[1]["a"].tolist() == [1, None]
    assert frame["mixed"].tolist()[1:] == ["1", '"1"']
    assert frame["text"].iloc[0] == "a"


@pytest.mark.parametrize("milliseconds", [1_700_000_000_123.25, 0.0, -1.5, 1e14])
def test_times_are_exact(milliseconds: float) -> None:
    frame = to_frame(pa.table({"_creationTime": [milliseconds]}))
    found = frame["_creationTime"].iloc[0]
    ticks = int(found.asm8.astype("int64"))
    assert ticks / {"ns": 1e6, "us": 1e3}[found.unit] == milliseconds


def test_what_is_no_time_stays_a_number() -> None:
    frame = to_frame(pa.table({"_creationTime": [math.nan, 1.0, math.inf]}))
    assert frame["_creationTime"].dtype == np.float64
    frame = to_frame(pa.table({"_creationTime": pa.array([None, 1.0])}))
    assert frame["_creationTime"].isna().tolist() == [True, False]


def test_polars_and_duckdb_take_the_columns() -> None:
    database = make_database()
    import_all(database, TABLE, [{"n": n} for n in range(5)])
    _, db = reading(database)
    assert polars.DataFrame(db.query(TABLE).arrow())["n"].sum() == 10


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=12))
def test_recent_documents_are_found_in_few_batches(steps: list[tuple[int, int]]) -> None:
    columns = RecentColumns()
    documents = documents_of([{"n": n} for n in range(100)])
    alive: list[Any] = []
    for gone, added in steps:
        del alive[: min(gone, len(alive))]
        alive += [documents.pop() for _ in range(min(added, len(documents)))]
        asked = alive[::-1]
        found: dict[int, str] = {}
        for segment, rows, numbers in columns.located(asked, "tasks"):
            for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
                assert number not in found
                found[number] = segment.document(row)["_id"]
        assert found == {number: document["_id"] for number, document in enumerate(asked)}
        sizes = [len(batch.documents) for batch in columns._batches]
        assert all(before > 2 * after for before, after in pairwise(sizes))


def test_the_columns_of_recent_documents_are_kept_from_commit_to_commit() -> None:
    database = make_database()
    insert_all(database, TABLE, [{"n": n} for n in range(50)])
    _, db = reading(database)
    db.query(TABLE).arrow()
    batch = database.head.tables[TABLE].recent_columns._batches[0]
    insert_all(database, TABLE, [{"n": 50}])
    _, db = reading(database)
    assert db.query(TABLE).arrow().column("n").to_pylist() == list(range(51))
    assert database.head.tables[TABLE].recent_columns._batches[0] is batch


def test_a_filter_finds_the_rows_of_all_segments_in_order() -> None:
    database = make_database(define_schema({TABLE: define_table(v.any()).index("by_n", ["n"])}))
    for start in range(3):
        import_all(database, TABLE, [{"n": n} for n in range(start, 30, 3)])
    insert_all(database, TABLE, [{"n": 10.5}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "LONG", 0)
        transaction, _ = reading(database)
        where = Range(TABLE, "by_n", b"", b"\xff", True)
        query = OrderedQuery(transaction, where, (), ((Q.field("n") > 8) & (Q.field("n") < 13),))
        assert query.arrow().column("n").to_pylist() == [12, 11, 10.5, 10, 9]
