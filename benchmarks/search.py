"""Text and vector search, against SQLite's FTS5 and a bare product in NumPy."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

import convex_nb
from benchmarks.engine import settle
from benchmarks.harness import Line
from convex_nb import define_schema, define_table, v
from convex_nb.engine.database import Database
from convex_nb.engine.part import Part
from convex_nb.engine.reading.reader import DatabaseReader
from convex_nb.engine.search.vector_search import vector_search
from convex_nb.engine.segments.columns import Column
from convex_nb.engine.segments.layout import Field
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.ids_columnar import encode_ids

TEXTS = 300_000
WORDS = 50_000
LENGTH = 8
RESULTS = 20
VECTORS = 100_000
DIMENSIONS = 384
NEAREST = 10
TABLE = define_table({"body": v.string()})
NOTES = define_schema({"notes": TABLE.search_index("by_body", search_field="body")})
POINTS = define_table({"vector": v.array(v.float64())}).vector_index("by_vector", "vector", DIMENSIONS)


def lines() -> Iterator[Line]:
    """Every line of the table, each with what it needs."""
    chance = np.random.default_rng(1)
    words = vocabulary(chance)
    texts = [" ".join(row) for row in words[drawn(chance, (TEXTS, LENGTH))].tolist()]
    with convex_nb.open() as dep, convex_nb.open() as plain, sqlite3.connect(":memory:") as peer:
        for each in (dep, plain):
            each.push(define_schema({"notes": TABLE}))
            each.import_table("notes", pa.table({"body": texts}))
            settle(each)
        yield build_line(dep, peer, texts)
        yield search_line("two words of average frequency", 1.5, dep, peer, f"{words[300]} {words[800]}")
        yield search_line("two frequent words", 0.5, dep, peer, f"{words[5]} {words[20]}")
        yield search_line("one letter, as while typing", 0.5, dep, peer, "a")
        yield insert_line(dep, plain, texts)
        settle(dep)
        yield following_line(dep, peer, texts, f"{words[300]} {words[800]}")
    yield vector_line(chance)


def vocabulary(chance: np.random.Generator) -> Any:
    """Words of 3 to 9 letters, the most frequent ones first."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return np.array(["".join(letters[chance.integers(0, 26, size)]) for size in chance.integers(3, 10, WORDS)])


def drawn(chance: np.random.Generator, shape: tuple[int, int]) -> Any:
    """Numbers of words as often as words are in language: the n-th about n times more seldom than the first."""
    weights = 1 / np.arange(1, WORDS + 1) ** 0.9
    return chance.choice(WORDS, size=shape, p=weights / weights.sum())


def build_line(dep: Any, peer: sqlite3.Connection, texts: list[str]) -> Line:
    def ours() -> float:
        start = perf_counter()
        dep.push(NOTES)
        return perf_counter() - start

    def fts5() -> float:
        start = perf_counter()
        peer.execute("create virtual table notes using fts5(body)")
        peer.executemany("insert into notes (body) values (?)", ((text,) for text in texts))
        peer.commit()
        return perf_counter() - start

    return Line(f"a text index over {TEXTS:,} documents", ours, fts5, "SQLite FTS5", 0.5, returned=True)


def found(dep: Any, text: str) -> Any:
    db = DatabaseReader(dep._database.begin(writable=False))
    return db.query("notes").with_search_index("by_body", lambda q: q.search("body", text)).take(RESULTS)


def search_line(name: str, target: float, dep: Any, peer: sqlite3.Connection, text: str) -> Line:
    first, *rest = text.split()[::-1]
    match = " OR ".join([*rest, f"{first}*"])

    def fts5() -> Any:
        statement = "select rowid, body from notes where notes match ? order by rank limit ?"
        return peer.execute(statement, (match, RESULTS)).fetchall()

    assert len(found(dep, text)) == len(fts5()) == RESULTS
    return Line(
        f"search of {TEXTS:,}: {name}, best {RESULTS}",
        lambda: found(dep, text),
        fts5,
        "SQLite FTS5, bm25",
        target,
        seconds=1.0,
    )


def insert_line(dep: Any, plain: Any, texts: list[str]) -> Line:
    """What a search index costs those who write: nothing, until somebody searches."""

    def insert(into: Any) -> Callable[[], object]:
        following = iter(texts)
        return lambda: into.transact(lambda db: db.insert("notes", {"body": next(following)}))

    return Line("an insert under a text index", insert(dep), insert(plain), "ours without the index", 1.2, seconds=1.0)


def following_line(dep: Any, peer: sqlite3.Connection, texts: list[str], text: str) -> Line:
    """Each search is the first one after a commit, whose document is in no segment yet."""
    following = iter(texts[::-1])

    def insert() -> None:
        body = next(following)
        dep.transact(lambda db: db.insert("notes", {"body": body}))
        peer.execute("insert into notes (body) values (?)", (body,))

    line = search_line("after each insert", 2.0, dep, peer, text)
    return replace(line, before=insert)


def vector_line(chance: np.random.Generator) -> Line:
    numbers = np.arange(-512, 512) / 128
    drawn = chance.integers(0, len(numbers), (VECTORS, DIMENSIONS))
    database = Database()
    database.push_schema(define_schema({"points": POINTS}))
    points = segment_of(np.array(list(map(str, numbers.tolist())), object)[drawn])
    transaction = database.begin()
    transaction.add_part("points", Part.build(points, database.head.tables["points"].indexes))
    database.commit(transaction)
    del points
    state = database.head.tables["points"]
    units = numbers.astype(np.float32)[drawn]
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    del drawn
    asked = chance.normal(size=DIMENSIONS)
    query = (asked / np.linalg.norm(asked)).astype(np.float32)

    def ours() -> Any:
        return vector_search(state, "by_vector", asked, NEAREST, None, database.limits)

    def peer() -> Any:
        products = units @ query
        chosen = np.argpartition(-products, NEAREST)[:NEAREST]
        return products[chosen[np.argsort(-products[chosen])]]

    np.testing.assert_allclose([match["_score"] for match in ours()], peer(), atol=1e-5)
    return Line(
        f"nearest {NEAREST} of {VECTORS:,} vectors of {DIMENSIONS} numbers",
        ours,
        peer,
        "NumPy: product and argpartition",
        2.0,
        seconds=2.0,
    )


def segment_of(texts: Any) -> Segment:
    """Documents of vectors whose numbers are these, without making any of them."""
    ids = encode_ids(10_001, np.frombuffer(np.random.default_rng(2).bytes(16 * VECTORS), np.uint8).reshape(-1, 16))
    vectors = pa.array([f"[{','.join(row)}]" for row in texts])
    return Segment(
        [
            Column(Field("_id", "id", table="points"), ids),
            Column(Field("_creationTime", "float"), pa.array(np.arange(VECTORS) + 1.5)),
            Column(Field("vector", "encoded"), vectors),
        ]
    )
