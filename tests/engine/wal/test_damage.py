"""Bytes of closed files are flipped: the right documents are served, or none."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.wal.repair import repair
from convex_nb.engine.wal.storage_file import PAGE_BYTES
from convex_nb.language.errors import StorageCorruptError, StorageVersionError
from tests.engine.databases import import_all, insert_all, items_schema, small_thresholds, transact
from tests.engine.wal.files import open_quickly, sidecars, small_files

Contents = dict[str, list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    small_files(monkeypatch)


def make(path: Path) -> Contents:
    """A file with everything that a file can have, free pages and a log among it; what is in it."""
    database = open_quickly(path)
    database.push_schema(items_schema("a"))
    ids = insert_all(database, "items", [{"a": number, "text": f"{number}" * 30} for number in range(40)])
    insert_all(database, "large", [{"blob": random.Random(1).randbytes(60_000)}])
    while database.maintain(1000):
        pass
    transact(database, lambda db: [db.patch(id, {"a": -1}) for id in ids[:3]])
    transact(database, lambda db: db.delete(ids[4]))
    transact(database, lambda db: db.delete(db.query("large").collect()[0]["_id"]))
    import_all(database, "items", [{"a": 100 + number} for number in range(20)])
    while database.maintain(1000):
        pass
    insert_all(database, "notes", [{"n": 1}, {"n": 2.5}])
    transact(database, lambda db: db.delete(ids[5]))
    import_all(database, "logs", [{"a": number} for number in range(10)])
    found = contents(database)
    database.close()
    return found


def contents(database: Database) -> Contents:
    return {
        name: [dict(document) for document in state.scan(1, b"", b"\xff", reverse=False)]
        for name, state in database.head.tables.items()
    }


def flip(path: Path, whole: bytes, known: Contents, chance: random.Random) -> bool:
    """Damage the file in a way, and open it; whether it was refused."""
    data = bytearray(whole)
    how = chance.choice(["bit", "bit", "bit", "byte", "stretch", "page", "swap", "cut"])
    place = chance.randrange(len(data)) if chance.random() < 0.7 else chance.randrange(100)
    pages = len(data) // PAGE_BYTES
    if how == "bit":
        data[place] ^= 1 << chance.randrange(8)
    elif how == "byte":
        data[place] = chance.randrange(256)
    elif how == "stretch":
        data[place : place + 20] = chance.randbytes(len(data[place : place + 20]))
    elif how == "page":
        page = chance.randrange(pages) * PAGE_BYTES
        data[page : page + PAGE_BYTES] = bytes(PAGE_BYTES)
    elif how == "swap":
        one, other = (chance.randrange(pages) * PAGE_BYTES for _ in range(2))
        content = data[one : one + PAGE_BYTES], data[other : other + PAGE_BYTES]
        data[other : other + PAGE_BYTES], data[one : one + PAGE_BYTES] = content
    else:
        del data[place:]
    return refused(path, bytes(data), known, f"{how} at {place}", read_only=chance.random() < 0.3)


def refused(path: Path, data: bytes, known: Contents, how: str, *, read_only: bool) -> bool:
    """Whether a file of these bytes is refused. If not, it has what is known, and can be written."""
    path.write_bytes(data)
    try:
        database = open_quickly(path, read_only=read_only)
    except (StorageCorruptError, StorageVersionError):
        assert path.read_bytes() == data
        # SQLite may leave an empty sidecar where it could not begin to write.
        for name in sidecars(path):
            assert path.with_name(name).stat().st_size == 0 or name.endswith("-shm")
            path.with_name(name).unlink()
        return True
    try:
        assert contents(database) == known, how
        if not read_only:
            # What was not noticed does no harm later either.
            insert_all(database, "after", [{"n": number} for number in range(10)])
            while database.maintain(1000):
                pass
            after = contents(database)
    finally:
        database.close()
    if not read_only:
        database = open_quickly(path)
        assert contents(database) == after, how
        database.close()
    return False


def flipped(path: Path, times: int, seed: int) -> tuple[int, int]:
    known = make(path)
    whole = path.read_bytes()
    chance = random.Random(seed)
    return sum(flip(path, whole, known, chance) for _ in range(times)), times


def test_flipped_bytes_are_noticed_or_harmless(tmp_path: Path) -> None:
    count, times = flipped(tmp_path / "a.convex", 120, 1)
    assert count > times // 3


def test_a_bit_of_each_byte_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    known = make(path)
    whole = path.read_bytes()
    chance = random.Random(1)
    for place in range(100):
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        refused(path, bytes(data), known, f"byte {place}", read_only=False)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 10))
def test_thousands_of_flipped_bytes(tmp_path: Path, seed: int) -> None:
    count, times = flipped(tmp_path / "a.convex", 1000, seed)
    assert count > times // 3


def repaired(folder: Path, times: int, seed: int) -> None:
    path, target = folder / "a.convex", folder / "b.convex"
    make(path)
    whole = path.read_bytes()
    chance = random.Random(seed)
    for _ in range(times):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 3, 30])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            report = repair(path, target)
        except (StorageCorruptError, StorageVersionError):
            continue
        database = open_quickly(target)
        database.check()
        assert {name: len(documents) for name, documents in contents(database).items()} == report.documents
        database.close()
        target.unlink()


def test_what_is_repaired_is_whole(tmp_path: Path) -> None:
    repaired(tmp_path, 12, 1)


@pytest.mark.soak
def test_what_is_repaired_is_whole_many_times(tmp_path: Path) -> None:
    repaired(tmp_path, 1000, 2)


def test_a_file_that_was_written_while_it_was_damaged_says_so(tmp_path: Path) -> None:
    """Damage under an open file: commits go on or are refused, and what is refused did not happen."""
    path = tmp_path / "a.convex"
    make(path)
    code = """
import sys
from pathlib import Path
from tests.engine.wal.files import open_quickly
from tests.engine.databases import insert_all
from convex_nb.language.errors import ConvexNbError
path = Path(sys.argv[1])
database = open_quickly(path)
insert_all(database, "items", [{"n": 1}])
with path.open("rb+") as handle:
    handle.write(bytes(200_000))
count = len(database.head.tables["items"])
for number in range(100):
    try:
        insert_all(database, "items", [{"n": number}])
        count += 1
        database.maintain(100)
    except ConvexNbError:
        break
assert len(database.head.tables["items"]) == count
"""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=Path(__file__).parents[3])
