"""Columnar reads, SQL and pages of a million documents, against DuckDB, pyarrow and themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

import convex_nb
from benchmarks.engine import SCHEMA, event, event_columns, settle
from benchmarks.harness import Line
from convex_nb.engine.reading.query import OrderedQuery
from convex_nb.engine.reading.reader import DatabaseReader

ROWS = 1_000_000
FRESH = 10_000
WANTED = 100_000
PAGE = 50
NESTED = 100_000
OF_NESTED = "select address.city as city, count(*) as places from places where tags[1] = 'old' group by 1 order by 1"
GROUP_BY = 'select "group", count(*) as events, avg(score) as score from events group by 1 order by 1'


def lines() -> Iterator[Line]:
    """Every line of the table, each with what it needs."""
    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        dep.import_table("events", event_columns(ROWS))
        settle(dep)
        whole = dep.table("events").arrow()
        yield filter_line(dep, whole)
        yield group_line("group-by in SQL, compacted", 1.2, dep, whole)
        yield creation_time_line(dep, whole)
        yield secondary_index_line(dep, whole)
        yield page_line(dep)
        fresh_commits(dep)
        # One more commit before each sample: what was made of the columns of the last one does not count.
        yield group_line(
            f"group-by in SQL, {FRESH:,} fresh commits on top",
            1.5,
            dep,
            whole,
            before=lambda: dep.transact(lambda db: db.insert("events", event(0))),
        )
    with convex_nb.open() as dep:
        dep.transact(lambda db: len(db.insert_many("places", map(place, range(NESTED)))))
        settle(dep)
        yield nested_line(dep)


def query(dep: Any) -> Any:
    """A query of the table, of a transaction of its own."""
    return DatabaseReader(dep._database.begin(writable=False)).query("events")


def filter_line(dep: Any, whole: pa.Table) -> Line:
    def ours() -> pd.DataFrame:
        frame: pd.DataFrame = query(dep).filter(lambda q: q.field("score") < 0.01).df()
        return frame

    def peer() -> pd.DataFrame:
        frame: pd.DataFrame = over(whole).sql("select * from events where score < 0.01").df()
        return frame

    assert len(ours()) == len(peer())
    return Line("unindexed filter, 1% of a million, to a DataFrame", ours, peer, "DuckDB on the same Arrow table", 1.3)


def group_line(name: str, target: float, dep: Any, whole: pa.Table, before: Callable[[], object] | None = None) -> Line:
    return Line(
        name,
        lambda: dep.sql(GROUP_BY).arrow(),
        lambda: over(whole).sql(GROUP_BY).to_arrow_table(),
        "DuckDB on the same Arrow table, compacted",
        target,
        before=before,
    )


def place(number: int) -> dict[str, Any]:
    """A document with a list and an object in it."""
    city = f"city {number % 100}"
    return {"tags": ["new", "old", "old"][number % 3 :], "address": {"city": city, "zip": number, "at": {"lat": 0.5}}}


def nested_line(dep: Any) -> Line:
    whole = dep.table("places").arrow()

    def peer() -> Any:
        cursor = connection.cursor()
        cursor.register("places", whole)
        return cursor.sql(OF_NESTED).to_arrow_table()

    assert dep.sql(OF_NESTED).arrow().equals(peer())
    return Line(
        f"SQL over lists and objects of {NESTED:,} documents",
        lambda: dep.sql(OF_NESTED).arrow(),
        peer,
        "DuckDB on the same Arrow table",
        1.5,
    )


connection = duckdb.connect()


def over(table: pa.Table) -> Any:
    """A cursor with the table registered: what each of our calls does as well."""
    cursor = connection.cursor()
    cursor.register("events", table)
    return cursor


def creation_time_line(dep: Any, whole: pa.Table) -> Line:
    times = whole.column("_creationTime")
    start = ROWS // 3
    first, last = times[start].as_py(), times[start + WANTED].as_py()

    def ours() -> Any:
        found = query(dep).with_index(
            "by_creation_time", lambda q: q.gte("_creationTime", first).lt("_creationTime", last)
        )
        return found.df()

    def peer() -> Any:
        return whole.slice(start, WANTED).to_pandas()

    return frame_line(f".df() of {WANTED:,} rows by creation time", ours, peer, "pyarrow slice and to_pandas")


def secondary_index_line(dep: Any, whole: pa.Table) -> Line:
    scores = whole.column("score").to_numpy()
    low, high = 0.5, 0.5 + WANTED / ROWS
    rows = pa.array([int(row) for row in scores.argsort(kind="stable") if low <= scores[row] < high])

    def ours() -> Any:
        return query(dep).with_index("by_score", lambda q: q.gte("score", low).lt("score", high)).df()

    def peer() -> Any:
        return whole.take(rows).to_pandas()

    return frame_line(f".df() of some {WANTED:,} rows by a secondary index", ours, peer, "pyarrow take and to_pandas")


def frame_line(name: str, ours: Callable[[], Any], peer: Callable[[], Any], peer_name: str) -> Line:
    assert ours()["_id"].tolist() == peer()["_id"].tolist()
    return Line(name, ours, peer, peer_name, 1.5)


def page_line(dep: Any) -> Line:
    cursor = None
    for _ in range(499):
        cursor = page(query(dep), cursor)["continueCursor"]
    return Line(
        f"page 500 of a query, {PAGE} documents each",
        lambda: page(query(dep), cursor),
        lambda: page(query(dep), None),
        "page 1",
        1.2,
    )


def page(of: OrderedQuery, cursor: str | None) -> Any:
    return of.paginate(num_items=PAGE, cursor=cursor)


def fresh_commits(dep: Any) -> None:
    """Commits of one document each that no segment holds yet, one in ten a change of an old document."""
    dep._database.maintain = lambda _: False
    old = dep.table("events").arrow().column("_id").to_pylist()[:: ROWS // (FRESH // 10)]
    for number in range(FRESH):
        if number % 10:
            dep.transact(lambda db, number=number: db.insert("events", event(number)))
        else:
            dep.transact(lambda db, number=number: db.patch(old[number // 10], {"size": number}))
