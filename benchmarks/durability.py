"""The durable file against SQLite, Parquet, and its own promises."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow.parquet as pq

import convex_nb
from benchmarks.engine import ROWS, SCHEMA, event, event_columns, settle
from benchmarks.harness import Line
from convex_nb import mutation
from convex_nb.engine.wal.opening import open_database
from convex_nb.engine.wal.rows import Record
from convex_nb.engine.wal.storage_file import StorageFile

THREADS = 8
EACH = 50
COMMITS = 25_000
STALL_SECONDS = 0.050
PEER = "sqlite3 in a file, the same four indexes, synchronous=FULL: begin, insert, commit"
INSERT = "insert into events values (?, ?, ?, ?, ?, ?, ?, ?)"


def lines() -> Iterator[Line]:
    """Every line of the table, each with what it needs. The files are on the disk of this checkout."""
    build = Path(__file__).parent.parent / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:
        folder = Path(name)
        yield from one_commit_lines(folder)
        yield from thread_lines(folder)
        yield from opening_lines(folder)
        yield stall_line(folder)


@mutation
def add(  # type: ignore[no-untyped-def]
    ctx, group: str, name: str, score: float, size: float, done: bool, note: str
):
    return ctx.db.insert(
        "events", {"group": group, "name": name, "score": score, "size": size, "done": done, "note": note}
    )


def sqlite_events(path: Path) -> sqlite3.Connection:
    """SQLite as durable as ours, with the same indexes: by id, by creation time, and the two of the schema."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute(
        'create table events (_id text primary key, _creationTime, "group", name, score, size, done, note)'
        " without rowid"
    )
    connection.execute("create index by_creation_time on events (_creationTime, _id)")
    connection.execute('create index by_group on events ("group", _creationTime, _id)')
    connection.execute('create index by_score on events ("score", _creationTime, _id)')
    return connection


def inserted(dep: Any, numbers: Iterator[int]) -> None:
    """One mutation."""
    dep.mutation(add, event(next(numbers)))


def one_commit_lines(folder: Path) -> Iterator[Line]:
    connection = sqlite_events(folder / "peer.db")
    numbers = count()

    def statements() -> None:
        number = next(numbers)
        connection.execute("begin")
        connection.execute(INSERT, (f"j57bpwj8pzk9wr1hwpxb6fs8{number:08}", float(number), *event(number).values()))
        connection.execute("commit")

    for durability, target in (("full", 1.5), ("relaxed", None)):
        with convex_nb.open(folder / f"{durability}.convex", durability=durability) as dep:  # type: ignore[arg-type]
            dep.push(SCHEMA)
            insert = partial(inserted, dep, count())
            yield Line(
                f"a durable mutation that inserts one validated document under two indexes, {durability}",
                insert,
                statements,
                PEER,
                target,
            )
    file = log_file(folder / "append.convex")
    places = count(1)

    def append() -> None:
        file.append([Record(next(places), 0, bytes(240))])
        file.fold()

    yield Line("of that the disk's part, full: one row of 240 bytes appended to the log", append, statements, PEER)
    file.close()
    connection.close()


def log_file(path: Path) -> StorageFile:
    """A durable file without what is above it."""
    open_database(path).close()
    file = StorageFile.open(path, "full")
    file.read_root()
    return file


def thread_lines(folder: Path) -> Iterator[Line]:
    points: list[str] = []
    database = open_database(folder / "threads.convex", reached=points.append)
    database.push_schema(SCHEMA)

    def commits(table: str, number: int) -> None:
        for place in range(number):
            transaction = database.begin()
            transaction.insert(table, event(place))
            database.commit(transaction)

    def eight() -> None:
        threads = [threading.Thread(target=commits, args=(f"events{number}", EACH)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def transactions_of_eight() -> float:
        eight()
        points.clear()
        for _ in range(10):
            eight()
        return points.count("commit: durable") / (10 * EACH * THREADS)

    yield Line(
        "fsyncs per commit, eight threads committing",
        transactions_of_eight,
        lambda: 1.0,
        "one thread",
        0.5,
        unit="count",
    )
    yield Line(
        "a commit, eight threads committing",
        eight,
        lambda: commits("events0", THREADS * EACH),
        "one thread",
        calls=THREADS * EACH,
    )
    database.close()


def opening_lines(folder: Path) -> Iterator[Line]:
    path = folder / "million.convex"
    with convex_nb.open(path) as dep:
        dep.push(SCHEMA)
        dep.import_table("events", event_columns(ROWS))
        settle(dep)
        pq.write_table(dep.table("events").arrow(), folder / "million.parquet")

    def read() -> None:
        assert pq.read_table(folder / "million.parquet").num_rows == ROWS

    def opened(work: Callable[[Any], object]) -> Callable[[], None]:
        def run() -> None:
            database = open_database(path)
            assert len(database.head.tables["events"]) == ROWS
            work(database)
            database.close()

        return run

    def every_index(database: Any) -> None:
        state = database.head.tables["events"]
        id = state.read(1, b"", b"\xff", 1, False)[0]["_id"]
        assert state.get(id) is not None
        for position in range(1, len(state.indexes)):
            assert len(state.read(position, b"", b"\xff", 50, False)) == 50

    peer = "reading them from Parquet with pyarrow"
    yield Line("opening a million documents", opened(lambda _: None), read, peer, 3.0)
    yield Line("the same, a first read by id and on every index", opened(every_index), read, peer)
    yield Line(
        "the file of a million documents",
        lambda: path.stat().st_size,
        lambda: (folder / "million.parquet").stat().st_size,
        "as Parquet",
        unit="bytes",
    )


def stall_line(folder: Path) -> Line:
    """One thread commits as fast as it can while the deployment's worker compacts, writes checkpoints and folds."""

    def ours() -> float:
        path = folder / "stalls.convex"
        shutil.copy(folder / "million.convex", path)
        taken: list[float] = []
        with convex_nb.open(path) as dep:
            ids = [row["_id"] for row in dep._database.head.tables["events"].read(1, b"", b"\xff", 20_000, False)]

            def insert(db: Any) -> None:
                db.insert("events", event(len(taken)))

            def change(db: Any) -> None:
                db.patch(ids[len(taken) % len(ids)], {"size": len(taken)})

            for number in range(COMMITS):
                start = perf_counter()
                dep.transact(insert if number % 2 else change)
                taken.append(perf_counter() - start)
            storage = dep.statistics().database.storage
            assert storage is not None
            assert storage.checkpoints > 0
        taken.sort()
        return taken[len(taken) * 99 // 100]

    return Line(
        f"the 99th percentile of {COMMITS:,} commits under a million documents, while checkpoints are written",
        ours,
        lambda: STALL_SECONDS,
        "the promise",
        1.0,
        returned=True,
    )
