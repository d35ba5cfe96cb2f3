"""The bytes of files inside a durable file: rows beside those of the checkpoints, under negative numbers."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NoReturn

from convex_nb.engine.files.chunks import each_chunk
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.engine.wal.storage_file import StorageFile
from convex_nb.language.errors import DeploymentClosedError, ReadOnlyError, StorageCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LISTED: Final = 256
_MOST_CHUNKS: Final = 1 << 20


class SqliteChunks:
    """Chunks in an open `StorageFile`. What keeps its checkpoints in order knows positive numbers only."""

    def __init__(self, file: StorageFile) -> None:
        self._file = file

    def find(self, number: int, place: int) -> bytes | None:
        with _damage_of(self._file.path):
            self._file._check_open()
            return self._file.chunk(-number, place)

    def write(self, number: int, place: int, data: bytes) -> None:
        with self._file.transaction("store a file"):
            self._file.write_chunk(-number, place, data)

    def delete(self, number: int) -> bool:
        # SQLite would free whatever pages a damaged row leads to, those of documents as well: such a row stays.
        with suppress(DamagedError), self._file.transaction("delete the bytes of a file"):
            return self._file.delete_blob(-number, verified=True)
        return True

    def numbers(self, after: int | None) -> list[int]:
        found: list[int] = []
        key = -(1 << 62) if after is None else (1 - after) * _MOST_CHUNKS
        with _damage_of(self._file.path):
            while len(found) < _LISTED:
                with self._file.lock:
                    key = self._file._number("select coalesce(min(key), 0) from chunk where key >= ? and key < 0", key)
                if key == 0:
                    break
                number = -(key // _MOST_CHUNKS)
                found.append(number)
                key = (1 - number) * _MOST_CHUNKS
        return found

    def verify(self) -> Iterator[None]:
        """Read everything, a chunk at a time. Raises ``StorageCorruptError``."""
        after: int | None = None
        while numbers := self.numbers(after):
            for after in numbers:
                for _ in each_chunk(self, after):
                    yield

    def left_behind(self) -> ReadOnlyChunks:
        return ReadOnlyChunks(self._file.path)

    def close(self) -> None:
        """The file is closed by the log."""


class ReadOnlyChunks:
    """Chunks in a file that somebody else may be writing. It is opened when the first one is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: StorageFile | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def find(self, number: int, place: int) -> bytes | None:
        with _damage_of(self._path), self._lock:
            if self._is_closed:
                raise DeploymentClosedError(f"The deployment that looked at {self._path} was closed.")
            if self._file is None:
                self._file = StorageFile.open_read_only(self._path, verify=False)
                self._file.read_name()
                # A state that is held would keep whoever writes the file from folding its sidecar.
                self._file._roll_back()
            return self._file.chunk(-number, place)

    def write(self, number: int, place: int, data: bytes) -> NoReturn:  # noqa: ARG002
        raise ReadOnlyError(f"{self._path} was opened with `read_only=True`: no file was stored.")

    def delete(self, number: int) -> bool:  # noqa: ARG002
        return True

    def numbers(self, after: int | None) -> list[int]:  # noqa: ARG002
        """None that this process may delete."""
        return []

    def left_behind(self) -> ReadOnlyChunks:
        return self

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._file is not None:
                self._file.close()


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    try:
        yield
    except DamagedError as error:
        raise StorageCorruptError(
            f"{path} is damaged: {error.what} of a stored file does not verify. Its bytes cannot be read; everything "
            "else can. A backup may have it.",
            path=str(path),
        ) from None
