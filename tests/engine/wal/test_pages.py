"""The structure of files: what SQLite refuses is noticed, but for pages that only stored files are on."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.files.sqlite_chunks import SqliteChunks
from convex_nb.engine.wal import sqlite, storage_file
from convex_nb.engine.wal.pages import is_sound, verify_pages
from convex_nb.engine.wal.rows import Record
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.engine.wal.storage_file import StorageFile
from convex_nb.language.errors import StorageCorruptError
from tests.engine.databases import insert_all, transact
from tests.engine.wal.files import open_quickly
from tests.engine.wal.test_damage import Contents, contents

FILES = {number: random.Random(number).randbytes(number % 5 * 9_000 + 50) for number in (1, 2, 3, 4, 900, 2**40)}


def make(path: Path) -> Contents:
    """A file with stored files beside documents, and with free pages."""
    with closing(open_quickly(path)) as database:
        ids = insert_all(database, "items", [{"a": number, "text": "x" * (number % 90)} for number in range(700)])
        insert_all(database, "large", [{"blob": random.Random(1).randbytes(90_000)}])
        for number, data in FILES.items():
            database.files.chunks.write(number, 0, data)
        transact(database, lambda db: db.delete(ids[3]))
        database.files.chunks.delete(900)
        return contents(database)


def file_pages(content: bytes) -> set[int]:
    """The pages that stored files go on in."""
    size = storage_file.PAGE_BYTES
    heads = {page: content[(page - 1) * size + 4 :][:40] for page in range(1, len(content) // size + 1)}
    return {page for page, head in heads.items() if any(head in data for data in FILES.values())}


def is_refused(path: Path, *tables: str) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        try:
            verify_pages(connection, *tables)
        except (DamagedError, sqlite3.DatabaseError):
            return True
    return False


@pytest.mark.parametrize("page_bytes", [512, 4096, 16384])
def test_whole_files_are_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_bytes: int) -> None:
    monkeypatch.setattr(storage_file, "PAGE_BYTES", page_bytes)
    path, chance = tmp_path / "a.convex", random.Random(page_bytes)
    open_quickly(path).close()
    stored: set[int] = set()
    for _ in range(12):
        assert is_sound(path)
        assert not is_refused(path)
        with closing(StorageFile.open(path, "relaxed")) as file:
            file.read_root()
            for _ in range(chance.randrange(8)):
                number = chance.choice([-1, 1]) * chance.randrange(1, 1 << 40)
                stored.add(number)
                with file.transaction("test"):
                    for place in range(chance.randrange(1, 4)):
                        file.write_chunk(number, place, chance.randbytes(chance.choice([10, 470, 5000, 60_000])))
            position = file.last_position()
            file.append(
                [Record(position + each, each, chance.randbytes(chance.randrange(900))) for each in range(1, 40)]
            )
            with file.transaction("test"):
                file.delete_records(position - 50)
                for number in chance.sample(sorted(stored), len(stored) // 3):
                    file.delete_blob(number)
                    stored.discard(number)
                file.give_back(chance.choice([0, 0, 3]))


def test_what_sqlite_refuses_is_not_sound(tmp_path: Path) -> None:
    """One bit of a page's own figures, of what it leads to or of anything, on each kind of page."""
    path = tmp_path / "a.convex"
    make(path)
    whole, chance = path.read_bytes(), random.Random(1)
    size = storage_file.PAGE_BYTES
    refused = differ = 0
    for _ in range(400):
        data = bytearray(whole)
        # Of the first page, with the names of the tables, opening compares what it says.
        page = chance.randrange(1, len(data) // size) if chance.random() < 0.7 else chance.randrange(1, 8)
        row = int.from_bytes(data[page * size + 8 :][:2], "big") + chance.randrange(9)
        place = chance.choice([*range(30), chance.randrange(size), *[min(row, size - 1)] * 20])
        data[page * size + place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        if not is_refused(path):
            continue
        refused += 1
        if is_sound(path) and not is_refused(path, "root", "log"):
            differ += 1
            # Either the page or, on the second one, what is noted of it.
            assert (place // 5 + 3 if page == 1 else page + 1) in file_pages(whole)
    assert refused > 60
    assert differ < refused / 3


def _chain(data: bytes) -> Callable[[bytearray], None]:
    """Let the first page of a stored file's chain lead to a page of documents."""

    def damage(content: bytearray) -> None:
        size = storage_file.PAGE_BYTES
        start = content.index(data[20_000:20_040]) // size * size
        content[start : start + 4] = (content.index(b"x" * 80) // size + 1).to_bytes(4, "big")

    return damage


def _bytes(data: bytes) -> Callable[[bytearray], None]:
    def damage(content: bytearray) -> None:
        content[content.index(data[20_000:20_040])] ^= 1

    return damage


@pytest.mark.parametrize("how", [_chain, _bytes])
def test_damage_of_a_stored_file_harms_nothing_else(
    tmp_path: Path, how: Callable[[bytes], Callable[[bytearray], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not when it is deleted, and when the file is written and made smaller later."""
    monkeypatch.setattr(sqlite, "_SHRINK_FROM", 0)
    path = tmp_path / "a.convex"
    known = make(path)
    content = bytearray(path.read_bytes())
    how(FILES[4])(content)
    path.write_bytes(content)

    def others(database: Database) -> None:
        assert contents(database) == known
        for number in (1, 2, 3, 2**40):
            assert database.files.chunks.find(number, 0) == FILES[number]
        with pytest.raises(StorageCorruptError, match="of a stored file does not verify"):
            database.files.chunks.find(4, 0)

    with closing(open_quickly(path, read_only=True)) as database:
        others(database)
    for _ in range(2):
        with closing(open_quickly(path)) as database:
            others(database)
            while not database.files.chunks.delete(4):
                pass
            insert_all(database, "after", [{"n": "y" * 3000} for _ in range(20)])
            chunks = database.files.chunks
            assert isinstance(chunks, SqliteChunks)
            with pytest.raises(StorageCorruptError):
                list(chunks.verify())
            while database.maintain(100):
                pass
            assert path.stat().st_size >= len(content)
            known = contents(database)
