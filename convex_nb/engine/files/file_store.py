"""The bytes of one database's files: written piece by piece before the commit that tells of them, read by ranges."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from convex_nb.engine.files.chunks import CHUNK_BYTES, Chunks, MemoryChunks, SharedChunks
from convex_nb.language.errors import DeploymentClosedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.database import Database


class FileStore:
    """Bytes under numbers, in memory until `chunks` is another place. All methods may be called from any thread.

    A number is of no use to anybody but the document that a commit keeps it in. One that none has is `suspect` and
    deleted later: see `collection`.
    """

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self.chunks: Chunks = MemoryChunks()
        self.lock = threading.Lock()
        """Held while a chunk is written: who holds it may move them all."""
        self.staged: set[int] = set()
        """Numbers on the way to a commit."""
        self.suspect: deque[tuple[int, int]] = deque()
        """Numbers that may be of no document any more, and the commit that they were in last; 0 for none."""
        self.copies: weakref.WeakSet[Database] = weakref.WeakSet()
        """Databases that began as a copy, are open, and read here what they share."""
        self._random_bytes = random_bytes
        self._left_behind: Chunks | None = None

    @contextmanager
    def writing(self) -> Iterator[FileWriter]:
        """Take the bytes of a file. Whoever wants them kept commits a document with the number before this ends."""
        number = self._new_number()
        try:
            yield FileWriter(self, number)
        finally:
            with self.lock:
                self.staged.discard(number)
            self.suspect.append((number, 0))

    def _new_number(self) -> int:
        # Random, since others may have noted one that was deleted: whoever looks at the file from another process.
        while True:
            number = int.from_bytes(self._random_bytes(5), "big") + 1
            with self.lock:
                if number not in self.staged and self.chunks.find(number, 0) is None:
                    self.staged.add(number)
                    return number

    def read(self, number: int, size: int, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` to ``stop`` of a file of ``size`` bytes, a chunk at a time.

        Raises ``StorageError`` where they are gone, and ``StorageCorruptError``.
        """
        stop = size if stop is None else min(stop, size)
        for place in range(start // CHUNK_BYTES, -(-stop // CHUNK_BYTES)):
            first = place * CHUNK_BYTES
            data = self.chunks.find(number, place)
            if data is None or len(data) != min(CHUNK_BYTES, size - first):
                raise StorageError(
                    "The bytes of this file are gone: it was deleted, and longer ago than `retention`, or the "
                    "deployment that had them was closed."
                )
            yield data[max(0, start - first) : stop - first]

    def find(self, number: int, place: int) -> bytes | None:
        """A chunk, if it is there: for a copy, which may be open for longer than its original."""
        try:
            return self.chunks.find(number, place)
        except DeploymentClosedError:
            if self._left_behind is None:
                raise
            return self._left_behind.find(number, place)

    def share_with(self, copy: Database) -> None:
        """Let a copy of the database read here what it does not have itself, until it is closed."""
        self.copies.add(copy)
        copy.files.chunks = SharedChunks(self, partial(self._closed_copy, weakref.ref(copy)))

    def _closed_copy(self, copy: weakref.ref[Database]) -> None:
        database = copy()
        if database is not None:
            self.copies.discard(database)
        if self._left_behind is not None and not self.copies:
            self._left_behind.close()

    def close(self) -> None:
        """Release what is held for files, but what open copies read: that is released with the last of them.

        The log is closed after this, so that they find one or the other.
        """
        if self.copies:
            self._left_behind = self.chunks.left_behind()
        else:
            self.chunks.close()


class FileWriter:
    """Takes the bytes of one file, in order; has at most two chunks of them in memory."""

    def __init__(self, store: FileStore, number: int) -> None:
        self.size = 0
        self._store = store
        self._number = number
        self._digest = sha256()
        self._rest = bytearray()
        self._place = 0

    @property
    def sha256(self) -> str:
        """Of what was written so far, in hexadecimal digits."""
        return self._digest.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        """Take more of it. Raises ``StorageError``. What fits into one chunk is not kept before `flush`."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), CHUNK_BYTES):
            piece = view[start : start + CHUNK_BYTES]
            self._digest.update(piece)
            self.size += len(piece)
            self._rest += piece
            if len(self._rest) > CHUNK_BYTES:
                self._put(bytes(self._rest[:CHUNK_BYTES]))
                del self._rest[:CHUNK_BYTES]

    def flush(self) -> int:
        """Keep the rest; the number under which the whole file is. Twice is fine."""
        if self._rest:
            self._put(bytes(self._rest))
            self._rest.clear()
        return self._number

    def _put(self, data: bytes) -> None:
        with self._store.lock:
            self._store.chunks.write(self._number, self._place, data)
        self._place += 1
