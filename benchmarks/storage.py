"""The pieces of storage against what Arrow and Python have for the same: a million documents of six flat fields."""

from __future__ import annotations

import os
import random
from bisect import insort
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.harness import Line
from convex_nb import define_table, v
from convex_nb.engine.bulk.bulk import segment_from_arrow
from convex_nb.engine.indexes.index import IndexRun
from convex_nb.engine.indexes.index_build import build_run
from convex_nb.engine.indexes.sorted_chunks import SortedChunks
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.documents import Document
from convex_nb.language.keys import MAX_KEY, encode_key

ROWS = 1_000_000
GROUPS = 20_000
FIELDS = ("group", "size")
DEFINITION = define_table(
    {
        "group": v.string(),
        "name": v.string(),
        "score": v.number(),
        "size": v.number(),
        "done": v.boolean(),
        "kind": v.union(v.literal("open"), v.literal("closed")),
    }
)


def lines() -> Iterator[Line]:
    """Every line of the table, each with what it needs."""
    columns = columns_of(ROWS)
    yield Line(
        "a million rows imported: validated, ids and creation times made",
        ours=lambda: segment_of(columns),
        peer=lambda: columns.sort_by("name"),
        peer_name="pyarrow sorts them by one string column",
        seconds=10.0,
    )
    segment = segment_of(columns)
    yield Line(
        "index of two fields built over a million documents",
        ours=lambda: build_run(segment, FIELDS),
        peer=lambda: pc.sort_indices(columns, [(field, "ascending") for field in FIELDS]),
        peer_name="pyarrow sort_indices of the same fields",
        seconds=10.0,
    )
    run = build_run(segment, FIELDS)
    table = segment.to_arrow()
    yield document_line(segment, table)
    yield range_line(segment, run, table)
    yield find_line(segment)
    yield bounds_line(run)
    yield insert_line()
    yield concat_line(segment)
    yield memory_line(segment, run)


def columns_of(rows: int) -> pa.Table:
    """Rows of six flat fields."""
    numbers = np.random.default_rng(1)
    return pa.table(
        {
            "group": pa.array([f"group-{group}" for group in numbers.integers(0, GROUPS, rows)]),
            "name": pa.array([f"name of document {row}" for row in range(rows)]),
            "score": numbers.random(rows),
            "size": numbers.integers(0, 1000, rows),
            "done": numbers.random(rows) < 0.5,
            "kind": pa.array(["open", "closed"] * (rows // 2)),
        }
    )


def segment_of(columns: pa.Table) -> Segment:
    """The rows as documents."""
    return segment_from_arrow(
        columns,
        table_name="events",
        table_number=10001,
        creation_time=1.7e12,
        random=os.urandom,
        definition=DEFINITION,
    )


def _rows(segment: Segment) -> Callable[[], int]:
    return cycle(random.Random(1).choices(range(segment.num_rows), k=10_000)).__next__


def document_line(segment: Segment, table: pa.Table) -> Line:
    """One row as a document."""
    row = _rows(segment)
    return Line(
        "one document decoded",
        ours=lambda: segment.document(row()),
        peer=lambda: table.slice(row(), 1).to_pylist(),
        peer_name="pyarrow slice().to_pylist()",
        target=0.2,
    )


def range_line(segment: Segment, run: IndexRun, table: pa.Table) -> Line:
    """A range of fifty documents through an index."""
    start = _rows(segment)
    keys = [run.key(start()) for _ in range(1000)]
    key = cycle(keys).__next__

    def ours() -> list[Document]:
        first, last = run.bounds(key(), MAX_KEY)
        return segment.documents(run.rows(first, min(first + 50, last)))

    def peer() -> Any:
        first, last = run.bounds(key(), MAX_KEY)
        return table.take(pa.array(run.rows(first, min(first + 50, last)))).to_pylist()

    return Line("50 documents by index", ours, peer, "the same rows by pyarrow take().to_pylist()", target=1.0)


def find_line(segment: Segment) -> Line:
    """An id to its row."""
    row = _rows(segment)
    ids = [str(segment.document(row())["_id"]) for _ in range(10_000)]
    rows = {id: place for place, id in enumerate(segment.to_arrow(fields=["_id"])["_id"].to_pylist())}
    id = cycle(ids).__next__
    return Line(
        "an id to its row, 8 bytes a document",
        ours=lambda: segment.find(id()),
        peer=lambda: rows[id()],
        peer_name="a dict of a million ids, 140 bytes each",
    )


def bounds_line(run: IndexRun) -> Line:
    """Where the keys with a prefix start and stop."""
    groups = cycle([encode_key(f"group-{group}") for group in range(0, GROUPS, 7)]).__next__

    def ours() -> tuple[int, int]:
        prefix = groups()
        return run.bounds(prefix, prefix + MAX_KEY)

    numbers = np.sort(np.random.default_rng(1).random(run.num_rows))
    bound = cycle(numbers[::1000].tolist()).__next__
    return Line(
        "the bounds of a range among a million keys",
        ours,
        peer=lambda: numbers.searchsorted([bound(), bound()]),
        peer_name="numpy searchsorted of two floats",
    )


def insert_line() -> Line:
    """One entry more in a persistent map of ten thousand."""
    keys = [encode_key(f"{number * 7919 % 20_011:05}", float(number)) for number in range(20_000)]
    stored = sorted(keys[:10_000])
    chunks: SortedChunks[int] = SortedChunks.from_sorted([(key, 0) for key in stored])
    key = cycle(keys[10_000:]).__next__

    def peer() -> list[bytes]:
        copy = stored.copy()
        insort(copy, key())
        return copy

    return Line(
        "SortedChunks.insert into 10,000 entries, and a read",
        ours=lambda: len(chunks.insert(key(), 1)),
        peer=peer,
        peer_name="a copy of a sorted list with one more key",
    )


def concat_line(segment: Segment) -> Line:
    """Compaction's part: a tenth of the rows dead, some documents new."""
    alive = np.delete(np.arange(segment.num_rows), np.arange(0, segment.num_rows, 10))
    recent = segment.documents(range(0, segment.num_rows, 1000))
    table = segment.to_arrow()
    return Line(
        "900,000 rows of a million and 1,000 documents joined in one segment",
        ours=lambda: Segment.concat([(segment, alive)], recent),
        peer=lambda: table.take(pa.array(alive)),
        peer_name="pyarrow take of the 900,000 rows",
        seconds=10.0,
    )


def memory_line(segment: Segment, run: IndexRun) -> Line:
    """Bytes of a million documents with two indexes, against their columns and the indexes' full keys."""
    other = build_run(segment, ("score",))
    assert segment.find("") == -1

    def full_keys(index: IndexRun) -> int:
        return sum(map(len, index.keys(0, index.num_rows)))

    return Line(
        "bytes of a document with two indexes",
        ours=lambda: (segment.nbytes + run.nbytes + other.nbytes) / segment.num_rows,
        peer=lambda: (segment.to_arrow().nbytes + full_keys(run) + full_keys(other)) / segment.num_rows,
        peer_name="its Arrow columns and both full keys",
        target=2.0,
        unit="bytes",
    )
