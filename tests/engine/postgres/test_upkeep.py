"""Checkpoints: one kernel at a time writes one, the others go on from it, and nothing that is needed is deleted."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from convex_nb.engine import maintenance
from convex_nb.engine.database import Database
from convex_nb.engine.part import Part
from convex_nb.engine.postgres import upkeep
from convex_nb.engine.postgres.tables import LOCK
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.documents import Document
from tests.engine.databases import import_all, insert_all, small_thresholds
from tests.engine.postgres.kernels import contents, follow, insert, kernels, log_of


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LOG_RECORDS", 4)


def keep_up(database: Database) -> None:
    while database.maintain(1000):
        pass


def count(uri: str, table: str) -> int:
    with psycopg.connect(uri) as connection:
        row = connection.execute(f"select count(*) from convex_nb_{table}").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.usefixtures("eager")
def test_kernels_take_turns_and_opening_begins_at_the_newest_checkpoint(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each of them merges in its own way, and deletes what the others' checkpoints consisted of.
    small_thresholds(monkeypatch)
    with kernels(uri, 2, retention=0) as (a, b):
        for turn in range(4):
            for database in (a, b):
                import_all(database, "items", [{"n": n, "turn": turn} for n in range(20)])
                for n in range(4):
                    insert(database, "items", n=n)
                follow(a, b)
                keep_up(database)
        assert log_of(a)._upkeep.checkpoints > 1
        assert log_of(b)._upkeep.checkpoints > 1
        assert count(uri, "log") < 10
        expected = contents(a)
        assert contents(b) == expected
        for database in (a, b):
            database.check()
            assert database.statistics().storage.failure is None  # type: ignore[union-attr]
    with kernels(uri, 1) as (again,):
        assert contents(again) == expected
        again.check()


@pytest.mark.usefixtures("eager")
def test_while_somebody_is_at_it_others_leave_it(uri: str) -> None:
    with kernels(uri, 1) as (a,), psycopg.connect(uri) as somebody:
        somebody.execute("select pg_advisory_lock(%s, 2)", (LOCK,))
        for n in range(6):
            insert(a, "items", n=n)
        keep_up(a)
        assert log_of(a)._upkeep.checkpoints == 0
        somebody.close()
        log_of(a)._upkeep._not_before = 0.0
        keep_up(a)
        assert log_of(a)._upkeep.checkpoints == 1


@pytest.mark.usefixtures("eager")
def test_a_checkpoint_that_breaks_off_counts_for_nothing(uri: str) -> None:
    with kernels(uri) as (a, b):
        for n in range(6):
            insert(a, "items", n=n)
        steps = log_of(a)._upkeep._run(a.head, a.mint.last_creation_time, 0)
        next(steps)
        steps.close()  # type: ignore[attr-defined]
        follow(b)
        keep_up(b)
        assert log_of(b)._upkeep.checkpoints == 1
        b.check()
    with kernels(uri, 1) as (again,):
        assert len(contents(again)["items"]) == 6


@pytest.mark.usefixtures("eager")
def test_what_a_kernel_has_written_ahead_survives_the_upkeep_of_others(uri: str) -> None:
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        follow(b)
        id, time = a.mint.identity(a.register.number("items"), "items")
        segment = Segment.from_documents([Document({"_id": id, "_creationTime": time})], "items")
        transaction = a.begin()
        state = transaction.table("items")
        assert state is not None
        transaction.add_part("items", Part.build(segment, state.indexes))
        a.log.stage("items", state.number, segment)
        for n in range(8):
            insert(b, "items", n=n)
        keep_up(b)
        assert log_of(b)._upkeep.checkpoints == 1
        a.commit(transaction)
        follow(b)
        assert contents(a) == contents(b)
    with kernels(uri, 1) as (again,):
        assert again.head.tables["items"].parts
        again.check()


@pytest.mark.usefixtures("eager")
def test_the_past_is_read_from_the_server_for_as_long_as_it_was_told(uri: str) -> None:
    with kernels(uri, 1) as (a,):
        states: list[tuple[int, dict[str, Any]]] = []
        for n in range(12):
            insert(a, "items", n=n)
            states.append((a.head.timestamp, contents(a)))
            keep_up(a)
    with kernels(uri, 1) as (again,):
        for timestamp, expected in states:
            snapshot = again.at(timestamp)
            found = [dict(d) for d in snapshot.tables["items"].scan(1, b"", b"\xff", reverse=False)]
            assert sorted(found, key=lambda d: d["_id"]) == expected["items"]
        again.check()


@pytest.mark.usefixtures("eager")
def test_what_another_kernel_has_deleted_is_written_again(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "RECENT", 100)
    with kernels(uri, 2, retention=0) as (a, b):
        insert_all(a, "items", [{"n": n} for n in range(400)])
        for database in (a, a, b, a):
            # The segment that each of them makes of the same documents is its own.
            for n in range(6):
                insert(database, "items", n=n)
            follow(a, b)
            keep_up(database)
            assert len(database.head.tables["items"].parts) == 1
            with kernels(uri, 1) as (again,):
                assert contents(again) == contents(a) == contents(b)
                again.check()
        assert log_of(a)._upkeep.checkpoints == 3
