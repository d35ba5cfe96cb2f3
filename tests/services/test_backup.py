from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import convex_nb
from convex_nb import (
    HistoryError,
    InvalidValueError,
    SchemaValidationError,
    StorageCorruptError,
    StorageError,
    StorageExistsError,
    define_schema,
    define_table,
    query,
    v,
    verify_backup,
)
from convex_nb.services.backup import age_of_newest, backups_in, prune_backups
from convex_nb.testing import VirtualClock
from tests.deployment.data.test_feed import STEPS, documents, take
from tests.until import until

SCHEMA = define_schema({"t": define_table({"n": v.number()}).index("by_n", ["n"])})


def test_a_backup_is_a_file_like_any_other(tmp_path: Path) -> None:
    with convex_nb.open(tmp_path / "a.convex") as dep:
        dep.push(SCHEMA)
        dep.transact(lambda db: db.insert_many("t", [{"n": 1}, {"n": 2}]))
        path = dep.backup(tmp_path / "b.convex")
        before, moment = documents(dep), dep.timestamp
        dep.transact(lambda db: db.insert("t", {"n": 3}))
        report = verify_backup(path)
        assert (report.timestamp, report.documents) == (moment, {"t": 2})
        with pytest.raises(StorageExistsError):
            dep.backup(path)
        with pytest.raises(InvalidValueError, match="export"):
            dep.backup(tmp_path / "b.zip")
        assert dep.path == (tmp_path / "a.convex").resolve()
    with convex_nb.open(path) as dep:
        assert documents(dep) == before
        assert dep.schema == SCHEMA
        dep.transact(lambda db: db.insert("t", {"n": 3}))
        dep.check()


def test_a_backup_under_load_is_a_state_that_existed(tmp_path: Path) -> None:
    """Every commit moves one from one document to the other: in each state that exists the sum is the same."""
    with convex_nb.open() as dep:
        a, b = dep.transact(lambda db: db.insert_many("t", [{"n": 0}, {"n": 0}]))
        stop = threading.Event()

        def load() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                dep.transact(lambda db, n=number: (db.patch(a, {"n": n}), db.patch(b, {"n": -n})))  # type: ignore[misc]

        thread = threading.Thread(target=load)
        thread.start()
        try:
            paths = [dep.backup(tmp_path / f"{number}.convex") for number in range(3)]
        finally:
            stop.set()
            thread.join()
        for path in paths:
            moment = verify_backup(path).timestamp
            with convex_nb.open(path, read_only=True) as backup:
                found = [document["n"] for document in documents(backup).values()]
                assert sum(found) == 0
                assert documents(backup) == {
                    ("t", id): dict(document)
                    for id, document in ((id, dep._database.at(moment).tables["t"].get(id)) for id in (a, b))
                    if document is not None
                }


@settings(max_examples=10)
@given(STEPS, STEPS)
def test_restoring_brings_back_what_there_was(
    tmp_path_factory: pytest.TempPathFactory, before: Any, after: Any
) -> None:
    folder = tmp_path_factory.mktemp("backup")
    with convex_nb.open() as dep:
        for step in before:
            take(dep, step)
        old, moment = documents(dep), dep.timestamp
        paths: list[Any] = [dep.backup(folder / "a.convex"), dep.export(folder / "a.zip"), moment]
        for step in after:
            take(dep, step)
        for source in paths:
            dep.transact(lambda db: db.insert("other", {}))
            dep.restore(source)
            found = documents(dep)
            assert found == old
            dep.check()


def test_restoring_is_one_commit_and_keeps_ids(tmp_path: Path) -> None:
    with convex_nb.open(tmp_path / "a.convex") as dep:
        id = dep.transact(lambda db: db.insert("t", {"n": 1}))
        path = dep.backup(tmp_path)
        assert backups_in(tmp_path) == [path]
        dep.transact(lambda db: db.delete(id))
        dep.transact(lambda db: db.insert("t", {"n": 5}))
        seen: list[Any] = []
        dep.subscribe(query(lambda ctx: [each["n"] for each in ctx.db.query("t").collect()]), {}, seen.append)
        assert dep.restore(path) == {"t": 1}
        assert seen == [[5], [1]]
        assert dep.transact(lambda db: db.get(id)) is not None
    with convex_nb.open(tmp_path / "a.convex") as dep:
        assert dep.transact(lambda db: db.get(id)) is not None
        dep.check()


def test_what_cannot_be_restored(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("t", {"n": "text"}))
        moment = dep.timestamp
        path = dep.backup(tmp_path / "a.convex")
        dep.restore(path)
        dep.transact(lambda db: db.delete(db.query("t").unique()["_id"]))  # type: ignore[index]
        dep.push(SCHEMA)
        for source in (path, moment):
            with pytest.raises(SchemaValidationError):
                dep.restore(source)
        with pytest.raises(StorageError, match="no backup"):
            dep.restore(tmp_path / "none.convex")
        with pytest.raises(HistoryError):
            dep.restore(datetime(2000, 1, 1, tzinfo=UTC))
        with pytest.raises(InvalidValueError):
            dep.restore(tmp_path / "none.zip")
        assert documents(dep) == {}


def test_a_backup_that_is_damaged_does_not_verify(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert_many("t", [{"n": n, "text": "x" * 500} for n in range(200)]))
        path = dep.backup(tmp_path / "a.convex")
    content = bytearray(path.read_bytes())
    for place in range(0, len(content), 4096):
        content[place + 2000] ^= 255
    path.write_bytes(content)
    with pytest.raises(StorageCorruptError):
        verify_backup(path)


def test_backups_now_and_then(tmp_path: Path) -> None:
    clock = VirtualClock(1_700_000_000_000)
    with convex_nb.open(clock=clock) as dep:
        dep.transact(lambda db: db.insert("t", {"n": 1}))
        periodic = dep.backup_every(timedelta(days=1), tmp_path, keep=2)
        periodic.stop()
        for _ in range(4):
            seconds = periodic.take_if_due()
            assert 0 < seconds <= 60
            age = age_of_newest(tmp_path, clock.now_ns())
            assert age is not None
            assert abs(age) < timedelta(seconds=1)
            assert periodic.take_if_due() <= 60
            clock.advance(86_400_000)
            dep.transact(lambda db: db.insert("t", {"n": 1}))
        assert len(backups_in(tmp_path)) == 2
        assert periodic.last == backups_in(tmp_path)[-1]
        assert "stopped" in repr(periodic)
        (tmp_path / "backup_mine.convex").write_text("")
        assert len(prune_backups(tmp_path, 0)) == 1
        assert (tmp_path / "backup_mine.convex").exists()
        for every, folder, keep in [(0, tmp_path, 1), (1, tmp_path, 0), (1, tmp_path / "none", 1)]:
            with pytest.raises(InvalidValueError):
                dep.backup_every(timedelta(every), folder, keep=keep)


def test_they_are_taken_in_the_background_and_end_with_the_deployment(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("t", {"n": 1}))
        periodic = dep.backup_every(timedelta(days=1), tmp_path)
        until(lambda: periodic.last is not None)
    assert periodic.take_if_due() == 0.0
    periodic.stop()
    assert age_of_newest(tmp_path / "..", 0) is None
