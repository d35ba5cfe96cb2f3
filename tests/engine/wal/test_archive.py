"""The past of a file that was closed and opened, or of which memory has let go."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine import history
from convex_nb.engine.database import Database
from convex_nb.engine.wal import archive as archive_module
from convex_nb.engine.wal.archive import Archive
from convex_nb.language.errors import HistoryError, StorageError
from tests.engine.databases import TickingClock, import_all, insert_all, items_schema, small_thresholds, transact
from tests.engine.wal.files import open_quickly, small_files

SECOND = 10**9


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    small_files(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.convex"


def upkeep(database: Database) -> None:
    while database.maintain(1000):
        pass


def numbers(database: Database, timestamp: int) -> list[Any]:
    state = database.at(timestamp).tables.get("items")
    return [] if state is None else [each["n"] for each in state.scan(1, b"", b"\xff", reverse=False)]


def written(path: Path, commits: int, **options: Any) -> list[int]:
    """A file of so many commits, checkpointed all the time; their timestamps."""
    database = open_quickly(path, **options)
    moments = []
    for number in range(commits):
        insert_all(database, "items", [{"n": number}])
        moments.append(database.head.timestamp)
        upkeep(database)
    database.close()
    return moments


def test_opening_reads_nothing_of_it_and_a_question_what_it_needs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Archive] = []
    real = Archive._opened

    def noting(archive: Archive) -> Any:
        opened.append(archive)
        return real(archive)

    monkeypatch.setattr(Archive, "_opened", noting)
    moments = written(path, 100)
    database = open_quickly(path)
    assert database.history.floor > moments[90]
    assert opened == []
    assert numbers(database, moments[10]) == list(range(11))
    assert len(opened) == 1
    assert numbers(database, moments[-1]) == list(range(100))
    assert len(opened) == 1
    database.close()


def test_each_moment_from_the_first_on(path: Path) -> None:
    moments = written(path, 60)
    for options in ({}, {"read_only": True}):
        database = open_quickly(path, **options)
        for number in (*range(60), *range(59, 0, -7)):
            assert numbers(database, moments[number]) == list(range(number + 1))
            assert numbers(database, moments[number] - 1) == list(range(number))
        assert database.at(moments[7] + 1).timestamp == moments[7]
        with pytest.raises(HistoryError, match="not kept any more") as caught:
            database.at(database.oldest - 1)
        assert caught.value.oldest == database.oldest < moments[0]
        database.close()


def test_memory_may_forget_what_the_file_keeps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", 5)
    monkeypatch.setattr(history, "EVERY", 2)
    monkeypatch.setattr(archive_module, "PAGE_RECORDS", 7)
    database = open_quickly(path)
    moments = []
    for number in range(60):
        insert_all(database, "items", [{"n": number}])
        moments.append(database.head.timestamp)
        upkeep(database)
    assert database.history.floor > moments[50]
    assert numbers(database, moments[3]) == [0, 1, 2, 3]
    for after in (0, 20, 52, 59):
        found = [commit.timestamp for commit in database.commits_after(moments[after])]
        assert found == moments[after + 1 :]
    following = database.commits_after(database.oldest)
    assert next(following).timestamp == moments[0]
    # What happens while one reads is told the next time.
    insert_all(database, "items", [{"n": 60}])
    assert [commit.timestamp for commit in following] == moments[1:]
    with pytest.raises(HistoryError, match="not all kept any more"):
        database.commits_after(database.oldest - 1)
    database.close()


def test_segments_that_are_in_memory_are_not_read_again(path: Path) -> None:
    database = open_quickly(path)
    import_all(database, "items", [{"n": number} for number in range(50)])
    moments = [database.head.timestamp]
    for number in range(30):
        insert_all(database, "others", [{"n": number}])
        upkeep(database)
    database.close()
    database = open_quickly(path)
    assert database.history.floor > moments[0]
    past = database.at(moments[0])
    assert [part.segment for part in past.tables["items"].parts] == [
        part.segment for part in database.head.tables["items"].parts
    ]
    database.close()


def test_what_is_older_than_retention_goes_and_its_room_with_it(path: Path) -> None:
    clock = TickingClock()
    database = open_quickly(path, clock=clock, retention=60 * SECOND)
    for number in range(60):
        (id,) = insert_all(database, "items", [{"n": number, "text": "x" * 500}])
        transact(database, lambda db, id=id: db.delete(id))  # type: ignore[misc]
        clock.offset += 10 * SECOND
        upkeep(database)
        # Twice the retention, and what a checkpoint waits for.
        assert database.oldest > clock.now_ns() - 200 * SECOND
    log = database.log
    storage = log.statistics()
    assert storage is not None
    assert 0 < storage.milestones < 20
    clock.offset += 1000 * SECOND
    # Nobody commits, and it goes all the same.
    upkeep(database)
    storage = log.statistics()
    assert storage is not None
    assert storage.milestones == 0
    assert log.file.record(1) is None  # type: ignore[attr-defined]
    database.close()


def test_a_state_that_was_read_is_no_beginning_once_the_log_after_it_is_gone(path: Path) -> None:
    clock = TickingClock()
    database = open_quickly(path, clock=clock, retention=300 * SECOND)
    moments = []
    for number in range(90):
        insert_all(database, "items", [{"n": number}])
        moments.append(database.head.timestamp)
        clock.offset += 10 * SECOND
        upkeep(database)
        if number == 45:
            assert numbers(database, moments[18]) == list(range(19))
    database.close()
    database = open_quickly(path, clock=clock)
    archive = database.log.archive
    assert archive is not None
    assert moments[18] < database.oldest
    assert moments[80] < database.history.floor
    assert numbers(database, moments[70]) == list(range(71))
    # As if the state had been read before the log was shortened.
    past = archive._places.pop()._replace(position=2)
    archive._places.clear()
    archive._places.append(past)
    assert numbers(database, moments[80]) == list(range(81))
    database.close()


def test_states_that_nobody_asks_for_any_more_are_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = written(path, 30)
    for options in ({}, {"read_only": True}):
        database = open_quickly(path, **options)
        archive = database.log.archive
        assert archive is not None
        assert numbers(database, moments[3]) == [0, 1, 2, 3]
        upkeep(database)
        assert archive._places
        with monkeypatch.context() as patch:
            patch.setattr(archive_module, "KEPT_SECONDS", -1.0)
            upkeep(database)
        assert not archive._places
        assert numbers(database, moments[3]) == [0, 1, 2, 3]
        database.close()


def test_ids_of_a_table_whose_number_an_import_has_changed(path: Path) -> None:
    database = open_quickly(path)
    (id,) = insert_all(database, "items", [{"n": 1}])
    before = database.head
    transaction = database.begin()
    number = database.register.unused_number()
    transaction.recreate("items", number)
    database.commit(transaction)
    database.register.remember("items", number)
    for n in range(30):
        insert_all(database, "items", [{"n": n}])
        upkeep(database)
    database.close()
    database = open_quickly(path)
    past = database.begin(database.at(before.timestamp), writable=False)
    found = past.get(id)
    assert found is not None
    assert found["n"] == 1
    assert database.register.number("items") == number
    assert list(database.table_names.values()).count("items") == 1
    database.close()


@pytest.mark.parametrize("point", ["written", "durable"])
def test_the_past_is_whole_or_gone_where_forgetting_it_stops(path: Path, point: str) -> None:
    def reached(now: str) -> None:
        if now == f"forget what is too old: {point}":
            raise KeyboardInterrupt

    clock = TickingClock()
    moments = written(path, 30, clock=clock, retention=1000 * SECOND)
    clock.offset += 2000 * SECOND
    database = open_quickly(path, clock=clock, reached=reached)
    with pytest.raises(KeyboardInterrupt):
        upkeep(database)
    database.close()
    database = open_quickly(path, clock=clock)
    if point == "written":
        assert numbers(database, moments[3]) == [0, 1, 2, 3]
    else:
        with pytest.raises(HistoryError):
            database.at(moments[3])
    database.check()
    upkeep(database)
    assert numbers(database, moments[-1]) == list(range(30))
    assert len(database.log.file.blobs()) == len(database.log._milestones.blobs())  # type: ignore[attr-defined]
    database.close()


def test_the_file_keeps_the_retention_it_was_told(path: Path) -> None:
    clock = TickingClock()
    moments = written(path, 20, clock=clock, retention=10**6 * SECOND)
    clock.offset += 10**5 * SECOND
    # A command that comes by and says nothing takes nothing away.
    database = open_quickly(path, clock=clock)
    assert database.history.retention == 10**6 * SECOND
    upkeep(database)
    assert numbers(database, moments[0]) == [0]
    database.close()
    database = open_quickly(path, clock=clock, retention=SECOND)
    upkeep(database)
    with pytest.raises(HistoryError):
        database.at(moments[0])
    database.close()
    database = open_quickly(path, clock=clock)
    assert database.history.retention == SECOND
    database.close()


def test_schemas_and_tables_of_then(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": 1}])
    before = database.head
    database.push_schema(items_schema("n"))
    pushed = database.head
    for number in range(40):
        insert_all(database, "others", [{"n": number}])
        upkeep(database)
    database.close()
    database = open_quickly(path)
    assert database.history.floor > pushed.timestamp
    assert database.at(before.timestamp).schema is None
    assert database.at(pushed.timestamp).schema == pushed.schema
    assert [index.name for index in database.at(pushed.timestamp).tables["items"].indexes][-1] == "by_fields"
    assert "others" not in database.at(pushed.timestamp).tables
    database.close()


def test_what_an_import_replaced(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": 1}, {"n": 2}])
    transaction = database.begin()
    from convex_nb.engine.part import Part
    from convex_nb.engine.segments.segment import Segment

    state = transaction.table_or_new("items")
    kept = [document for document in state.scan(1, b"", b"\xff", reverse=False) if document["n"] == 1]
    part = Part.build(Segment.from_documents(kept, "items"), state.indexes)
    transaction.add_part("items", part, replace=True)
    replacing = database.commit(transaction)
    assert replacing is not None
    for number in range(40):
        insert_all(database, "others", [{"n": number}])
        upkeep(database)
    database.close()
    database = open_quickly(path)
    seen = [commit for commit in database.commits_after(database.oldest) if commit.replaced]
    assert [commit.timestamp for commit in seen] == [replacing.timestamp]
    assert numbers(database, replacing.timestamp - 1) == [1, 2]
    assert numbers(database, replacing.timestamp) == [1]
    database.close()


def test_a_commit_that_is_larger_than_a_row(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": number, "text": "x" * 100} for number in range(50)])
    large = database.head.timestamp
    for number in range(40):
        insert_all(database, "others", [{"n": number}])
        upkeep(database)
    database.close()
    database = open_quickly(path)
    assert numbers(database, large) == list(range(50))
    database.close()


def test_readers_beside_a_writer_that_goes_on(path: Path) -> None:
    moments = written(path, 30)
    clock = TickingClock()
    database = open_quickly(path, clock=clock)
    beside = open_quickly(path, read_only=True)
    failures: list[BaseException] = []

    def look(reader: Database) -> None:
        try:
            for number in range(0, 30, 3):
                assert numbers(reader, moments[number]) == list(range(number + 1))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=look, args=(reader,)) for reader in (database, beside, database)]
    for thread in threads:
        thread.start()
    for number in range(30, 60):
        insert_all(database, "items", [{"n": number}])
        upkeep(database)
    for thread in threads:
        thread.join()
    assert failures == []
    clock.offset += 10**6 * SECOND
    upkeep(database)
    # The writer has let go of it meanwhile.
    with pytest.raises(HistoryError):
        beside.at(moments[5])
    database.close()


def test_a_file_that_is_not_there_any_more_or_another_one(path: Path) -> None:
    moments = written(path, 30)
    other = path.with_name("b.convex")
    written(other, 30)
    beside = open_quickly(path, read_only=True)
    path.unlink()
    with pytest.raises(StorageError, match=r"a\.convex"):
        beside.at(moments[3])
    shutil.copy(other, path)
    with pytest.raises(StorageError, match="another file"):
        beside.at(moments[3])
    assert numbers(beside, moments[-1]) == list(range(30))
