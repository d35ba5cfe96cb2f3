"""The log of a deployment that lives in a file."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.commit import Commit
from convex_nb.engine.files.sqlite_chunks import SqliteChunks
from convex_nb.engine.wal.archive import Archive
from convex_nb.engine.wal.checkpoint import Copies, write_checkpoint
from convex_nb.engine.wal.protocol import LoggedEntry, StorageStatistics
from convex_nb.engine.wal.records import encode_commit, encode_elsewhere, encode_push
from convex_nb.engine.wal.rows import CHUNK_BYTES, Blob, Record
from convex_nb.engine.wal.staging import Staging
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.engine.wal.storage_file import PAGE_BYTES, StorageFile
from convex_nb.language.errors import DeploymentClosedError, StorageCorruptError, StorageError

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.wal.file_lock import FileLock
    from convex_nb.engine.wal.milestones import Milestones

LOG_BYTES = 8 << 20
"""A checkpoint is due when the log has more than this since the last one,"""
LOG_RECORDS = 10_000
"""or more than so many records: what opening has to replay."""
RETRY_SECONDS = 5.0
"""Upkeep that the disk has refused is tried again after this."""
_SHRINK_PAGES: Final = (1 << 20) // PAGE_BYTES
_SHRINK_FROM: Final = (16 << 20) // PAGE_BYTES

_timestamp = attrgetter("timestamp")


class SqliteLog:
    """Appends commits to a `StorageFile`, several in one transaction, and keeps the file in shape.

    ``append`` and ``stage`` may be called beside ``maintain``, on any threads; ``maintain`` on one at a time.
    """

    def __init__(
        self,
        file: StorageFile,
        lock: FileLock,
        root: Mapping[str, Any],
        copies: Copies,
        milestones: Milestones,
        entries: Sequence[LoggedEntry] = (),
        logged_bytes: int = 0,
    ) -> None:
        """Of a file whose state is in memory.

        ``root`` is its root, ``copies`` are the objects that it has a copy of, ``milestones`` its checkpoints,
        ``entries`` the entries after the newest of them, which have ``logged_bytes``.
        """
        self.file = file
        self._lock = lock
        self._root = dict(root)
        self._copies = copies
        self._milestones = milestones
        self._head: int = entries[-1].position if entries else milestones.newest.position
        self.archive: Archive | None = Archive(file.path, root["file"], copies, milestones.oldest.timestamp)
        self._entries = list(entries)
        self._staging = Staging(file, copies)
        self._logged_bytes = logged_bytes
        self._unsure = False
        self._steps: Iterator[None] | None = None
        self._clean = False
        self._files_verify: bool | None = None
        self._checkpoints = 0
        self._not_before = 0.0
        self._failure: str | None = None

    @property
    def path(self) -> Path | None:
        """The file."""
        return self.file.path

    @property
    def place(self) -> str | None:
        """The file's path."""
        return str(self.file.path)

    @property
    def head(self) -> int:
        """The position of the newest record."""
        return self._head

    # -- appending ---------------------------------------------------------------------------------------------

    def append(self, expected_head: int, entries: Sequence[Entry]) -> Sequence[int]:
        """Append entries in one transaction. Raises ``StorageError``, and none of them is in the file then."""
        assert expected_head == self._head, f"the log is at {self._head}, not at {expected_head}"
        if self._unsure:
            self._make_sure()
        records: list[Record] = []
        logged: list[LoggedEntry] = []
        for position, entry in enumerate(entries, self._head + 1):
            data, blobs = self._encoded(entry)
            records.append(Record(position, entry.timestamp, data))
            logged.append(LoggedEntry(position, entry.timestamp, blobs))
        try:
            self.file.append(records)
        except BaseException:
            # SQLite may have failed after the record was whole: then it must not be written over as if it were not.
            self._unsure = True
            raise
        # Before the blobs are staged no more, the entries refer to them.
        self._entries += logged
        for each, record in zip(logged, records, strict=True):
            self._logged_bytes += len(record.data)
            for number in each.blobs:
                self._staging.referred_to(number)
        first = self._head + 1
        self._head += len(records)
        return range(first, self._head + 1)

    def _encoded(self, entry: Entry) -> tuple[bytes, tuple[int, ...]]:
        if isinstance(entry, Commit):
            blobs = [self._copy(name, entry.result[name].number, part.segment) for name, part in entry.parts]
            data = encode_commit(entry, blobs)
        else:
            blobs, data = [], encode_push(entry)
        if len(data) > CHUNK_BYTES:
            blob = self._staging.write_entry(entry, data)
            blobs.append(blob)
            self._logged_bytes += len(data)
            data = encode_elsewhere(blob)
        return data, tuple([blob.number for blob in blobs])

    def _copy(self, table: str, number: int, segment: Segment) -> Blob:
        # It is there already, unless it was staged in a log that this one has taken the place of.
        self.stage(table, number, segment)
        blob = self._copies.find(segment)
        assert blob is not None
        return blob

    def _make_sure(self) -> None:
        if self.file.last_position() != self._head:
            raise StorageError(
                f"{self.file.path} has a commit that was reported as failed, so that nothing more is written to it. "
                "Close it and open it again: what is in the file is whole.",
                path=str(self.file.path),
            )
        self._unsure = False

    def stage(self, table: str, number: int, segment: Segment) -> None:
        """Write a segment in transactions of its own; it counts once a record refers to it."""
        if self._copies.find(segment) is None:
            self._staging.write_segment(table, number, segment)
            self._logged_bytes += segment.nbytes

    # -- upkeep ------------------------------------------------------------------------------------------------

    def maintain(self, head: Snapshot, creation_time: float, since: int) -> bool:
        """One step: some of a checkpoint, some of what it made superfluous, or a part of SQLite's own sidecar.

        What the disk refuses is tried again later; the figures say why.
        """
        if self.archive is not None:
            self.archive.rest()
        if self._failure is not None and time.monotonic() < self._not_before:
            return False
        try:
            if self.file.fold():
                return True
            if self._steps is None:
                self._steps = self._due(head, creation_time, since)
            if self._steps is None:
                return False
            for _ in self._steps:
                break
            else:
                self._steps = None
        except (StorageError, StorageCorruptError, DamagedError, DeploymentClosedError) as failure:
            self._steps = None
            self._failure = str(failure)
            self._not_before = time.monotonic() + RETRY_SECONDS
            return False
        self._failure = None
        return True

    def _due(self, head: Snapshot, creation_time: float, since: int) -> Iterator[None] | None:
        if not self._clean:
            # A crash or a full disk has left what is no longer needed.
            return self._clear()
        if self._logged_bytes > LOG_BYTES or len(self._entries) > LOG_RECORDS:
            return self._checkpoint(head, creation_time, since)
        if self._milestones.reaching(since) is not self._milestones:
            return self._forget(since)
        pages, free = self.file.pages()
        is_large = free > max(_SHRINK_FROM, pages // 4)
        return self._shrink() if is_large and self._files_verify is not False else None

    def _checkpoint(self, head: Snapshot, creation_time: float, since: int) -> Iterator[None]:
        logged_bytes = self._logged_bytes
        # What the head shows has been appended before, so this does not change when entries are added.
        covered = bisect_right(self._entries, head.timestamp, key=_timestamp)
        position = self._entries[covered - 1].position if covered else self._milestones.newest.position
        logged = [number for entry in self._entries[:covered] for number in entry.blobs]
        following = self._milestones.followed_by(head.timestamp, position, logged, since)
        self._root, milestones = yield from write_checkpoint(
            self.file, self._copies, self._root, following, head, creation_time
        )
        self._advance(milestones)
        del self._entries[:covered]
        self._logged_bytes -= logged_bytes
        self._checkpoints += 1
        yield
        yield from self._clear()

    def _forget(self, since: int) -> Iterator[None]:
        """Let go of the past before a moment."""
        milestones = self._milestones.reaching(since)
        root = {**self._root, **milestones.root()}
        with self.file.transaction("forget what is too old"):
            self.file.write_root(root)
        self._root = root
        self._advance(milestones)
        yield
        yield from self._clear()

    def _advance(self, milestones: Milestones) -> None:
        self._milestones = milestones
        self._clean = False
        if self.archive is not None:
            self.archive.oldest = milestones.oldest.timestamp

    def _clear(self) -> Iterator[None]:
        """Delete the log before the oldest milestone, and the blobs that nothing refers to."""
        done = False
        while not done:
            with self.file.transaction("shorten the log"):
                done = self.file.delete_records(self._milestones.oldest.position)
            yield
        # What is written ahead is staged before it is in the file, and until a record refers to it.
        blobs = set(self.file.blobs())
        self._staging.drop_unwanted()
        staged = self._staging.numbers()
        referred = {number for entry in list(self._entries) for number in entry.blobs}
        garbage = blobs - self._milestones.blobs() - staged - referred
        self._copies.forget(garbage)
        for number in garbage:
            done = False
            while not done:
                with self.file.transaction("delete what is no longer needed"):
                    done = self.file.delete_blob(number)
                yield
        self._clean = True

    def _shrink(self) -> Iterator[None]:
        if self._files_verify is None:
            # SQLite moves pages and notes it on those that they lead to. Some of them opening has not looked at.
            self._files_verify = False
            yield from SqliteChunks(self.file).verify()
            self._files_verify = True
        while True:
            pages, free = self.file.pages()
            if free <= pages // 16:
                return
            with self.file.transaction("shrink"):
                self.file.give_back(_SHRINK_PAGES)
            yield

    def statistics(self) -> StorageStatistics:
        """Figures of the file."""
        pages, free = self.file.pages()
        page_bytes = self.file.page_bytes()
        return StorageStatistics(
            path=str(self.file.path),
            nbytes=pages * page_bytes,
            free_bytes=free * page_bytes,
            logged=len(self._entries),
            milestones=len(self._milestones.older),
            checkpoints=self._checkpoints,
            failure=self._failure,
        )

    def close(self) -> None:
        """Close the file and let others write it. Twice is fine."""
        self.file.close()
        self._lock.release()
