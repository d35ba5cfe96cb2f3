"""A commit names exactly those whose reads it touched."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.commit import Commit
from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.part import Part
from convex_nb.engine.read_set import Interval, ReadSet
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.subscriptions import IntervalIndex, Subscriptions, SubscriptionStatistics
from convex_nb.language.keys import key_function
from convex_nb.language.ordering import same_value
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import (
    committed,
    import_all,
    insert_all,
    items_schema,
    make_database,
    reading,
    small_thresholds,
)

ENDS = st.sampled_from([b"", b"a", b"a\x00", b"ab", b"ab\xff", b"a\xff", b"b", b"ba", b"c", b"d\xff", b"\xff"])
SPANS = st.tuples(ENDS, ENDS) | ENDS.map(lambda lo: (lo, lo + b"\xff"))
KEYS = [b"", b"a", b"a\x00", b"aa", b"ab", b"ab\x10", b"abc", b"b", b"b\x10", b"bz", b"c", b"d", b"d\xff", b"e"]


@pytest.fixture(autouse=True, scope="module")
def _small() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        small_thresholds(patch)
        yield


@given(st.lists(st.tuples(st.booleans(), SPANS, st.integers(0, 3)), max_size=60))
def test_an_interval_index_finds_who_holds_a_key(steps: list[tuple[bool, tuple[bytes, bytes], int]]) -> None:
    index = IntervalIndex()
    held: set[tuple[tuple[bytes, bytes], int]] = set()
    for add, span, token in steps:
        if add:
            if (span, token) not in held:
                index.add(*span, token)
                held.add((span, token))
        elif held:
            # Whichever is nearest to what was drawn goes.
            gone = min(held, key=lambda each: (each[0] < span, each))
            index.remove(*gone[0], gone[1])
            held.remove(gone)
        index.check()
        for key in KEYS:
            found: set[Any] = set()
            index.find(key, found)
            assert found == {token for (lo, hi), token in held if lo <= key < hi}, key
    assert index.everybody() == {token for _, token in held}
    assert index.held() == {span: {token for each, token in held if each == span} for span, _ in held}
    for span, token in held:
        index.remove(*span, token)
    assert len(index) == 0


def test_many_overlapping_intervals() -> None:
    index = IntervalIndex()
    spans = [(bytes([lo]), bytes([hi])) for lo in range(1, 30) for hi in range(lo, 31, 3)]
    chance = random.Random(1)
    chance.shuffle(spans)
    for token, span in enumerate(spans):
        index.add(*span, token)
    index.check()
    alive = set(range(len(spans)))
    for gone in chance.sample(range(len(spans)), len(spans)):
        for key in (bytes([chance.randrange(32)]), bytes([chance.randrange(32)]) + b"\x00"):
            found: set[Any] = set()
            index.find(key, found)
            assert found == {token for token in alive if spans[token][0] <= key < spans[token][1]}
        index.remove(*spans[gone], gone)
        alive.remove(gone)
    index.check()
    assert len(index) == 0


def test_tokens_come_and_go() -> None:
    subscriptions = Subscriptions()
    reads = ReadSet()
    reads.ids.add("id")
    reads.intervals = [Interval("t", "i", b"a", b"b"), Interval("t", "j", b"", b"\xff")]
    subscriptions.add(reads, "one")
    subscriptions.add(reads, "two")
    subscriptions.check()
    assert len(subscriptions) == 2
    assert "one" in subscriptions
    assert subscriptions.statistics() == SubscriptionStatistics(tokens=2, ids=1, intervals=2)
    assert subscriptions.readers(frozenset({"t"})) == {"one", "two"}
    others = ReadSet()
    others.intervals = [Interval("u", "i", b"a", b"c")]
    subscriptions.add(others, "one")
    subscriptions.check()
    assert subscriptions.readers(frozenset({"u"})) == {"one", "two"}
    subscriptions.remove("two")
    subscriptions.remove("two")
    subscriptions.remove("nobody")
    subscriptions.check()
    assert subscriptions.readers(frozenset({"t"})) == set()
    subscriptions.remove("one")
    assert subscriptions.statistics() == SubscriptionStatistics(0, 0, 0)


def test_check_sees_a_structure_that_is_not_the_read_sets() -> None:
    subscriptions = Subscriptions()
    reads = ReadSet()
    reads.intervals = [Interval("t", "i", b"a", b"b")]
    subscriptions.add(reads, "one")
    reads.intervals.append(Interval("t", "i", b"c", b"d"))
    with pytest.raises(AssertionError, match="are not the read sets"):
        subscriptions.check()


# -- exactly who is touched -------------------------------------------------------------------------------------

INDEXES = {"by_id": ("_id",), "by_creation_time": ("_creationTime",), "by_a": ("a",), "by_b_a": ("b", "a")}
TABLES = ("items", "notes")
Query = Callable[[DatabaseReader], Any]


def table_schema() -> Any:
    table = define_table(v.any()).index("by_a", ["a"]).index("by_b_a", ["b", "a"])
    return define_schema({"items": table, "notes": table})


def random_query(chance: random.Random, ids: list[str]) -> Query:
    """A query that reads something and does not always return all that it read."""
    table = chance.choice(TABLES)
    lo, hi = sorted(chance.choices(range(12), k=2))
    equal = chance.randrange(4)
    n = chance.randrange(4)
    reverse = "desc" if chance.random() < 0.5 else "asc"
    queries: list[Query] = [
        lambda db: db.query(table).with_index("by_a", lambda q: q.gte("a", lo).lt("a", hi)).collect(),
        lambda db: db.query(table).with_index("by_a", lambda q: q.gt("a", lo)).order(reverse).take(n),
        lambda db: db.query(table).with_index("by_b_a", lambda q: q.eq("b", equal).lte("a", hi)).order(reverse).first(),
        lambda db: db.query(table).with_index("by_b_a", b=equal).count(),
        lambda db: len(db.query(table).with_index("by_b_a", b=equal, a=lo).take(2)),
        lambda db: db.query(table).order(reverse).take(n),
        lambda db: db.query(table).count(),
        lambda db: next((d["a"] for d in db.query(table).order(reverse) if d["a"] > lo), None),
        lambda db: sum(d["a"] for d in db.query(table).filter(lambda q: q.field("b") == equal)),
    ]
    if ids:
        wanted = chance.sample(ids, min(n, len(ids)))
        queries.append(lambda db: [db.get(id) for id in wanted])
    chosen = chance.sample(queries, chance.randint(1, 2))
    return lambda db: [query(db) for query in chosen]


def random_change(chance: random.Random, database: Database, ids: list[str]) -> Commit | None:
    table = chance.choice(TABLES)
    if chance.random() < 0.15:
        rows = [{"a": chance.randrange(12), "b": chance.randrange(4)} for _ in range(chance.randint(1, 3))]
        commit = import_all(database, table, rows, replace=chance.random() < 0.2)
        ids += [document["_id"] for document in commit.parts[0][1].segment.documents(range(len(rows)))]
        return commit
    transaction = database.begin()
    db = DatabaseWriter(transaction)
    for _ in range(chance.randint(1, 3)):
        known = [id for id in ids if db.get(id) is not None]
        kind = chance.randrange(4)
        fields = {"a": chance.randrange(12), "b": chance.randrange(4)}
        if kind == 0 or not known:
            ids.append(db.insert(table, fields))
        elif kind == 1:
            db.patch(chance.choice(known), {"a": fields["a"]})
        elif kind == 2:
            db.replace(chance.choice(known), fields)
        else:
            db.delete(chance.choice(known))
    return database.commit(transaction)


def touched_says_who(commit: Commit, read_sets: dict[Any, ReadSet]) -> set[Any]:
    """Every interval of every read set against every changed key, one by one."""
    changes = [(write.table, write.id, document) for write in commit.writes for document in (write.old, write.new)]
    for table, part in commit.parts:
        rows = part.segment.documents(range(part.segment.num_rows))
        changes += [(table, document["_id"], document) for document in rows]
    found = set()
    for token, read_set in read_sets.items():
        if commit.replaced and (read_set.ids or read_set.tables() & commit.replaced):
            found.add(token)
        for table, id, document in changes:
            if id in read_set.ids:
                found.add(token)
            for interval in read_set.intervals:
                if document is not None and interval.table == table:
                    key = key_function(INDEXES[interval.index_name])(document)
                    if interval.lo <= key < interval.hi:
                        found.add(token)
    return found


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_exactly_who_read_a_changed_key_is_named(seed: int) -> None:
    chance = random.Random(seed)
    database = make_database(table_schema())
    ids: list[str] = []
    queries: dict[int, Query] = {}
    results: dict[int, Any] = {}
    read_sets: dict[Any, ReadSet] = {}

    def run(token: int) -> None:
        transaction, db = reading(database)
        results[token] = queries[token](db)
        read_sets[token] = transaction.read_set
        assert database.subscribe(transaction.read_set, token, transaction.snapshot.timestamp) is False

    for step in range(60):
        if chance.random() < 0.4:
            token = chance.randrange(20)
            queries[token] = random_query(chance, ids)
            run(token)
        elif queries and chance.random() < 0.1:
            token = chance.choice(list(queries))
            database.subscriptions.remove(token)
            del queries[token], results[token], read_sets[token]
        elif chance.random() < 0.1:
            database.maintain(1000)
        else:
            before = database.head.timestamp
            commit = random_change(chance, database, ids)
            if commit is None:
                continue
            touched = database.touched(commit)
            assert touched == touched_says_who(commit, read_sets), f"seed {seed}, step {step}"
            for token in queries:
                late = database.subscribe(read_sets[token], token, before)
                assert late is (token in touched)
                if not same_value(queries[token](reading(database)[1]), results[token]):
                    assert token in touched, f"seed {seed}, step {step}: a result changed and nobody was told"
            for token in touched:
                run(token)
        database.subscriptions.check()


def test_a_push_between_a_commit_and_the_question_changes_nothing() -> None:
    database = make_database(items_schema("a"))
    transaction, db = reading(database)
    db.query("items").with_index("by_fields", lambda q: q.gt("a", 5)).collect()
    database.subscriptions.add(transaction.read_set, "token")
    near = committed(database, lambda db: db.insert("items", {"a": 10, "b": 1}))
    far = committed(database, lambda db: db.insert("items", {"a": 1, "b": 10}))
    one = define_table(v.any()).index("one_more", ["b"]).index("by_fields", ["b"])
    database.push_schema(define_schema({"items": one}))
    assert database.touched(near) == {"token"}
    assert database.touched(far) == set()


def test_what_is_subscribed_late_is_told_so() -> None:
    database = make_database(items_schema("a"))
    insert_all(database, "items", [{"a": 1}])
    transaction, db = reading(database)
    db.query("items").with_index("by_fields", a=7).collect()
    insert_all(database, "items", [{"a": 8}])
    timestamp = transaction.snapshot.timestamp
    assert database.subscribe(transaction.read_set, "token", timestamp) is False
    insert_all(database, "items", [{"a": 7}])
    assert database.subscribe(transaction.read_set, "token", timestamp) is True
    assert database.subscribe(ReadSet(), "nothing", 0) is True, "so long ago that nobody knows"


def test_a_part_within_intervals() -> None:
    database = make_database(items_schema("a"))
    commit = import_all(database, "items", [{"a": 3}, {"a": 5}])
    part: Part = commit.parts[0][1]
    key_of = key_function(("a",))
    keys = [key_of(document) for document in part.segment.documents(range(2))]
    index = IntervalIndex()
    for token, (lo, hi) in {
        "whole": (b"", b"\xff"),
        "prefix": (keys[0][:9], keys[0][:9] + b"\xff"),
        "other prefix": (b"\x10a", b"\x10a\xff"),
        "between": (keys[0] + b"\x00", keys[1]),
        "from the second": (keys[1], keys[1] + b"\x00"),
    }.items():
        index.add(lo, hi, token)
    found: set[Any] = set()
    index.within(partial(part.touches, 2), found)
    assert found == {"whole", "prefix", "from the second"}


def test_nobody_misses_a_commit_whatever_the_timing() -> None:
    """Some threads run queries and subscribe them while others commit; then each result is that of the head."""
    database = make_database(table_schema())
    chance = random.Random(1)
    ids: list[str] = []
    for _ in range(10):
        random_change(chance, database, ids)
    queries = {token: random_query(chance, ids) for token in range(20)}
    results: dict[int, Any] = {}
    stale = set(queries)
    running: set[int] = set()
    lock = threading.Lock()

    def mark(commit: Commit) -> None:
        touched = database.touched(commit)
        with lock:
            stale.update(touched)

    database.on_commit.append(mark)

    def write(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(3):
            with suppress(Conflict):
                random_change(dice, database, [])
            time.sleep(dice.random() * 5e-4)

    def refresh(writers: list[threading.Thread]) -> None:
        while stale or any(writer.is_alive() for writer in writers):
            with lock:
                token = next(iter(stale - running), None)
                if token is None:
                    continue
                stale.discard(token)
                running.add(token)
            transaction, db = reading(database)
            results[token] = queries[token](db)
            time.sleep(1e-4)
            if database.subscribe(transaction.read_set, token, transaction.snapshot.timestamp):
                with lock:
                    stale.add(token)
            with lock:
                running.discard(token)

    for turn in range(40):
        writers = [threading.Thread(target=write, args=(turn * 10 + n,), daemon=True) for n in range(2)]
        threads = [*writers, *[threading.Thread(target=refresh, args=(writers,), daemon=True) for _ in range(2)]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        for token, query in queries.items():
            assert same_value(results[token], query(reading(database)[1])), f"turn {turn}: {token} missed one"
    database.check()
