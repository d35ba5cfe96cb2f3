"""The engine against SQLite on the same million documents, and live queries against themselves."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa

import convex_nb
from benchmarks.harness import Line
from convex_nb import define_schema, define_table, mutation, query, v
from convex_nb.engine.reading.reader import DatabaseReader

ROWS = 1_000_000
GROUPS = 1_000

SCHEMA = define_schema(
    {
        "events": define_table(
            {
                "group": v.string(),
                "name": v.string(),
                "score": v.number(),
                "size": v.number(),
                "done": v.boolean(),
                "note": v.string(),
            }
        )
        .index("by_group", ["group"])
        .index("by_score", ["score"])
    }
)


def lines() -> Iterator[Line]:
    """Every line of the table, each with what it needs."""
    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        dep.import_table("events", event_columns(ROWS))
        settle(dep)
        connection = sqlite_copy(dep)
        yield get_line(dep, connection)
        yield range_line("index range, first 50 documents, compacted", 1.0, dep, connection)
        second_run_and_delta(dep, connection)
        yield range_line("index range, first 50 documents, two runs and a delta", 1.2, dep, connection)
        connection.close()
    yield queue_line()
    yield mutation_line()
    yield live_line(10_000, 1.5)
    yield live_line(100_000, None)
    yield materialised_line()
    yield memory_line()


def event_columns(rows: int, start: int = 0) -> pa.Table:
    """`rows` events of six flat fields."""
    random = np.random.default_rng(start)
    numbers = np.arange(start, start + rows)
    return pa.table(
        {
            "group": pa.array([f"group-{number % GROUPS:04}" for number in numbers]),
            "name": pa.array([f"name of event {number}" for number in numbers]),
            "score": pa.array(random.random(rows)),
            "size": pa.array(random.integers(0, 1_000_000, rows)),
            "done": pa.array(random.random(rows) < 0.5),
            "note": pa.array(["a few words"] * rows),
        }
    )


def event(number: int) -> dict[str, Any]:
    """One event, as a mutation writes it."""
    return {
        "group": f"group-{number % GROUPS:04}",
        "name": f"name of event {number}",
        "score": (number * 7919 % 1_000_003) / 1_000_003,
        "size": number,
        "done": number % 2 == 0,
        "note": "a few words",
    }


def settle(dep: Any) -> None:
    """Let maintenance finish."""
    while dep._database.maintain(1000):
        pass


def sqlite_copy(dep: Any) -> sqlite3.Connection:
    """The table's rows in an in-memory SQLite table with the same keys and indexes."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    columns = ("_id", "_creationTime", "group", "name", "score", "size", "done", "note")
    declared = ", ".join([f'"{name}"' + (" text primary key" if name == "_id" else "") for name in columns])
    connection.execute(f"create table events ({declared})")
    connection.execute('create index by_group on events ("group", _creationTime, _id)')
    connection.execute('create index by_score on events ("score", _creationTime, _id)')
    copy_rows(dep.table("events").arrow(), connection, columns)
    return connection


def copy_rows(table: pa.Table, connection: sqlite3.Connection, columns: tuple[str, ...]) -> None:
    """Insert the rows of an Arrow table."""
    connection.execute("begin")
    for batch in table.select(columns).to_batches(max_chunksize=50_000):
        connection.executemany(
            f"insert or ignore into events values ({', '.join('?' * len(columns))})",
            zip(*[column.to_pylist() for column in batch.columns], strict=True),
        )
    connection.execute("commit")


def get_line(dep: Any, connection: sqlite3.Connection) -> Line:
    ids = dep.table("events").arrow().column("_id").to_pylist()[:: ROWS // 1000]
    reader = DatabaseReader(dep._database.begin(writable=False))
    ours, peer = count(), count()
    length = len(ids)

    def get() -> object:
        return reader.get(ids[next(ours) * 7 % length])

    def select() -> object:
        row = connection.execute("select * from events where _id = ?", (ids[next(peer) * 7 % length],)).fetchone()
        return dict(row)

    return Line("ctx.db.get(id) inside a query", get, select, "sqlite3, primary key into a dict", 1.0)


def range_line(name: str, target: float, dep: Any, connection: sqlite3.Connection) -> Line:
    reader = DatabaseReader(dep._database.begin(writable=False))
    ours, peer = count(), count()

    def take() -> object:
        group = f"group-{next(ours) * 7 % GROUPS:04}"
        return reader.query("events").with_index("by_group", group=group).take(50)

    def select() -> object:
        group = f"group-{next(peer) * 7 % GROUPS:04}"
        rows = connection.execute(
            'select * from events where "group" = ? order by _creationTime, _id limit 50', (group,)
        ).fetchall()
        return [dict(row) for row in rows]

    assert len(take()) == len(select()) == 50  # type: ignore[arg-type]
    return Line(name, take, select, "sqlite3, indexed select into dicts", target)


def second_run_and_delta(dep: Any, connection: sqlite3.Connection) -> None:
    """A second segment a tenth as large, and two thousand fresh commits."""
    dep.import_table("events", event_columns(ROWS // 10, start=ROWS))
    for number in range(2000):
        dep.transact(lambda db, number=number: db.insert("events", event(number)))
    columns = ("_id", "_creationTime", "group", "name", "score", "size", "done", "note")
    copy_rows(dep.table("events").arrow(), connection, columns)


def queue_line() -> Line:
    """Deleted rows stay in their segment until a quarter of it is dead: a queue has all of them before its next one."""

    def first_of(taken: int) -> Callable[[], object]:
        dep = convex_nb.open()
        dep.push(SCHEMA)
        dep.import_table("events", event_columns(100_000))
        settle(dep)
        dep.transact(lambda db: [db.delete(each["_id"]) for each in db.query("events").take(taken)])
        reader = DatabaseReader(dep._database.begin(writable=False))
        return lambda: reader.query("events").first()

    return Line(
        "the first document of a table, 20,000 of 100,000 taken from its front",
        first_of(20_000),
        first_of(0),
        "the same with none taken",
    )


def mutation_line() -> Line:
    dep = convex_nb.open()
    dep.push(SCHEMA)

    @mutation
    def add(ctx, group: str, name: str, score: float, size: float, done: bool, note: str):  # type: ignore[no-untyped-def]
        return ctx.db.insert(
            "events", {"group": group, "name": name, "score": score, "size": size, "done": done, "note": note}
        )

    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        'create table events (_id text primary key, _creationTime, "group", name, score, size, done, note) '
        "without rowid"
    )
    connection.execute('create index by_group on events ("group", _creationTime, _id)')
    connection.execute('create index by_score on events ("score", _creationTime, _id)')
    ours, peer = count(), count()

    def insert() -> object:
        return dep.mutation(add, event(next(ours)))

    def statements() -> None:
        number = next(peer)
        row = event(number)
        connection.execute("begin")
        connection.execute(
            "insert into events values (?, ?, ?, ?, ?, ?, ?, ?)",
            (f"j57bpwj8pzk9wr1hwpxb6fs8{number:08}", float(number), *row.values()),
        )
        connection.execute("commit")

    return Line(
        "a mutation that inserts one validated document under two indexes",
        insert,
        statements,
        "sqlite3 in memory: begin, insert, commit",
        6.0,
    )


def live_line(queries: int, target: float | None) -> Line:
    many, few = live_deployment(queries), live_deployment(10)
    return Line(f"commit to callback, {queries:,} live queries, one touched", many, few, "the same with 10", target)


def live_deployment(queries: int) -> Callable[[], object]:
    dep = convex_nb.open()
    dep.push(SCHEMA)
    called: list[object] = []

    @query
    def of_group(ctx, group: str):  # type: ignore[no-untyped-def]
        return ctx.db.query("events").with_index("by_group", group=group).order("desc").take(1)

    for number in range(queries):
        dep.subscribe(of_group, {"group": f"live-{number:06}"}, called.append)
    numbers = count()

    def commit() -> None:
        number = next(numbers)
        before = len(called)
        document = event(number) | {"group": f"live-{number % queries:06}"}
        dep.transact(lambda db: db.insert("events", document))
        assert len(called) == before + 1
        called.clear()

    return commit


def materialised_line() -> Line:
    dep = convex_nb.open()
    dep.push(SCHEMA)
    dep.import_table("events", event_columns(100_000))
    settle(dep)
    results: list[Any] = []

    @query
    def everything(ctx):  # type: ignore[no-untyped-def]
        return ctx.db.query("events").collect()

    dep.subscribe(everything, {}, results.append)
    numbers = count()

    def insert() -> None:
        results.clear()
        dep.transact(lambda db: db.insert("events", event(next(numbers))))
        assert len(results) == 1

    def from_scratch() -> None:
        transaction = dep._database.begin(writable=False)
        assert len(DatabaseReader(transaction).query("events").collect()) >= 100_000

    return Line(
        "one insert under a live range of 100,000 documents, commit to callback",
        insert,
        from_scratch,
        "re-running the query from scratch",
        1 / 20,
        seconds=5.0,
    )


def memory_line() -> Line:
    columns = event_columns(ROWS)

    def ours() -> float:
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        with convex_nb.open() as dep:
            dep.push(SCHEMA)
            dep.import_table("events", columns)
            settle(dep)
            return float(pa.total_allocated_bytes() - before + tracemalloc.get_traced_memory()[0])

    def peer() -> float:
        tracemalloc.stop()
        ids, times = 36 * ROWS, 8 * ROWS
        # The full key of a row: its field, its creation time (9 bytes) and its id (34 bytes), and where it ends (4).
        group = (12 + 9 + 34 + 4) * ROWS
        score = (9 + 9 + 34 + 4) * ROWS
        return float(columns.nbytes + ids + times + group + score)

    return Line(
        "memory for a million documents of six fields under two indexes",
        ours,
        peer,
        "the Arrow table's bytes plus full keys",
        2.0,
        unit="bytes",
    )
