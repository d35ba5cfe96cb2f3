"""Commits by many threads, and by a log that fails."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from convex_nb.engine.commit import Commit, Entry
from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseWriter
from tests.engine.databases import (
    DiskFullError,
    FailingLog,
    committed,
    insert_all,
    items_schema,
    make_database,
    numbers,
    reading,
    small_thresholds,
    transact,
)
from tests.until import PATIENCE, until

TIMEOUT = PATIENCE


def in_threads(*targets: Callable[[], Any]) -> None:
    """Run all at once; raises what one of them raised, and fails if one of them hangs."""
    errors: list[BaseException] = []

    def guarded(target: Callable[[], Any]) -> None:
        try:
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(target,), daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]


# -- one after another --------------------------------------------------------------------------------------------


def test_nothing_written_is_nothing_committed() -> None:
    database = make_database()
    head = database.head
    transaction = database.begin()
    DatabaseWriter(transaction).query("items").collect()
    assert database.commit(transaction) is None
    assert database.head is head
    assert database.statistics().commits == 0


def test_a_commit_is_what_was_written() -> None:
    database = make_database(items_schema("n"))
    commit = committed(database, lambda db: db.insert("items", {"n": 1}), "tasks:add")
    assert (commit.source, commit.published, commit.tables) == ("tasks:add", True, frozenset({"items"}))
    assert database.head.timestamp == commit.timestamp
    (write,) = commit.writes
    assert (write.table, write.old, write.old_keys) == ("items", None, None)
    assert write.new is not None
    assert write.new_keys == database.head.tables["items"].keys_of(write.new)
    assert repr(commit) == f"Commit({commit.timestamp}, 1 writes, 0 segments, source='tasks:add')"


def test_timestamps_ascend_when_the_clock_stands_still() -> None:
    class Stopped:
        now = 5_000_000_000

        def now_ns(self) -> int:
            return self.now

    clock = Stopped()
    database = make_database(clock=clock)
    stamps = [committed(database, lambda db: db.insert("items", {})).timestamp for _ in range(3)]
    clock.now -= 10**9
    database.push_schema(items_schema("n"))
    stamps.append(database.head.timestamp)
    stamps.append(committed(database, lambda db: db.insert("items", {})).timestamp)
    clock.now += 10**10
    stamps.append(committed(database, lambda db: db.insert("items", {})).timestamp)
    assert stamps == sorted(set(stamps))
    assert stamps[-1] == clock.now


def test_a_conflict_says_who_changed_what() -> None:
    database = make_database(items_schema("n"))
    (id,) = insert_all(database, "items", [{"n": 1}])
    transaction = database.begin()
    transaction.patch(id, {"n": 2})
    transact(database, lambda db: db.insert("items", {"n": 5}), "tasks:other")
    transact(database, lambda db: db.patch(id, {"n": 3}), "tasks:change")
    head = database.head
    with pytest.raises(Conflict) as caught:
        database.commit(transaction, "tasks:mine")
    conflict = caught.value
    assert (conflict.table, conflict.document_id, conflict.source) == ("items", id, "tasks:change")
    assert database.head is head
    assert database.statistics().conflicts == 1


def test_a_push_conflicts_with_everybody_who_writes() -> None:
    database = make_database()
    writing, only_reading = database.begin(), database.begin()
    writing.insert("items", {})
    DatabaseWriter(only_reading).query("items").collect()
    database.push_schema(items_schema("n"))
    with pytest.raises(Conflict) as caught:
        database.commit(writing)
    assert (caught.value.table, caught.value.source) == ("items", "push")
    assert database.commit(only_reading) is None


def test_a_push_publishes_what_has_a_timestamp_first() -> None:
    """What is pending was validated, and its keys made, under the indexes of before."""
    database = make_database(items_schema("n"))
    transaction = database.begin()
    transaction.insert("items", {"n": 1, "m": 2})
    committer = database.committer
    with committer._sequence:
        commit = committer._reserve(transaction, "")
    database.push_schema(items_schema("m"))
    assert commit.published
    assert commit.timestamp < database.head.timestamp
    committer._write_through(commit)
    assert numbers(reading(database)[1].query("items").with_index("by_fields", m=2)) == [1]
    database.check()


def test_a_table_that_two_transactions_bring() -> None:
    database = make_database()
    one, other = database.begin(), database.begin()
    one.insert("items", {"n": 1})
    other.insert("items", {"n": 2})
    database.commit(one)
    database.commit(other)
    assert numbers(reading(database)[1].query("items")) == [1, 2]
    database.check()


def test_what_everybody_is_told() -> None:
    database = make_database()
    heads: list[int] = []
    database.on_commit.append(lambda commit: heads.append(commit.timestamp))
    database.on_commit.append(lambda commit: heads.append(database.head.timestamp))
    commit = committed(database, lambda db: db.insert("items", {}))
    assert heads == [commit.timestamp] * 2


# -- a log that fails ---------------------------------------------------------------------------------------------


def test_what_the_log_refused_never_happened() -> None:
    log = FailingLog(iter([False, True, True, False, False]).__next__)
    database = make_database(items_schema("n"), log=log)  # its first entry is the push
    told: list[Commit] = []
    database.on_commit.append(told.append)
    head = database.head
    with pytest.raises(DiskFullError):
        insert_all(database, "items", [{"n": 1}])
    with pytest.raises(DiskFullError):
        database.push_schema(items_schema("m"))
    assert database.head is head
    assert told == []
    assert database.commits_between(0, 2**63) in (None, [])
    insert_all(database, "items", [{"n": 2}])
    assert numbers(reading(database)[1].query("items")) == [2]
    assert len(log.entries) == 2
    database.push_schema(items_schema("m"))
    assert database.head.schema == items_schema("m")
    database.check()


def gather(database: Database, log: FailingLog, number: int) -> None:
    """Hold the next append up until so many commits are a part of it or wait behind it."""

    def begins(entries: Sequence[Entry]) -> None:
        log.begins = lambda entries: None
        until(lambda: len(entries) + len(database.committer._pending) == number)

    log.begins = begins


def test_one_append_for_all_who_wait() -> None:
    log = FailingLog()
    database = make_database(log=log)
    gather(database, log, 16)
    in_threads(*[lambda: insert_all(database, "items", [{"n": 1}]) for _ in range(16)])
    assert len(log.entries) == len(database.head.tables["items"]) == 16
    assert log.appends <= 2, "one, and one for all who came meanwhile"
    database.check()


def test_a_batch_fails_as_a_whole_and_nobody_hangs() -> None:
    failing = threading.Event()
    log = FailingLog(failing.is_set)
    database = make_database(log=log)
    outcomes: list[str] = []

    def insert() -> None:
        try:
            insert_all(database, "items", [{"n": 1}])
            outcomes.append("written")
        except DiskFullError:
            outcomes.append("refused")

    failing.set()
    gather(database, log, 12)
    in_threads(*[insert] * 12)
    assert outcomes == ["refused"] * 12
    assert log.appends <= 2, "those who came meanwhile shared an append and its failure"
    assert database.head.tables == {}
    failing.clear()
    in_threads(*[insert] * 12)
    assert outcomes[12:] == ["written"] * 12
    assert len(database.head.tables["items"]) == len(log.entries) == 12
    database.check()


def test_what_read_a_commit_that_failed_is_tried_again() -> None:
    """A transaction that is validated while another is on its way to a log that will refuse it."""
    on_its_way, go_on = threading.Event(), threading.Event()

    class Waiting(FailingLog):
        def append(self, expected_head: int, entries: Sequence[Entry]) -> Sequence[int]:
            if not on_its_way.is_set():
                on_its_way.set()
                assert go_on.wait(TIMEOUT)
                raise DiskFullError
            return super().append(expected_head, entries)

    database = make_database(log=Waiting())

    def first() -> None:
        with pytest.raises(DiskFullError):
            insert_all(database, "items", [{"n": 1}])

    def second() -> None:
        assert on_its_way.wait(TIMEOUT)
        transaction = database.begin()
        db = DatabaseWriter(transaction)
        db.insert("others", {"found": len(db.query("items").collect())})
        try:
            with pytest.raises(Conflict):
                database.commit(transaction)
        finally:
            go_on.set()

    in_threads(first, second)
    assert database.head.tables == {}
    transact(database, lambda db: db.insert("others", {"found": len(db.query("items").collect())}))
    assert numbers(reading(database)[1].query("others"), "found") == [0]
    database.check()


# -- many threads -------------------------------------------------------------------------------------------------


def increment(database: Database, key: int, chance: random.Random, meetings: list[threading.Barrier]) -> bool:
    """Add one to a counter, retrying; ``False`` where the log refused. Before they commit, those who meet have read."""
    while True:
        transaction = database.begin()
        db = DatabaseWriter(transaction)
        document = db.query("counters").with_index("by_fields", key=key).unique()
        if chance.random() < 0.3:
            time.sleep(0)
        if document is None:
            db.insert("counters", {"key": key, "count": 1})
        else:
            db.patch(document["_id"], {"count": document["count"] + 1})
        db.insert("log", {"key": key})
        if meetings:
            meetings.pop().wait(TIMEOUT)
        try:
            database.commit(transaction, "increment")
        except Conflict:
            continue
        except DiskFullError:
            return False
        return True


@pytest.mark.parametrize("failing", [False, True])
def test_eight_threads_count_together(monkeypatch: pytest.MonkeyPatch, failing: bool) -> None:
    from convex_nb.language.schema import define_schema, define_table
    from convex_nb.language.validators import v

    small_thresholds(monkeypatch)
    dice = random.Random(1)
    log = FailingLog()
    counters = define_table({"key": v.number(), "count": v.number()}).index("by_fields", ["key"])
    database = make_database(define_schema({"counters": counters}), log=log)
    if failing:
        log.fails = lambda: dice.random() < 0.1
    stamps: list[int] = []
    database.on_commit.append(lambda commit: stamps.append(commit.timestamp))
    done = threading.Event()
    # Eight who have read one of three counters: some of them conflict, however late the threads start.
    together = threading.Barrier(8)
    acknowledged = itertools.count()
    finished = itertools.count(1)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        meetings = [together]
        try:
            for _ in range(60):
                if increment(database, chance.randrange(3), chance, meetings):
                    next(acknowledged)
        finally:
            if next(finished) == 8:
                done.set()

    def read() -> None:
        last = 0
        while not done.is_set():
            transaction, db = reading(database)
            counted = sum(document["count"] for document in db.query("counters"))
            assert counted == db.query("log").count() >= last, "half a commit was seen"
            assert transaction.snapshot.timestamp <= database.head.timestamp
            last = counted

    def maintain() -> None:
        while not done.is_set():
            database.maintain(5)
            time.sleep(0)

    in_threads(*[lambda seed=seed: work(seed) for seed in range(8)], read, read, maintain)
    total = next(acknowledged)
    assert total == sum(document["count"] for document in reading(database)[1].query("counters"))
    assert total == len(database.head.tables["log"]) == len(stamps) == len(set(stamps)) == database.statistics().commits
    logged = [entry.timestamp for entry in log.entries]
    assert logged == sorted(set(logged))
    assert set(stamps) == set(logged[1:])
    if failing:
        assert log.failures
    else:
        assert total == 480
    assert database.statistics().conflicts > 0
    database.check()


def test_pushes_and_commits_at_once() -> None:
    database = make_database(items_schema("n"))
    done = threading.Event()

    def write() -> None:
        for n in range(150):
            while True:
                try:
                    insert_all(database, "items", [{"n": n}])
                    break
                except Conflict:
                    pass

    def push() -> None:
        for field in itertools.islice(itertools.cycle("mno"), 30):
            database.push_schema(items_schema(field))
        done.set()

    def maintain() -> None:
        while not done.is_set():
            database.maintain(5)

    in_threads(write, write, push, maintain)
    assert len(database.head.tables["items"]) == 300
    assert database.head.schema == items_schema("o")
    database.check()
