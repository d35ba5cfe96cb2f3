"""Moving the bytes of files to a new place, while others go on to write and read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from convex_nb.engine.files.chunks import Chunks, each_chunk
from convex_nb.engine.files.collection import let_go_in, numbers_in, past_numbers
from convex_nb.language.errors import StorageCorruptError

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot


class Move:
    """Copies the bytes of a database's files to `target`: most of them beside everybody, the last ones alone."""

    def __init__(self, database: Database, target: Chunks) -> None:
        self._database = database
        self._target = target
        self._copied: set[int] = set()

    def copy(self) -> None:
        """Copy all that have arrived. Costs what reading and writing them costs, and a chunk of memory."""
        past = past_numbers(self._database)
        # What only a fork still has is read here too, and may have left this database's past.
        for fork in list(self._database.files.copies):
            past |= numbers_in(fork.head) | past_numbers(fork)
        self._copy(numbers_in(self._database.head), past)

    @contextmanager
    def rest(self, head: Snapshot) -> Iterator[None]:
        """Copy the rest, those on their way included; nobody writes any before this ends.

        For whoever lets nobody commit meanwhile.
        """
        files = self._database.files
        with files.lock:
            self._copy(numbers_in(head) | files.staged, let_go_in(self._database.history.since(0)))
            yield

    def finish(self, chunks: Chunks) -> None:
        """From now on they are in `chunks`, which has what was copied. Inside `rest`."""
        before, self._database.files.chunks = self._database.files.chunks, chunks
        before.close()

    def _copy(self, present: set[int], past: set[int]) -> None:
        for number in (present | past) - self._copied:
            # What is damaged and was deleted must not keep the rest from being saved.
            with suppress(*(() if number in present else (StorageCorruptError,))):
                for place, data in enumerate(each_chunk(self._database.files.chunks, number)):
                    self._target.write(number, place, data)
            self._copied.add(number)
