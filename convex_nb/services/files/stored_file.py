"""A file as it is kept, read as far as it is asked for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

    from convex_nb.engine.files.file_store import FileStore
    from convex_nb.services.files.file_table import FileRecord


def uncounted(number: int) -> None:
    """Nobody wants to know how many bytes are read."""


class StoredFile:
    """A file: `.read()` gives its bytes, `.open()` something to read them from, `.text()` its text.

    Reading raises `StorageError` once the file was deleted and its bytes are gone, and `StorageCorruptError`.
    """

    def __init__(self, record: FileRecord, files: FileStore, count: Callable[[int], None] = uncounted) -> None:
        self._record = record
        self._files = files
        self._count = count

    @property
    def id(self) -> str:
        """Its storage id."""
        return self._record.id

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._record.size

    @property
    def sha256(self) -> str:
        """Of its bytes, in hexadecimal digits."""
        return self._record.sha256

    @property
    def content_type(self) -> str | None:
        """What it was stored as, such as `"image/png"`; `None` if nobody said."""
        return self._record.content_type

    @property
    def creation_time(self) -> float:
        """When it was stored, milliseconds since the epoch."""
        return self._record.creation_time

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.content_type or 'no type'}, {self.size:,} bytes>"

    def __bytes__(self) -> bytes:
        return self.read()

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredFile) and other._record == self._record

    def __hash__(self) -> int:
        return hash(self._record)

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces of at most a mebibyte."""
        if start < 0 or (stop is not None and stop < start):
            raise InvalidValueError(f"There are no bytes from {start} to {stop} of a file.", value=(start, stop))
        for data in self._files.read(self._record.number, self.size, start, stop):
            self._count(len(data))
            yield data

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes from `start` up to `stop`, all of them unless given."""
        return b"".join(self.chunks(start, stop))

    def text(self, encoding: str = "utf-8") -> str:
        """The whole file as text."""
        return self.read().decode(encoding)

    def open(self) -> io.BufferedReader:
        """A binary file to read from, with `seek`: what `PIL.Image.open`, `pandas.read_parquet` and others take.

        Has a chunk of a mebibyte in memory.
        """
        return io.BufferedReader(_Raw(self))


class _Raw(io.RawIOBase):
    def __init__(self, file: StoredFile) -> None:
        self._file = file
        self._place = 0
        # A chunk is read and verified whole, however little of it is asked for.
        self._first = 0
        self._chunk = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.size}[whence] + offset
        if place < 0:
            raise ValueError(f"A file has no place {place}.")
        self._place = place
        return place

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._first <= self._place < self._first + len(self._chunk):
            self._first = self._place
            self._chunk = next(self._file.chunks(self._place), b"") if self._place < self._file.size else b""
        view = memoryview(buffer).cast("B")
        start = self._place - self._first
        piece = self._chunk[start : start + len(view)]
        view[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)
