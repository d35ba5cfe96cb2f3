"""Bytes under numbers: in memory, in a file, in a copy of a database."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.database import Database
from convex_nb.engine.files import chunks as chunks_module, file_store as file_store_module
from convex_nb.engine.files.chunks import Chunks, MemoryChunks, SharedChunks, each_chunk
from convex_nb.engine.files.file_store import FileStore
from convex_nb.engine.files.sqlite_chunks import ReadOnlyChunks
from convex_nb.engine.wal.opening import open_database
from convex_nb.language.errors import DeploymentClosedError, ReadOnlyError, StorageError

CHUNK = 10


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (chunks_module, file_store_module):
        monkeypatch.setattr(module, "CHUNK_BYTES", CHUNK)


@pytest.fixture(params=["memory", "file", "copy"])
def chunks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chunks]:
    if request.param == "memory":
        yield MemoryChunks()
    elif request.param == "copy":
        yield SharedChunks(FileStore(os.urandom), lambda: None)
    else:
        database = open_database(tmp_path / "a.convex", durability="relaxed")
        yield database.files.chunks
        database.close()


def test_chunks_are_found_listed_and_deleted(chunks: Chunks) -> None:
    numbers = [1, 2, 300, 2**40]
    for number in numbers:
        for place in range(number % 7 + 1):
            chunks.write(number, place, b"%d %d" % (number, place))
    assert chunks.find(300, 2) == b"300 2"
    assert chunks.find(300, 7) is None
    assert chunks.find(5, 0) is None
    assert list(each_chunk(chunks, 2)) == [b"2 0", b"2 1", b"2 2"]
    listed: list[int] = []
    while more := chunks.numbers(listed[-1] if listed else None):
        listed += more
    assert sorted(listed) == numbers
    while not chunks.delete(300):
        pass
    assert chunks.find(300, 0) is None
    assert chunks.delete(300)
    assert sorted(chunks.numbers(None)) == [1, 2, 2**40]


def test_many_numbers_are_listed_in_parts(tmp_path: Path) -> None:
    database = open_database(tmp_path / "a.convex", durability="relaxed")
    chunks = database.files.chunks
    for number in range(1, 600):
        chunks.write(number, 0, b"x")
    first = chunks.numbers(None)
    second = chunks.numbers(first[-1])
    third = chunks.numbers(second[-1])
    assert sorted([*first, *second, *third]) == list(range(1, 600))
    assert min(len(first), len(second), len(third)) > 0
    database.close()


@settings(max_examples=60)
@given(pieces=st.lists(st.binary(max_size=35), max_size=8), start=st.integers(0, 120), length=st.integers(0, 120))
def test_what_was_written_is_read(pieces: list[bytes], start: int, length: int) -> None:
    data = b"".join(pieces)
    store = FileStore(os.urandom)
    with store.writing() as writer:
        for piece in pieces:
            writer.write(piece)
        number = writer.flush()
        assert writer.flush() == number
        assert (writer.size, writer.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert store.staged == {number}
    assert store.staged == set()
    assert list(store.suspect) == [(number, 0)]
    assert b"".join(store.read(number, len(data), start, start + length)) == data[start : start + length]
    assert b"".join(store.read(number, len(data), start)) == data[start:]
    assert [len(chunk) for chunk in each_chunk(store.chunks, number)] == [
        min(CHUNK, len(data) - place) for place in range(0, len(data), CHUNK)
    ]


def test_what_fits_into_one_chunk_is_not_kept_before_it_is_wanted() -> None:
    store = FileStore(os.urandom)
    with store.writing() as writer:
        writer.write(b"x" * CHUNK)
        assert store.chunks.numbers(None) == []
        writer.write(b"x")
        assert len(store.chunks.numbers(None)) == 1


def test_a_number_is_not_given_twice() -> None:
    drawn = iter([b"\0\0\0\0\1"] * 3 + [b"\0\0\0\0\2"] * 2 + [b"\0\0\0\0\3"])
    store = FileStore(lambda size: next(drawn))
    with store.writing() as first, store.writing() as second:
        # The first one is on its way, and so is the second.
        assert (first.flush(), second.flush()) == (2, 3)
    with store.writing() as third:
        # Nothing was written: both are free again.
        assert third.flush() == 3
        third.write(b"x")
        third.flush()
    with store.writing() as fourth:
        assert fourth.flush() == 4


@pytest.mark.parametrize("size", [4, 6, 15])
def test_another_size_than_was_told_is_noticed(size: int) -> None:
    store = FileStore(os.urandom)
    with store.writing() as writer:
        writer.write(b"12345")
        number = writer.flush()
    with pytest.raises(StorageError, match="are gone"):
        list(store.read(number, size))


def test_a_copy_reads_what_it_shares_and_keeps_its_own() -> None:
    store = FileStore(os.urandom)
    store.chunks.write(1, 0, b"shared")
    copy = SharedChunks(store, lambda: None)
    copy.write(2, 0, b"own")
    assert (copy.find(1, 0), copy.find(2, 0), store.chunks.find(2, 0)) == (b"shared", b"own", None)
    assert copy.numbers(None) == [2]
    assert copy.delete(1)
    assert store.chunks.find(1, 0) == b"shared"


def test_looking_at_a_file_that_somebody_writes(tmp_path: Path) -> None:
    database = open_database(tmp_path / "a.convex", durability="relaxed")
    database.files.chunks.write(1, 0, b"one")
    beside: Database = open_database(tmp_path / "a.convex", read_only=True)
    chunks = beside.files.chunks
    assert isinstance(chunks, ReadOnlyChunks)
    assert chunks.find(1, 0) == b"one"
    database.files.chunks.write(2, 0, b"two")
    assert chunks.find(2, 0) == b"two"
    with pytest.raises(ReadOnlyError, match="no file was stored"):
        chunks.write(3, 0, b"")
    assert chunks.numbers(None) == []
    beside.close()
    with pytest.raises(DeploymentClosedError):
        chunks.find(1, 0)
    database.close()
    with pytest.raises(DeploymentClosedError):
        database.files.chunks.find(1, 0)
