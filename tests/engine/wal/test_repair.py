"""What a repair saves of a damaged file, and what it says is lost."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.part import Part
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.wal.repair import RepairReport, repair
from convex_nb.engine.wal.storage_file import PAGE_BYTES
from convex_nb.language.documents import Document
from convex_nb.language.errors import DeploymentLockedError, StorageCorruptError, StorageError, StorageExistsError
from convex_nb.language.ids import decode_id, encode_id
from convex_nb.language.values import Id
from tests.engine.databases import import_all, insert_all, items_schema, small_thresholds, transact
from tests.engine.wal.files import open_quickly, small_files

Contents = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    small_files(monkeypatch)


def contents(database: Database) -> Contents:
    """Documents by id, by table."""
    return {
        name: {document["_id"]: dict(document) for document in state.scan(1, b"", b"\xff", reverse=False)}
        for name, state in database.head.tables.items()
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.convex"


@pytest.fixture
def known(path: Path) -> Contents:
    """A file with segments, dead rows, recent documents and a log, and what is in it."""
    database = open_quickly(path)
    database.push_schema(items_schema("a"))
    ids = insert_all(database, "items", [{"a": number, "text": "x" * 50} for number in range(30)])
    insert_all(database, "notes", [{"n": number} for number in range(3)])
    while database.maintain(1000):
        pass
    transact(database, lambda db: [db.patch(id, {"a": -1}) for id in ids[:3]])
    transact(database, lambda db: db.delete(ids[4]))
    insert_all(database, "notes", [{"n": 3}])
    import_all(database, "items", [{"a": 100 + number, "text": "y" * 50} for number in range(10)])
    insert_all(database, "notes", [{"n": 4}])
    while database.maintain(1000):
        pass
    insert_all(database, "notes", [{"n": 5}])
    transact(database, lambda db: db.delete(ids[5]))
    import_all(database, "logs", [{"a": number, "text": "z" * 50} for number in range(10)])
    found = contents(database)
    database.close()
    return found


def rows_at(database: Database, moment: int) -> Contents:
    snapshot = database.at(moment)
    return {
        name: {document["_id"]: dict(document) for document in state.scan(1, b"", b"\xff", reverse=False)}
        for name, state in snapshot.tables.items()
    }


def damage(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(sql).rowcount
    connection.close()


def repaired(path: Path) -> tuple[RepairReport, Contents]:
    before = path.read_bytes()
    target = path.with_name("repaired.convex")
    report = repair(path, target)
    assert path.read_bytes() == before
    assert [each.name for each in sorted(path.parent.iterdir())] == ["a.convex", "repaired.convex"]
    database = open_quickly(target)
    database.check()
    found = contents(database)
    assert report.documents == {name: len(documents) for name, documents in found.items()}
    database.close()
    return report, found


def test_nothing_is_lost_of_a_file_that_is_whole(path: Path, known: Contents) -> None:
    report, found = repaired(path)
    assert found == known
    assert report.lost == []
    assert "items: 38 documents" in str(report)
    assert str(report).endswith("Lost:\n  nothing")


def test_any_damaged_row_costs_no_more_than_itself(path: Path, known: Contents) -> None:
    """Every chunk, every record and the root in turn: whatever is saved is right, and what is not is named."""
    database = open_quickly(path, read_only=True)
    moments = [database.oldest, *(commit.timestamp for commit in database.commits_after(database.oldest))]
    past = [rows_at(database, moment) for moment in moments]
    database.close()
    whole = path.read_bytes()
    connection = sqlite3.connect(path)
    rows = [
        (table, name, key)
        for table, name in (("root", "id"), ("log", "position"), ("chunk", "key"))
        for (key,) in connection.execute(f"select {name} from {table}")
    ]
    connection.close()
    whole_present = 0
    for table, name, key in rows:
        path.write_bytes(whole)
        damage(path, f"update {table} set data = zeroblob(length(data)) where {name} = {key}")
        try:
            database = open_quickly(path)
        except StorageCorruptError:
            is_whole = False
        else:
            is_whole = True
            # Only the past needs this row. It is noticed when somebody asks for that, and the present is whole.
            assert contents(database) == known
            with pytest.raises(StorageCorruptError, match="keeps of the past is damaged"):
                for moment, documents in zip(moments, past, strict=True):
                    assert rows_at(database, moment) == documents
            with pytest.raises(StorageCorruptError, match="keeps of the past is damaged"):
                database.check()
            database.close()
        whole_present += is_whole
        report, found = repaired(path)
        # The file's own name is kept in two places, and an older checkpoint leads to the same as the newest.
        assert report.lost or found == known, (table, key)
        lost = sum(len(documents.keys() - found.get(name, {}).keys()) for name, documents in known.items())
        assert lost <= 10, (table, key, report)
        for name, documents in found.items():
            for id, document in documents.items():
                was = known.get(name, {}).get(id)
                # What was replaced or deleted may be there again, in the form that it had.
                assert was is None or was == document or "again" in str(report) or "Commit" in str(report)
        path.with_name("repaired.convex").unlink()
    assert 2 < whole_present < len(rows) / 2


def test_an_older_checkpoint_and_the_log_make_up_for_the_newest(path: Path, known: Contents) -> None:
    database = open_quickly(path, read_only=True)
    newest = database.log.archive._milestones  # type: ignore[union-attr]
    with database.log.archive._opened() as file:  # type: ignore[union-attr]
        (_, _, checkpoint) = newest(file)[-1]
    assert checkpoint is not None
    open_quickly(path).close()
    damage(path, f"update chunk set data = zeroblob(length(data)) where key >> 20 = {checkpoint.number}")
    with pytest.raises(StorageCorruptError):
        open_quickly(path)
    report, found = repaired(path)
    assert found == known
    assert report.lost == []


def test_a_root_that_is_lost_when_the_log_begins_late(path: Path) -> None:
    database = open_quickly(path, retention=0)
    insert_all(database, "items", [{"n": 0}])
    for number in range(1500):
        transact(database, lambda db: db.insert("items", {"n": 1}) and None)
        if number % 100 == 0:
            while database.maintain(1000):
                pass
    while database.maintain(1000):
        pass
    insert_all(database, "items", [{"n": "the last"}])
    known = contents(database)
    database.close()
    damage(path, "update root set data = zeroblob(length(data))")
    report, found = repaired(path)
    assert found == known
    assert "Which documents had been deleted before" in str(report)


def test_a_root_that_is_lost_when_an_import_replaced_a_table(path: Path) -> None:
    database = open_quickly(path)
    insert_all(database, "items", [{"a": number, "text": "old"} for number in range(30)])
    for _ in range(6):
        insert_all(database, "notes", [{}])
    while database.maintain(1000):
        pass
    transaction = database.begin()
    documents = [{"a": number, "text": "new"} for number in range(30)]
    number = database.register.unused_number()
    transaction.recreate("items", number)
    state = transaction.table_or_new("items")
    segment = Segment.from_documents(
        [
            Document(
                {"_id": Id(encode_id(number, bytes([each]) * 16), "items"), "_creationTime": float(each), **fields}
            )
            for each, fields in enumerate(documents)
        ],
        "items",
    )
    transaction.add_part("items", Part.build(segment, state.indexes))
    database.commit(transaction)
    database.register.remember("items", number)
    insert_all(database, "items", [{"a": 30, "text": "newer"}])
    known = contents(database)
    database.close()
    assert len(known["items"]) == 31
    database = open_quickly(path)
    assert contents(database) == known
    database.close()
    assert repaired(path)[1] == known
    path.with_name("repaired.convex").unlink()
    damage(path, "update root set data = zeroblob(length(data))")
    assert repaired(path)[1] == known
    path.with_name("repaired.convex").unlink()
    # Only the number of the ids says now that the table was replaced.
    damage(path, "update log set data = zeroblob(length(data))")
    _, found = repaired(path)
    assert {decode_id(id)[0] for id in found["items"]} == {number}


def test_a_first_page_is_replaced(path: Path, known: Contents) -> None:
    data = bytearray(path.read_bytes())
    data[:PAGE_BYTES] = bytes(PAGE_BYTES)
    path.write_bytes(data)
    with pytest.raises(StorageCorruptError, match="first page is damaged"):
        open_quickly(path)
    report, found = repaired(path)
    assert found == known
    assert report.lost == []


def test_a_file_that_is_cut_off(path: Path, known: Contents) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3 // PAGE_BYTES * PAGE_BYTES])
    with pytest.raises(StorageCorruptError):
        open_quickly(path)
    report, found = repaired(path)
    assert report.lost
    assert found.keys() <= known.keys()


def test_what_cannot_be_read_at_all(path: Path) -> None:
    path.write_bytes(b"hello")
    with pytest.raises(StorageCorruptError, match="Nothing could be read"):
        repair(path, path.with_name("b"))
    assert [each.name for each in path.parent.iterdir()] == ["a.convex"]


def test_names_that_will_not_do(path: Path, known: Contents) -> None:
    with pytest.raises(StorageError, match="no file"):
        repair(path.with_name("none"), path.with_name("b"))
    with pytest.raises(StorageExistsError):
        repair(path, path)
    with pytest.raises(StorageError, match="no folder"):
        repair(path, path.parent / "none" / "b")
    database = open_quickly(path)
    with pytest.raises(DeploymentLockedError):
        repair(path, path.with_name("b"))
    database.close()


def test_a_disk_without_room_for_a_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copyfile(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    open_quickly(path).close()
    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(StorageError, match=r"No space left on device.: nothing was repaired"):
        repair(path, path.with_name("b"))
    assert [each.name for each in path.parent.iterdir()] == [path.name]
