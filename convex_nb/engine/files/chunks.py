"""Where the bytes of files are: chunks under the number of what they are a part of, and their place in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from convex_nb.engine.files.file_store import FileStore

CHUNK_BYTES: Final = 1 << 20
"""All chunks of a file but its last one have so many bytes, so that a place in the file tells the chunk."""


class Chunks(Protocol):
    """Keeps chunks, which never change. All methods may be called from any thread."""

    def find(self, number: int, place: int) -> bytes | None:
        """One chunk, if it is there. Raises ``StorageError`` and ``StorageCorruptError``."""
        ...

    def write(self, number: int, place: int, data: bytes) -> None:
        """Keep a chunk: as durable as commits are when this returns. Raises ``StorageError``."""
        ...

    def delete(self, number: int) -> bool:
        """Delete some chunks of a number, last first; whether none is left."""
        ...

    def numbers(self, after: int | None) -> list[int]:
        """Some of the numbers that have chunks: the first ones for ``None``, then those after the last one of these.

        Empty where there are no more.
        """
        ...

    def left_behind(self) -> Chunks:
        """What goes on reading the same bytes when the database that these are of is closed."""
        ...

    def close(self) -> None:
        """Release what is held only for files. Twice is fine."""
        ...


class MemoryChunks:
    """Chunks in memory."""

    def __init__(self) -> None:
        self._chunks: dict[int, list[bytes]] = {}
        self._lock = threading.Lock()

    def find(self, number: int, place: int) -> bytes | None:
        with self._lock:
            chunks = self._chunks.get(number, ())
            return chunks[place] if place < len(chunks) else None

    def write(self, number: int, place: int, data: bytes) -> None:
        with self._lock:
            chunks = self._chunks.setdefault(number, [])
            assert place == len(chunks), f"chunk {place} of {number} after {len(chunks)}"
            chunks.append(data)

    def delete(self, number: int) -> bool:
        with self._lock:
            self._chunks.pop(number, None)
        return True

    def numbers(self, after: int | None) -> list[int]:
        with self._lock:
            return sorted([number for number in self._chunks if after is None or number > after])

    def left_behind(self) -> Chunks:
        return self

    def close(self) -> None:
        """Nothing is held."""


class SharedChunks(MemoryChunks):
    """Chunks of a copy of a database: those that the original has are read there, its own are in memory."""

    def __init__(self, original: FileStore, on_close: Callable[[], object]) -> None:
        super().__init__()
        self._original = original
        self._on_close = on_close

    def find(self, number: int, place: int) -> bytes | None:
        found = super().find(number, place)
        return self._original.find(number, place) if found is None else found

    def close(self) -> None:
        self._on_close()


def each_chunk(chunks: Chunks, number: int) -> Iterator[bytes]:
    """All chunks of a number, in order."""
    for place in count():
        data = chunks.find(number, place)
        if data is None:
            return
        yield data
