"""Opening, creating and saving durable databases."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.part import Part
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.wal import opening, storage_file
from convex_nb.engine.wal.opening import open_database, save_database
from convex_nb.engine.wal.storage_file import PAGE_BYTES
from convex_nb.language.documents import Document
from convex_nb.language.errors import (
    DeploymentClosedError,
    DeploymentLockedError,
    ReadOnlyError,
    StorageCorruptError,
    StorageError,
    StorageExistsError,
    StorageVersionError,
)
from convex_nb.language.values import Id
from tests.engine.databases import TickingClock, import_all, insert_all, items_schema, make_database, transact
from tests.engine.wal.files import open_quickly, sidecars


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.convex"


def items(database: Database, table: str = "items") -> list[dict[str, Any]]:
    return [dict(document) for document in database.head.tables[table].scan(1, b"", b"\xff", reverse=False)]


def test_what_was_committed_is_there_again(path: Path) -> None:
    database = open_database(path, clock=TickingClock())
    assert database.head.timestamp == open_quickly(path, read_only=True).head.timestamp
    database.push_schema(items_schema("a"))
    (first, *_) = insert_all(database, "items", [{"a": number} for number in range(5)])
    transact(database, lambda db: db.patch(first, {"a": "changed", "to": first}))
    insert_all(database, "notes", [{"of": first, "data": b"\x00", "deep": [{"x": [1.0, 1, None]}]}])
    import_all(database, "bulk", [{"n": number} for number in range(100)])
    before = {name: items(database, name) for name in database.head.tables}
    head = database.head
    database.close()
    assert sidecars(path) == []
    database = open_database(path, clock=TickingClock())
    assert {name: items(database, name) for name in database.head.tables} == before
    assert database.head.timestamp == head.timestamp
    assert database.head.schema == head.schema
    note = items(database, "notes")[0]
    assert (note["_id"].table, note["of"].table) == ("notes", "items")
    assert [type(value) for value in note["deep"][0]["x"]] == [float, int, type(None)]
    assert isinstance(items(database, "bulk")[0]["_id"], Id)
    database.check()
    database.close()


def test_a_table_that_was_replaced_comes_back_as_it_became(path: Path) -> None:
    database = open_quickly(path)
    database.push_schema(items_schema("a"))
    ids = insert_all(database, "items", [{"a": 1}, {"a": 2}, {"a": 3}])
    transaction = database.begin()
    state = transaction.table_or_new("items")
    # The same ids with other values, one of which is changed once more, and one deleted.
    documents = [Document({**document, "a": document["a"] * 10}) for document in state.recent()]
    transaction.add_part("items", Part.build(Segment.from_documents(documents, "items"), state.indexes), replace=True)
    transaction.patch(ids[0], {"a": 5})
    transaction.delete(ids[1])
    database.commit(transaction)
    before = items(database)
    assert [document["a"] for document in before] == [5, 30]
    database.close()
    database = open_quickly(path)
    assert items(database) == before
    database.check()
    database.close()


def test_time_goes_on_where_it_stopped(path: Path) -> None:
    clock = TickingClock()
    database = open_quickly(path, clock=clock)
    shown = database.head.timestamp
    database.close()
    clock.offset -= 10**15
    database = open_quickly(path, clock=clock)
    assert database.head.timestamp == shown
    (id,) = insert_all(database, "items", [{}])
    timestamp, time = database.head.timestamp, items(database)[0]["_creationTime"]
    assert timestamp > shown
    transact(database, lambda db: db.delete(id))
    database.close()
    clock.offset -= 10**15
    database = open_quickly(path, clock=clock)
    insert_all(database, "items", [{}])
    assert database.head.timestamp > timestamp + 1
    assert items(database)[0]["_creationTime"] > time
    database.close()


def test_creation_times_that_were_brought_in_do_not_set_the_clock(path: Path) -> None:
    database = open_quickly(path)
    state = database.new_table("items", database.head.catalog)
    import_all(database, "items", [{"_creationTime": 1e15}])
    assert state.number == database.head.tables["items"].number
    database.close()
    database = open_quickly(path)
    insert_all(database, "items", [{"new": True}])
    assert items(database)[0]["new"]
    database.close()


def test_table_numbers_stay_and_are_not_given_twice(path: Path) -> None:
    database = open_quickly(path)
    transaction = database.begin()
    transaction.insert("abandoned", {})
    insert_all(database, "kept", [{}])
    database.push_schema(items_schema("a"))
    numbers = {state.name: state.number for state in database.head.tables.values()}
    database.close()
    database = open_quickly(path)
    assert {state.name: state.number for state in database.head.tables.values()} == numbers
    insert_all(database, "new", [{}])
    assert database.head.tables["new"].number > max(numbers.values())
    database.close()


def test_a_second_writer_is_refused_and_may_look(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": 1}])
    with pytest.raises(DeploymentLockedError):
        open_quickly(path)
    beside = open_quickly(path, read_only=True)
    insert_all(database, "items", [{"n": 2}])
    assert len(items(beside)) == 1
    assert len(items(open_quickly(path, read_only=True))) == 2
    with pytest.raises(ReadOnlyError, match="nothing was written"):
        insert_all(beside, "items", [{}])
    with pytest.raises(ReadOnlyError, match="nothing was written"):
        import_all(beside, "items", [{}])
    assert not beside.maintain(10)
    assert len(items(beside)) == 1
    beside.close()
    insert_all(database, "items", [{"n": 3}])
    database.close()
    open_quickly(path).close()


def test_what_somebody_looks_at_can_be_saved_and_written(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": 1}])
    beside = open_quickly(path, read_only=True)
    save_database(beside, path.with_name("b"))
    insert_all(beside, "items", [{"n": 2}])
    assert (len(items(database)), len(items(beside))) == (1, 2)
    database.close()
    beside.close()


def test_looking_at_a_file_whose_writer_was_killed(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": 1}])
    for each in (path, path.with_name("a.convex-wal")):
        shutil.copy(each, each.with_name(each.name.replace("a", "b", 1)))
    database.close()
    assert len(items(open_quickly(path.with_name("b.convex"), read_only=True))) == 1
    opened = open_quickly(path.with_name("b.convex"))
    assert len(items(opened)) == 1
    opened.close()


def test_looking_at_a_file_in_a_folder_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": 1}])
    database.close()
    # Permissions do not bind every user that tests run as.
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert len(items(open_quickly(path, read_only=True))) == 1


def test_a_file_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_quickly(path).close()
    monkeypatch.setattr(os, "access", lambda where, mode: mode != os.W_OK or Path(where) != path)
    with pytest.raises(StorageError, match="cannot be written: nothing was opened"):
        open_quickly(path)
    assert sidecars(path) == []
    assert open_quickly(path, read_only=True).head.tables == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "no database of convex_nb"),
        (b"SQLite format 3\x00", "no database of convex_nb"),
        (b"SQLite format 3\x00" + bytes(5000), "no database of convex_nb"),
        (os.urandom(50_000), "no database of convex_nb"),
    ],
)
def test_what_is_no_database_is_left_alone(path: Path, content: bytes, words: str) -> None:
    path.write_bytes(content)
    for read_only in (False, True):
        with pytest.raises(StorageCorruptError, match=words) as caught:
            open_quickly(path, read_only=read_only)
        assert caught.value.path == str(path)
        assert "Nothing was changed" in str(caught.value)
    assert path.read_bytes() == content
    assert sidecars(path) == []


def test_somebody_elses_sqlite_file_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table t (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageCorruptError, match="no database of convex_nb"):
        open_quickly(path)
    assert path.read_bytes() == before
    assert sidecars(path) == []


def test_a_newer_file_is_refused_politely(path: Path) -> None:
    open_quickly(path).close()
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, 60, 7)
    path.write_bytes(data)
    for read_only in (False, True):
        with pytest.raises(StorageVersionError, match="Install the newer version") as caught:
            open_quickly(path, read_only=read_only)
        assert (caught.value.version, caught.value.newest) == (7, 1)
    assert path.read_bytes() == data


def test_places_where_nothing_can_be_opened(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no folder"):
        open_quickly(tmp_path / "none" / "a")
    with pytest.raises(StorageError, match="no file"):
        open_quickly(path, read_only=True)
    assert not path.exists()
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        open_quickly(path)
    assert sidecars(path) == []


def test_saving_goes_on_in_the_file(path: Path) -> None:
    database = make_database(items_schema("a"))
    ids = insert_all(database, "items", [{"a": number} for number in range(10)])
    import_all(database, "bulk", [{"n": number} for number in range(10)])
    head = database.head
    save_database(database, path)
    assert database.head is head
    assert sidecars(path) == ["a.convex-lock", "a.convex-shm", "a.convex-wal"]
    transact(database, lambda db: db.delete(ids[0]))
    before = items(database)
    past = database.at(head.timestamp)
    assert len(past.tables["items"]) == 10
    database.close()
    database = open_quickly(path)
    assert items(database) == before
    assert len(items(database, "bulk")) == 10
    assert database.head.schema == head.schema
    assert database.at(head.timestamp).timestamp == head.timestamp
    database.check()
    database.close()


def test_saving_takes_nobodys_place(path: Path) -> None:
    path.write_bytes(b"mine")
    database = make_database()
    insert_all(database, "items", [{}])
    with pytest.raises(StorageExistsError) as caught:
        save_database(database, path)
    assert isinstance(caught.value, FileExistsError)
    with pytest.raises(StorageError, match="no folder"):
        save_database(database, path.parent / "none" / "a")
    assert path.read_bytes() == b"mine"
    assert sidecars(path) == []
    insert_all(database, "items", [{}])
    save_database(database, path.with_name("b"))
    with pytest.raises(StorageExistsError):
        save_database(database, path.with_name("b"))
    insert_all(database, "items", [{}])
    database.close()


def test_a_save_that_fails_leaves_everything_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{}])
    target = path.with_name("b")
    points: list[str] = []
    save_database(database, path.with_name("c"), durability="relaxed", reached=points.append)
    assert len(points) > 4
    for point in dict.fromkeys(points):

        def reached(now: str, fails: str = point) -> None:
            if now == fails:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            save_database(database, target, reached=reached)
        target.unlink(missing_ok=True)
        assert sidecars(target) == []
        insert_all(database, "items", [{"after": point}])
    count = len(items(database))
    database.close()
    database = open_quickly(path.with_name("c"))
    assert len(items(database)) == count
    database.close()


def test_what_a_crash_left_of_an_unfinished_file_goes(path: Path) -> None:
    path.with_name("a.convex-new").write_bytes(b"half")
    path.with_name("a.convex-new-wal").write_bytes(b"half")
    database = open_quickly(path)
    insert_all(database, "items", [{}])
    database.close()
    assert sidecars(path) == []


def test_a_sidecar_without_its_file_is_not_taken_for_somebody_elses(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"n": 1}])
    beside = path.with_name("a.convex-wal")
    content = beside.read_bytes()
    kept = path.rename(path.with_name("kept"))
    database.close()
    beside.write_bytes(content)
    memory = make_database()
    for refused in (lambda: open_quickly(path), lambda: save_database(memory, path)):
        with pytest.raises(StorageError, match=r"There is no .*a\.convex, but a\.convex-wal, .*delete a\.convex-wal"):
            refused()
        assert not path.exists()
        assert beside.read_bytes() == content
    kept.rename(path)
    database = open_quickly(path)
    assert len(items(database)) == 1
    database.close()
    # Blocks that were never written to are nobody's.
    path.unlink()
    beside.write_bytes(bytes(100_000))
    open_quickly(path).close()
    assert sidecars(path) == []


def test_a_file_that_cannot_be_made_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(storage_file, "TABLES", ("create nonsense",))
        with pytest.raises(sqlite3.Error):
            open_quickly(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
def test_a_forked_child_cannot_write(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{}])
    child = os.fork()
    if not child:
        try:
            insert_all(database, "items", [{}])
        except DeploymentClosedError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    insert_all(database, "items", [{}])
    database.close()
    database = open_quickly(path)
    assert len(items(database)) == 2
    database.close()


FRAME = 24 + PAGE_BYTES


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_damage_in_the_sidecar_is_told_from_a_torn_end(path: Path, durability: Any) -> None:
    database = open_quickly(path, durability=durability)
    for number in range(10):
        insert_all(database, "items", [{"n": number}])
    wal = path.with_name("a.convex-wal")
    # Behind what was written it has blocks of zeros.
    written = len(wal.read_bytes().rstrip(b"\0"))
    content = bytearray(wal.read_bytes()[: 32 + -(-(written - 32) // FRAME) * FRAME])
    crashed = path.with_name("b.convex")
    shutil.copy(path, crashed)
    database.close()
    # The page of the fifth transaction from the end; and half of the last one.
    damaged = content.copy()
    damaged[-5 * FRAME + 3000] ^= 1
    sidecar = path.with_name("b.convex-wal")
    sidecar.write_bytes(damaged)
    if durability == "full":
        with pytest.raises(StorageCorruptError, match=r"b\.convex-wal, before others"):
            open_quickly(crashed)
        assert sidecar.read_bytes() == damaged
    else:
        # A power cut may have done this where nobody waited for the disk.
        opened = open_quickly(crashed, durability=durability)
        assert 0 < len(items(opened)) < 10
        opened.close()
    sidecar.write_bytes(content[:-3000])
    if durability == "full":
        opened = open_quickly(crashed)
        assert len(items(opened)) == 9
        opened.close()


def test_the_engine_is_opened_without_waking_arrow(path: Path) -> None:
    code = f"""
import sys
from convex_nb.engine.wal.opening import open_database
database = open_database({str(path)!r})
database.close()
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_durability_is_noted(path: Path) -> None:
    for durability, relaxed in (("relaxed", True), ("full", False), ("full", False)):
        open_database(path, durability=durability).close()  # type: ignore[arg-type]
        assert opening._is_relaxed(path) is relaxed
