"""What is written ahead of the record that will refer to it, so that no other commit waits for it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from convex_nb.engine.wal.checkpoint import ChunkWriter, in_pieces
from convex_nb.engine.wal.segment_chunks import segment_to_chunks

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.wal.checkpoint import Copies
    from convex_nb.engine.wal.rows import Blob
    from convex_nb.engine.wal.storage import Storage


class Staging:
    """The blobs that no record refers to yet: each is kept until one does, or its object is gone. For any threads."""

    def __init__(self, file: Storage, copies: Copies) -> None:
        """``copies`` gives their numbers, and has the segments among them."""
        self._file = file
        self._copies = copies
        self._wanted: dict[int, Callable[[], object]] = {}

    def numbers(self) -> set[int]:
        """The numbers of the blobs, those that are being written among them."""
        return set(self._wanted)

    def find(self, segment: Segment) -> Blob | None:
        """The copy of a segment, if it is staged."""
        blob = self._copies.find(segment)
        return blob if blob is not None and blob.number in self._wanted else None

    def write_segment(self, table: str, number: int, segment: Segment) -> None:
        """Write a segment of a table, in transactions of its own."""
        self._copies.add(segment, self._write("import", segment_to_chunks(segment, table, number), segment))

    def write_entry(self, entry: Entry, data: bytes) -> Blob:
        """Write an entry's data, which is too long for a record."""
        return self._write("commit", in_pieces(data), entry)

    def _write(self, purpose: str, chunks: Iterable[bytes], thing: object) -> Blob:
        number = self._copies.new_number()
        # Before the first chunk is there, which upkeep would take for what a crash has left.
        self._wanted[number] = weakref.ref(thing)
        return ChunkWriter(self._file, purpose).write_whole(number, chunks)

    def referred_to(self, number: int) -> None:
        """A record refers to this blob, staged or not: it is kept for that one's sake from now on."""
        self._wanted.pop(number, None)

    def drop_unwanted(self) -> list[int]:
        """Let go of the blobs whose objects are gone: the numbers of what nobody needs."""
        unwanted = [number for number, wanted in list(self._wanted.items()) if wanted() is None]
        for number in unwanted:
            self._wanted.pop(number, None)
        return unwanted
