"""Reading a stored file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st

import convex_nb
from convex_nb import InvalidValueError, StorageError
from convex_nb.engine.files.chunks import CHUNK_BYTES

DATA = bytes(range(256)) * 9000  # more than two chunks
PLACES = st.one_of(
    st.integers(0, len(DATA) + 10),
    st.sampled_from([CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, len(DATA)]),
)


@pytest.fixture(scope="module")
def dep() -> Iterator[convex_nb.Deployment]:
    with convex_nb.open() as deployment:
        deployment.files.store(DATA)
        yield deployment


@given(start=PLACES, length=PLACES)
@settings(max_examples=100)
def test_any_range(dep: convex_nb.Deployment, start: int, length: int) -> None:
    (file,) = dep.files.values()
    assert file.read(start, start + length) == DATA[start : start + length]
    assert file.read(start) == DATA[start:]
    stream = file.open()
    stream.seek(start)
    assert stream.read(length) == DATA[start : start + length]
    assert stream.tell() == min(start + length, max(start, len(DATA)))


def test_the_whole_of_it(dep: convex_nb.Deployment) -> None:
    (file,) = dep.files.values()
    assert bytes(file) == file.read() == DATA
    assert len(file) == file.size == len(DATA)
    assert [len(piece) for piece in file.chunks()] == [CHUNK_BYTES, CHUNK_BYTES, len(DATA) - 2 * CHUNK_BYTES]
    assert file == dep.files[file.id]
    assert len({file, dep.files[file.id]}) == 1
    assert repr(file) == f"<File {file.id}: no type, 2,304,000 bytes>"


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (5, 4)])
def test_no_such_range(dep: convex_nb.Deployment, start: int, stop: int | None) -> None:
    (file,) = dep.files.values()
    with pytest.raises(InvalidValueError, match="no bytes from"):
        file.read(start, stop)


def test_other_libraries_read_it() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    with convex_nb.open() as dep:
        file = dep.files[dep.files.store(buffer.getvalue())]
        with zipfile.ZipFile(file.open()) as archive:
            assert archive.read("a.txt") == b"hello"
        assert dep.files[dep.files.store("grüß".encode())].text() == "grüß"


def test_a_file_whose_bytes_are_gone_says_so() -> None:
    with convex_nb.open(retention=timedelta(0)) as dep:
        file = dep.files[dep.files.store(b"abc")]
        dep.files.delete(file.id)
        while dep._database.files.chunks.numbers(None):
            dep._database.maintain(10)
        with pytest.raises(StorageError, match="deleted, and longer ago"):
            file.read()
