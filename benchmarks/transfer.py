"""Data in and out against SQLite, DuckDB's CSV reader, and what one would write by hand."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import duckdb
import numpy
import pyarrow as pa
import pyarrow.csv

import convex_nb
from benchmarks.durability import INSERT
from benchmarks.engine import SCHEMA, event_columns
from benchmarks.harness import Line
from convex_nb import Deployment
from convex_nb.services.transfer.csv_source import CsvSource
from convex_nb.services.transfer.input_file import InputFile

ROWS = 1_000_000
READ = 1_000_000
"""Rows of which only the reading is looked at; what is read ahead is full after some 400,000."""
TRACED = 100_000
"""Tracing what Python allocates makes an export several times slower."""


def lines() -> Iterator[Line]:
    """Every line of the table, each with what it needs. The files are on the disk of this checkout."""
    build = Path(__file__).parent.parent / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as name:
        folder = Path(name)
        path = folder / "trips.csv"
        pyarrow.csv.write_csv(columns(ROWS), path)
        yield arrow_line()
        yield csv_line(path)
        with convex_nb.open() as dep:
            dep.import_table("trips", path)
            yield export_line(dep, folder)
        yield from memory_lines(folder)


def columns(rows: int) -> pa.Table:
    """Trips of six fields: two texts, two whole numbers, two floats."""
    random = numpy.random.default_rng(0)
    return pa.table(
        {
            "city": numpy.array(["Oslo", "Bergen", "Rome", "Bonn"])[random.integers(0, 4, rows)],
            "number": random.integers(0, 1_000_000, rows),
            "km": random.random(rows) * 1000,
            "note": [f"note of row {row}" for row in range(rows)],
            "flag": random.integers(0, 2, rows),
            "score": random.normal(size=rows),
        }
    )


def csv_line(path: Path) -> Line:
    """The same file into a table of ours and one of DuckDB's, both in memory."""

    def ours() -> None:
        with convex_nb.open() as dep:
            dep.import_table("trips", path)

    def peer() -> None:
        connection = duckdb.connect()
        connection.execute("set enable_progress_bar = false")
        connection.execute("create table trips as select * from read_csv(?)", [str(path)])
        connection.close()

    return Line(f"import of {ROWS:,} CSV rows", ours, peer, "DuckDB: create table as select from read_csv", 4.0)


def arrow_line() -> Line:
    """A table that is in hand, into an empty one with a schema and two indexes."""
    events = event_columns(ROWS)
    rows = [
        (f"j57bpwj8pzk9wr1hwpxb6fs8{number:08}", float(number), *row)
        for number, row in enumerate(zip(*[column.to_pylist() for column in events.columns], strict=True))
    ]

    def ours() -> float:
        with convex_nb.open() as dep:
            dep.push(SCHEMA)
            start = perf_counter()
            dep.import_table("events", events)
            return perf_counter() - start

    def peer() -> float:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.execute(
            'create table events (_id text primary key, _creationTime, "group", name, score, size, done, note)'
        )
        connection.execute('create index by_group on events ("group", _creationTime, _id)')
        connection.execute('create index by_score on events ("score", _creationTime, _id)')
        start = perf_counter()
        connection.execute("begin")
        connection.executemany(INSERT, rows)
        connection.execute("commit")
        duration = perf_counter() - start
        connection.close()
        return duration

    return Line(
        f"import of an Arrow table of {ROWS:,} rows, schema checked, two indexes",
        ours,
        peer,
        "sqlite3 in memory: executemany, text primary key, the same indexes",
        0.333,
        # Once each: the peer takes half of a minute for the usual five rounds.
        returned=True,
    )


def export_line(dep: Deployment, folder: Path) -> Line:
    """A ZIP of everything, and the loop that one would write."""
    documents = [dict(each) for each in dep.transact(lambda db: db.query("trips").collect())]

    def ours() -> float:
        start = perf_counter()
        dep.export(folder / "ours.zip")
        return perf_counter() - start

    def peer() -> float:
        start = perf_counter()
        with (
            zipfile.ZipFile(folder / "peer.zip", "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("trips.jsonl", "w", force_zip64=True) as entry,
        ):
            for document in documents:
                entry.write(f"{json.dumps(document)}\n".encode())
        return perf_counter() - start

    return Line(
        f"ZIP export of {ROWS:,} documents",
        ours,
        peer,
        "json.dumps of each dict into a ZIP entry",
        3.0,
        # Once each: most of both is what packing takes, half a minute for the usual five rounds.
        returned=True,
    )


def memory_lines(folder: Path) -> Iterator[Line]:
    """What an export takes beside the documents, and reading for an import, does not grow with their number."""
    sizes = [TRACED, TRACED // 2]
    deployments = [convex_nb.open() for _ in sizes]
    for dep, rows in zip(deployments, sizes, strict=True):
        dep.import_table("trips", columns(rows))
    yield Line(
        f"Python memory at the peak of a ZIP export of {TRACED:,} documents",
        lambda: export_peak(deployments[0], folder),
        lambda: export_peak(deployments[1], folder),
        "of half as many",
        1.2,
        unit="bytes",
    )
    for dep in deployments:
        dep.close()
    sizes = [READ, READ // 2]
    paths = [folder / f"{rows}.csv" for rows in sizes]
    for path, rows in zip(paths, sizes, strict=True):
        pyarrow.csv.write_csv(columns(rows), path)
    yield Line(
        f"Arrow memory at the peak of reading {READ:,} CSV rows for an import",
        lambda: reading_peak(paths[0]),
        lambda: reading_peak(paths[1]),
        "of half as many",
        1.2,
        unit="bytes",
    )


def export_peak(dep: Deployment, folder: Path) -> int:
    """The most that Python objects took at any time of an export, beside those that were there."""
    tracemalloc.start()
    try:
        dep.export(folder / "traced.zip")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def reading_peak(path: Path) -> int:
    """The most that Arrow had allocated between two batches of a file that is read for an import."""
    before: int = pa.total_allocated_bytes()
    most = 0
    for _ in CsvSource(InputFile(path), "trips").batches():
        most = max(most, pa.total_allocated_bytes() - before)
    return most
