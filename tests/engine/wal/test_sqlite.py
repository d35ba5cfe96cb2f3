"""The log in a file: what fails, what waits, and what stays small."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.wal import sqlite as sqlite_log
from convex_nb.engine.wal.checkpoint import ChunkWriter
from convex_nb.engine.wal.opening import save_database
from convex_nb.engine.wal.sqlite import SqliteLog
from convex_nb.language.errors import StorageError
from tests.engine.databases import import_all, insert_all, items_schema, make_database, small_thresholds, transact
from tests.engine.wal.files import open_quickly, small_files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.convex"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    small_files(monkeypatch)


def numbers(database: Database) -> list[Any]:
    return [document["n"] for document in DatabaseReader(database.begin(writable=False)).query("items").collect()]


def log_of(database: Database) -> SqliteLog:
    log = database.log
    assert isinstance(log, SqliteLog)
    return log


def upkeep(database: Database) -> None:
    while database.maintain(1000):
        pass


class Disk:
    """A file layer that fails at a point while it is told to."""

    def __init__(self) -> None:
        self.fails: str | None = None
        self.points: list[str] = []

    def __call__(self, point: str) -> None:
        self.points.append(point)
        if point == self.fails:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


@pytest.mark.parametrize("point", ["commit: written"])
def test_a_commit_that_the_disk_refuses_did_not_happen(path: Path, point: str) -> None:
    disk = Disk()
    database = open_quickly(path, reached=disk)
    insert_all(database, "items", [{"n": 1}])
    head = database.head
    disk.fails = point
    for _ in range(3):
        with pytest.raises(StorageError, match="Could not commit: there is no room on the disk") as caught:
            insert_all(database, "items", [{"n": 2}])
        assert caught.value.path == str(path)
        assert database.head is head
    with pytest.raises(StorageError):
        database.push_schema(items_schema("n"))
    assert database.head is head
    assert numbers(database) == [1]
    disk.fails = None
    insert_all(database, "items", [{"n": 3}])
    database.push_schema(items_schema("n"))
    assert numbers(database) == [1, 3]
    database.close()
    database = open_quickly(path)
    assert numbers(database) == [1, 3]
    database.close()


def test_an_import_that_the_disk_refuses_did_not_happen(path: Path, small: None) -> None:
    disk = Disk()
    database = open_quickly(path, reached=disk)
    insert_all(database, "items", [{"n": 1}])
    disk.fails = "import: written"
    with pytest.raises(StorageError, match="Could not import"):
        import_all(database, "items", [{"n": number} for number in range(100)])
    disk.fails = None
    import_all(database, "items", [{"n": 2}])
    assert numbers(database) == [1, 2]
    for number in range(10):
        insert_all(database, "items", [{"n": number}])
    upkeep(database)
    blobs = log_of(database).file.blobs()
    # What was written of the first one is gone.
    assert len(blobs) == len(
        log_of(database)._milestones.blobs() | {n for e in log_of(database)._entries for n in e.blobs}
    )
    database.close()


def test_what_was_written_of_an_import_that_failed_goes(path: Path, small: None) -> None:
    written = 0

    def reached(point: str) -> None:
        nonlocal written
        written += point == "import: written"
        if written == 3:
            raise ZeroDivisionError

    database = open_quickly(path, reached=reached)
    log = log_of(database)
    with pytest.raises(ZeroDivisionError):
        import_all(database, "items", [{"n": number} for number in range(100)])
    written = 4
    assert log.file.blobs()
    for number in range(10):
        insert_all(database, "items", [{"n": number}])
    upkeep(database)
    assert set(log.file.blobs()) == log._milestones.blobs()
    database.close()


@pytest.mark.parametrize(
    "point",
    [
        "write a checkpoint: written",
        "finish a checkpoint: written",
        "shorten the log: written",
        "delete what is no longer needed: written",
    ],
)
def test_upkeep_that_the_disk_refuses_is_tried_again(
    path: Path, point: str, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_log, "RETRY_SECONDS", 0.0)
    disk = Disk()
    database = open_quickly(path, reached=disk)
    disk.fails = point
    failures = set()
    for number in range(30):
        insert_all(database, "items", [{"n": number, "text": "x" * 200}])
        database.maintain(20)
        failures.add(log_of(database).statistics().failure)
    assert any(failure is not None and "no room" in failure for failure in failures)
    disk.fails = None
    insert_all(database, "items", [{"n": 30}])
    upkeep(database)
    storage = log_of(database).statistics()
    assert storage.failure is None
    assert storage.logged <= 4
    assert numbers(database) == list(range(31))
    database.check()
    database.close()
    database = open_quickly(path)
    assert numbers(database) == list(range(31))
    database.close()


@pytest.mark.parametrize("point", ["write a checkpoint: written", "finish a checkpoint: written"])
def test_what_a_checkpoint_that_failed_did_not_write_is_written_by_the_next(
    path: Path, point: str, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_log, "RETRY_SECONDS", 0.0)
    disk = Disk()
    database = open_quickly(path, reached=disk)
    for table in ("a", "b", "c"):
        insert_all(database, table, [{"n": number} for number in range(3)])
    disk.fails = point
    insert_all(database, "items", [{"n": number, "text": "x" * 200} for number in range(4)])
    insert_all(database, "items", [{"n": 4}])
    while log_of(database).statistics().failure is None:
        database.maintain(1)
    disk.fails = None
    upkeep(database)
    assert log_of(database).statistics().checkpoints == 1
    database.close()
    database = open_quickly(path)
    assert numbers(database) == [0, 1, 2, 3, 4]
    assert all(len(database.head.tables[table]) == 3 for table in "abc")
    database.close()


def test_a_commit_that_was_reported_as_failed_but_is_there_is_not_written_over(path: Path) -> None:
    disk = Disk()
    database = open_quickly(path, reached=disk)
    insert_all(database, "items", [{"n": 1}])
    disk.fails = "commit: durable"
    with pytest.raises(StorageError, match="no room"):
        insert_all(database, "items", [{"n": 2}])
    disk.fails = None
    for _ in range(2):
        with pytest.raises(StorageError, match="Close it and open it again"):
            insert_all(database, "items", [{"n": 3}])
    assert numbers(database) == [1]
    database.close()
    database = open_quickly(path)
    assert numbers(database) == [1, 2]
    insert_all(database, "items", [{"n": 3}])
    database.close()


FILLED = """
import resource, signal, sys
from pathlib import Path
from convex_nb.engine.wal.opening import open_database
from convex_nb.engine.reading.reader import DatabaseReader
from convex_nb.language.errors import StorageError
from tests.engine.databases import import_all, insert_all

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
database = open_database(path)
insert_all(database, "items", [{"n": 0}])
done = 1
for limit in (400_000, 900_000, 3_000_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    while True:
        try:
            insert_all(database, "items", [{"n": done, "text": "x" * 3000}])
            done += 1
            database.maintain(5)
        except StorageError as error:
            assert "Could not commit" in str(error), error
            assert "When there is room, it can be written again." in str(error), error
            break
    try:
        import_all(database, "bulk", [{"text": "y" * 1000 + str(n)} for n in range(5000)])
        assert limit == 3_000_000
    except StorageError as error:
        pass
    database.maintain(5)
    found = [d["n"] for d in DatabaseReader(database.begin(writable=False)).query("items").collect()]
    assert found == list(range(done)), (len(found), done)
    database.check()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
insert_all(database, "items", [{"n": done}])
database.check()
database.close()
print(done + 1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_disk_that_fills_up_and_has_room_again(path: Path) -> None:
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", FILLED, str(path)], capture_output=True, text=True, cwd=root)
    assert ran.returncode == 0, ran.stderr
    database = open_quickly(path)
    assert numbers(database) == list(range(int(ran.stdout)))
    database.check()
    database.close()


def test_large_transactions_are_cut_up(path: Path, small: None) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": number, "text": "x" * 100} for number in range(100)])
    insert_all(database, "items", [{"n": 100}])
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    assert connection.execute("select max(length(data)) from log").fetchone()[0] < 600
    assert connection.execute("select max(length(data)) from chunk").fetchone()[0] <= 600
    connection.close()
    database.close()
    database = open_quickly(path)
    assert numbers(database) == list(range(101))
    for number in range(101, 111):
        insert_all(database, "items", [{"n": number}])
        upkeep(database)
    database.check()
    database.close()
    database = open_quickly(path)
    assert numbers(database) == list(range(111))
    database.close()


def test_what_changes_for_ever_stays_small(path: Path, small: None) -> None:
    database = open_quickly(path, retention=0)
    ids = insert_all(database, "items", [{"n": number, "text": "x" * 300} for number in range(20)])
    chance = random.Random(1)
    sizes = []
    for number in range(400):
        id = chance.choice(ids)
        transact(database, lambda db, id=id, n=number: db.patch(id, {"n": n}))  # type: ignore[misc]
        if not number % 10:
            upkeep(database)
            sizes.append(log_of(database).statistics().nbytes)
    # Twenty documents, each in a row, a log of a few commits, and what SQLite needs.
    assert max(sizes[len(sizes) // 2 :]) <= max(sizes[: len(sizes) // 2])
    assert log_of(database).statistics().checkpoints > 30
    database.check()
    database.close()


def test_room_is_given_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_log, "_SHRINK_FROM", 8)
    monkeypatch.setattr(sqlite_log, "LOG_RECORDS", 2)
    database = open_quickly(path, retention=0)
    source = random.Random(1)
    import_all(database, "items", [{"n": n, "data": source.randbytes(3000)} for n in range(1000)])
    upkeep(database)
    full = log_of(database).statistics().nbytes
    assert full > 3_000_000
    import_all(database, "items", [{"n": 1}], replace=True)
    for number in range(4):
        insert_all(database, "other", [{"n": number}])
    upkeep(database)
    assert log_of(database).statistics().nbytes < full / 10
    assert numbers(database) == [1]
    database.close()
    assert path.stat().st_size < full / 10


def test_threads_share_transactions_of_the_disk(path: Path) -> None:
    disk = Disk()
    database = open_quickly(path, reached=disk)
    together = threading.Barrier(8)

    def commit(thread: int) -> None:
        together.wait()
        for number in range(25):
            while True:
                try:
                    insert_all(database, f"table{thread}", [{"n": number}])
                except Conflict:
                    continue
                break

    in_threads([lambda thread=thread: commit(thread) for thread in range(8)])  # type: ignore[misc]
    assert disk.points.count("commit: durable") <= 200
    database.check()
    head = database.head
    database.close()
    database = open_quickly(path)
    assert {name: len(state) for name, state in database.head.tables.items()} == {f"table{n}": 25 for n in range(8)}
    assert database.head.timestamp == head.timestamp
    database.close()


def in_threads(functions: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_commits_imports_pushes_upkeep_and_saving_at_the_same_time(path: Path, small: None) -> None:
    database = make_database(items_schema("n"))
    places = [path, path.with_name("b.convex"), path.with_name("c.convex")]
    stop = threading.Event()
    failed: list[BaseException] = []
    done = {"import": 0}

    def again(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            while not stop.is_set():
                try:
                    work()
                except Conflict:
                    continue
                except BaseException as error:
                    failed.append(error)
                    stop.set()

        return run

    def bring_in() -> None:
        import_all(database, "bulk", [{"n": number} for number in range(5)])
        done["import"] += 1

    def save() -> None:
        for number, place in enumerate(places):
            save_database(database, place, durability="relaxed")
            while True:
                try:
                    insert_all(database, "items", [{"n": number}])
                except Conflict:
                    continue
                break
        while not done["import"] and not failed:
            stop.wait(0.01)
        stop.set()

    def push() -> None:
        before = done["import"]
        database.push_schema(items_schema("n", "m"))
        database.push_schema(items_schema("n"))
        # An import that meets a push at every turn would never get in.
        while done["import"] == before:
            if stop.wait(0.001):
                return

    in_threads([again(bring_in), again(push), again(lambda: database.maintain(5)), again(save)])
    assert failed == []
    database.check()
    assert numbers(database) == list(range(3))
    assert len(database.head.tables["bulk"]) == 5 * done["import"]
    database.close()
    database = open_quickly(places[-1])
    assert numbers(database) == list(range(3))
    assert len(database.head.tables["bulk"]) == 5 * done["import"]
    database.check()
    database.close()


def test_a_segment_is_written_once(path: Path, small: None) -> None:
    disk = Disk()
    database = open_quickly(path, reached=disk)
    import_all(database, "bulk", [{"n": number, "text": "x" * 100} for number in range(200)])
    upkeep(database)
    written = disk.points.count("import: durable")
    before = disk.points.count("write a checkpoint: durable")
    for number in range(30):
        insert_all(database, "items", [{"n": number}])
        upkeep(database)
    assert disk.points.count("import: durable") == written > 30
    assert disk.points.count("finish a checkpoint: durable") > 3
    # Checkpoints wrote the few documents of the other table, not the segment again.
    assert disk.points.count("write a checkpoint: durable") - before < 30
    database.close()
    database = open_quickly(path, reached=disk)
    before = disk.points.count("write a checkpoint: durable")
    for number in range(10):
        insert_all(database, "items", [{"n": number}])
        upkeep(database)
    assert disk.points.count("write a checkpoint: durable") - before < 10
    database.close()


def test_a_writer_in_hand_sees_its_own_database(path: Path) -> None:
    database = open_quickly(path)
    transaction = database.begin()
    id = DatabaseWriter(transaction).insert("items", {"n": 1})
    database.commit(transaction)
    database.close()
    database = open_quickly(path)
    assert transact(database, lambda db: db.get(id)) is not None
    database.close()


def test_what_is_written_ahead_stays_until_its_commit(path: Path, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large import, or a large commit, is on its way to the file while upkeep deletes what nothing refers to."""
    flush = ChunkWriter.flush
    cleared = 0

    def flush_and_clear(writer: ChunkWriter) -> None:
        nonlocal cleared
        flush(writer)
        for _ in log_of(database)._clear():
            pass
        cleared += 1

    database = open_quickly(path)
    monkeypatch.setattr(ChunkWriter, "flush", flush_and_clear)
    import_all(database, "bulk", [{"n": number, "text": "x" * 100} for number in range(100)])
    insert_all(database, "items", [{"n": number, "text": "y" * 100} for number in range(100)])
    assert cleared > 10
    database.close()
    database = open_quickly(path)
    assert len(database.head.tables["bulk"]) == len(database.head.tables["items"]) == 100
    database.check()
    database.close()


def test_a_copy_that_was_deleted_is_no_copy(path: Path, small: None) -> None:
    database = open_quickly(path, retention=0)
    log = log_of(database)
    ((_, part),) = import_all(database, "items", [{"n": number} for number in range(10)]).parts
    blob = log._copies.find(part.segment)
    assert blob is not None
    for document in part.segment.documents(range(10)):
        transact(database, lambda db, id=document["_id"]: db.delete(id))  # type: ignore[misc]
    for number in range(20):
        insert_all(database, "items", [{"n": number}])
        upkeep(database)
    assert blob.number not in log.file.blobs()
    assert log._copies.find(part.segment) is None
    database.close()


def test_a_checkpoint_is_written_when_enough_was_logged_since_the_last(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_log, "LOG_BYTES", 10_000)
    database = open_quickly(path)
    for written, sizes in enumerate([(8_000,), (8_000, 100, 100), (9_000,), (100,)]):
        for size in sizes:
            insert_all(database, "items", [{"text": "x" * size}])
            upkeep(database)
        storage = database.statistics().storage
        assert storage is not None
        assert storage.checkpoints == (0, 1, 1, 1)[written]
    insert_all(database, "items", [{"text": "x" * 8_000}])
    upkeep(database)
    assert log_of(database)._checkpoints == 2
    database.close()
