from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb.engine import history as history_module
from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.history import History
from convex_nb.engine.snapshot import Snapshot
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import (
    TickingClock,
    import_all,
    insert_all,
    items_schema,
    make_database,
    numbers,
    reading,
    small_thresholds,
    transact,
)
from tests.engine.model import Contents, assert_holds

SECOND = 10**9


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)


def contents_of(snapshot: Snapshot) -> Contents:
    return {
        name: {document["_id"]: document for document in state.scan(1, b"", b"\xff", reverse=False)}
        for name, state in snapshot.tables.items()
    }


def changes(database: Database, chance: random.Random) -> Iterator[None]:
    """Commits of every kind, and what is no commit."""
    ids: list[str] = []
    while True:
        kind = chance.randrange(8)
        known = [id for id in ids if reading(database)[1].get(id) is not None]
        if kind < 3 or not known:
            ids += insert_all(database, chance.choice(["items", "notes"]), [{"n": chance.randrange(9)}] * 2)
        elif kind == 3:
            transact(database, lambda db: db.patch(chance.choice(known), {"n": 10}))  # noqa: B023
        elif kind == 4:
            transact(database, lambda db: db.delete(chance.choice(known)))  # noqa: B023
        elif kind == 5:
            commit = import_all(database, "items", [{"n": 5}] * 2, replace=chance.random() < 0.3)
            ids += [document["_id"] for document in commit.parts[0][1].segment.documents(range(2))]
        elif kind == 6:
            database.push_schema(items_schema(chance.choice("nmo")))
        else:
            database.maintain(1000)
        yield


@pytest.mark.parametrize("seed", range(8))
def test_the_past_stays_what_it_was(seed: int) -> None:
    database = make_database()
    past: list[tuple[int, Contents]] = [(database.head.timestamp, {})]
    for _, _ in zip(range(60), changes(database, random.Random(seed)), strict=False):
        if database.head.timestamp > past[-1][0]:
            past.append((database.head.timestamp, contents_of(database.head)))
    for (timestamp, contents), (following, _) in zip(past, [*past[1:], (past[-1][0] + 10, {})], strict=True):
        for when in (timestamp, (timestamp + following) // 2, following - 1):
            assert_holds(database, database.at(when), contents)
            assert database.at(when).timestamp == timestamp


def test_a_past_snapshot_has_the_schema_of_its_time() -> None:
    database = make_database()
    insert_all(database, "items", [{"n": 1}])
    before = database.head.timestamp
    database.push_schema(items_schema("n"))
    insert_all(database, "items", [{"n": 2}])
    assert database.at(before).schema is None
    assert database.at(before + 1).tables["items"].indexes == database.at(before).tables["items"].indexes
    after = database.at(database.head.timestamp - 1)
    assert after.schema == items_schema("n")
    assert [index.name for index in after.tables["items"].indexes] == ["by_id", "by_creation_time", "by_fields"]


def test_a_past_snapshot_is_read_like_any_other() -> None:
    database = make_database(items_schema("n"))
    insert_all(database, "items", [{"n": n} for n in range(5)])
    before = database.head.timestamp
    transact(database, lambda db: [db.delete(document["_id"]) for document in db.query("items")])
    transaction = database.begin(database.at(before), writable=False)
    assert numbers(transaction.read("items", "by_fields", b"", b"\xff", reverse=True)) == [4, 3, 2, 1, 0]


def test_retention() -> None:
    clock = TickingClock()
    database = make_database(clock=clock, retention=60 * SECOND)
    stamps = []
    for n in range(10):
        clock.offset += 10 * SECOND
        insert_all(database, "items", [{"n": n}])
        stamps.append(database.head.timestamp)
        database.maintain(1000)
    now = clock.now_ns()
    assert database.history.floor <= now - 60 * SECOND
    for n, timestamp in enumerate(stamps):
        if timestamp >= now - 60 * SECOND:
            assert len(database.at(timestamp).tables["items"]) == n + 1
    with pytest.raises(LookupError, match=r"is not kept any more: .* `retention`"):
        database.at(stamps[0])
    assert len(database.history) < 10
    clock.offset += 3600 * SECOND
    database.maintain(1000)
    assert (len(database.history), database.history.snapshots) == (0, 1)
    assert len(database.at(stamps[-1]).tables["items"]) == 10
    database.check()


def test_a_push_does_not_shorten_the_past() -> None:
    clock = TickingClock()
    database = make_database(clock=clock, retention=60 * SECOND)
    insert_all(database, "items", [{"n": 1}])
    clock.offset += 3600 * SECOND
    database.push_schema(items_schema("n"))
    before = database.head.timestamp - SECOND
    clock.offset += SECOND
    database.maintain(1000)
    assert len(database.at(before).tables["items"]) == 1
    assert database.at(before).schema is None


def test_pushes_alone_are_forgotten_too() -> None:
    clock = TickingClock()
    database = make_database(clock=clock, retention=60 * SECOND)
    for n in range(20):
        clock.offset += 30 * SECOND
        database.push_schema(define_schema({"items": define_table(v.any()).index(f"by_{n}", ["n"])}))
        database.maintain(1000)
    assert database.history.snapshots < 6


def test_at_most_so_many_commits_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MOST", 10)
    database = make_database()
    first = database.begin()
    for n in range(40):
        insert_all(database, "items", [{"n": n}])
        database.maintain(1000)
    assert len(database.history) <= 10 + history_module.EVERY
    assert len(database.at(database.head.timestamp - 1).tables["items"]) == 39
    first.insert("items", {"n": -1})
    with pytest.raises(Conflict):
        database.commit(first)


def test_history_by_itself() -> None:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.committer import empty_snapshot

    first = empty_snapshot(100)
    history = History(first, retention=50)
    commits = [Commit(timestamp, (), "", {}) for timestamp in (110, 120, 130, 140)]
    for commit in commits:
        history.add(commit)
    assert list(history.since(0)) == list(history.since(100)) == commits
    assert list(history.since(119)) == commits[1:]
    assert list(history.since(140)) == []
    assert history.nearest(135) == (first, [])
    for commit in commits[:3]:
        commit.settle()
        history.published(first.apply(commit))
    history.withdraw(commits[3:])
    assert list(history.since(110)) == commits[1:3]
    snapshot, walk = history.nearest(125)
    assert (snapshot.timestamp, list(walk)) == (100, commits[:2])
    assert history.snapshots == 2, "one is kept after every third commit"
    snapshot, walk = history.nearest(130)
    assert (snapshot.timestamp, list(walk)) == (130, [])
    head = snapshot
    history.trim(155, head)
    assert (history.floor, len(history)) == (100, 3), "105 has to be readable, from 100 on"
    history.trim(180, head)
    assert (history.floor, len(history), history.snapshots) == (130, 0, 1)


def test_pending_commits_are_never_forgotten() -> None:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.committer import empty_snapshot

    head: Any = empty_snapshot(100)
    history = History(head, retention=5)
    pending = Commit(110, (), "", {})
    history.add(pending)
    history.trim(1000, head)
    assert list(history.since(100)) == [pending]
    assert history.floor == 100


def test_commits_out_of_order_are_noticed() -> None:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.committer import empty_snapshot

    history, head = History(empty_snapshot(1), retention=10), empty_snapshot(9)
    for timestamp in (3, 5):
        history.add(Commit(timestamp, (), "", {}))
    history.check(head)
    history.add(Commit(4, (), "", {}))
    with pytest.raises(AssertionError, match=r"do not ascend: \[3, 5, 4\]"):
        history.check(head)
