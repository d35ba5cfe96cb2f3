"""The past of a durable file beyond what is in memory: its older checkpoints, and the log between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from convex_nb.engine.committer import empty_snapshot
from convex_nb.engine.database import Database
from convex_nb.engine.wal.checkpoint import Copies
from convex_nb.engine.wal.milestones import places_of_root
from convex_nb.engine.wal.recovery import Contents
from convex_nb.engine.wal.rows import CHUNK_BYTES
from convex_nb.engine.wal.storage_errors import DamagedError, damaged_past
from convex_nb.engine.wal.storage_file import StorageFile
from convex_nb.language.errors import StorageError

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.wal.recovery import LoggedRecord
    from convex_nb.engine.wal.rows import Blob
    from convex_nb.engine.wal.storage import Storage

PAGE_RECORDS: Final = 256
_PAGE_BYTES: Final = 4 * CHUNK_BYTES
"""Commits are read in pages of so many, or of so many bytes."""
_PLACES: Final = 4
KEPT_SECONDS = 60.0
"""States stay in memory for so long after the last question."""


class _Place(NamedTuple):
    """A state that was read, and the position of the record that led to it."""

    position: int
    snapshot: Snapshot


class Archive:
    """Reads states and commits of a file's past, whoever writes the file meanwhile. Any thread may use it.

    Nothing is read before somebody asks. The last few states stay in memory, so that going on from one is cheap; they
    share all segments that the present still has.
    """

    def __init__(self, path: Path | str, name: str, copies: Copies, oldest: int) -> None:
        """Of the file whose own name is ``name``; ``copies`` are its blobs that are in memory."""
        self.oldest = oldest
        """The oldest timestamp whose state can be read; whoever shortens the file's past sets it."""
        self._path = path
        self._name = name
        self._copies = copies
        self._mine = Copies(0)
        self._places: deque[_Place] = deque(maxlen=_PLACES)
        self._asked = 0.0
        self._lock = threading.Lock()

    def at(self, timestamp: int) -> Snapshot | None:
        """The state of a moment, ``None`` if it is not kept any more.

        Costs O(commits since the last state before it that was read), at most reading a checkpoint and a few of the
        stretches of log between two.
        """
        with self._lock, self._opened() as file:
            place = self._nearest(file, timestamp)
            if place is None:
                return None
            for _, reached in self._pages(self._contents(file), place, timestamp):
                place = reached
            self._places.append(place)
            return place.snapshot

    def commits(self, after: int, upto: int) -> Iterator[Commit] | None:
        """The commits with ``after < timestamp <= upto``, oldest first; ``None`` if they are not all kept any more.

        A page of them is in memory.
        """
        page = self._page(after, upto)
        return None if page is None else self._all(page, upto)

    def _all(self, page: tuple[list[Commit], int] | None, upto: int) -> Iterator[Commit]:
        while page is not None:
            commits, after = page
            yield from commits
            # Whoever reads slowly may find that the rest has gone: as if there had been no more.
            page = self._page(after, upto) if after < upto else None

    def _page(self, after: int, upto: int) -> tuple[list[Commit], int] | None:
        """Some commits, and the timestamp up to which these are all."""
        with self._lock, self._opened() as file:
            place = self._nearest(file, after)
            if place is None:
                return None
            for commits, reached in self._pages(self._contents(file), place, upto):
                found = [commit for commit in commits if commit.timestamp > after]
                if found:
                    self._places.append(reached)
                    return found, reached.snapshot.timestamp
            return [], upto

    def check(self) -> None:
        """Read all of it: each milestone is what the one before it and the log between them lead to.

        Raises ``StorageCorruptError``. Costs O(documents) for each milestone, and all commits.
        """
        with self._lock, self._opened() as file:
            contents = Contents(file, Copies(0))
            reached = None
            for timestamp, position, checkpoint in self._milestones(file):
                stored = _stored(contents, timestamp, position, checkpoint)
                if reached is not None:
                    for _, place in self._pages(contents, reached, timestamp):
                        reached = place
                    if reached.position != position or _counts(reached.snapshot) != _counts(stored.snapshot):
                        raise damaged_past(self._path, f"the log before record {position}")
                reached = stored

    def rest(self) -> None:
        """Let go of what is in memory if nobody has asked for a while."""
        if self._places and monotonic() - self._asked > KEPT_SECONDS and self._lock.acquire(blocking=False):
            self._places.clear()
            self._lock.release()

    @contextmanager
    def _opened(self) -> Iterator[Storage]:
        """The file as it is now, until this ends."""
        self._asked = monotonic()
        try:
            with self._reading() as file:
                yield file
        except DamagedError as error:
            raise damaged_past(self._path, error.what) from None

    @contextmanager
    def _reading(self) -> Iterator[Storage]:
        with closing(StorageFile.open_read_only(Path(self._path), verify=False)) as file:
            yield file

    def _nearest(self, file: Storage, timestamp: int) -> _Place | None:
        """The newest state at or before a moment that is in memory or in the file."""
        stored = [place for place in self._milestones(file) if place[0] <= timestamp]
        if not stored:
            return None
        began, position, checkpoint = stored[-1]
        read = [place for place in self._places if position <= place.position and place.snapshot.timestamp <= timestamp]
        if read:
            return max(read, key=lambda place: place.position)
        return _stored(self._contents(file), began, position, checkpoint)

    def _milestones(self, file: Storage) -> list[tuple[int, int, Blob | None]]:
        """Timestamps, positions and checkpoints of what the file has now, oldest first."""
        file.read_name()
        root = file.read_root()
        if root["file"] != self._name:
            raise StorageError(
                f"{self._path} is another file than the one that was opened: its past was not read.",
                path=str(self._path),
            )
        places = places_of_root(root)
        self.oldest = places[0][0]
        return places

    def _contents(self, file: Storage) -> Contents:
        return Contents(file, self._mine, self._copies)

    def _pages(self, contents: Contents, start: _Place, upto: int) -> Iterator[tuple[list[Commit], _Place]]:
        """The commits after a place up to a moment, in pages, and the place that each leads to."""
        page: list[LoggedRecord] = []
        nbytes = 0
        for logged in contents.records(start.position):
            if logged.entry.timestamp > upto:
                break
            page.append(logged)
            nbytes += logged.nbytes
            if len(page) >= PAGE_RECORDS or nbytes >= _PAGE_BYTES:
                commits, start = self._replayed(contents, start, page)
                yield commits, start
                page, nbytes = [], 0
        if page:
            yield self._replayed(contents, start, page)

    def _replayed(self, contents: Contents, start: _Place, page: list[LoggedRecord]) -> tuple[list[Commit], _Place]:
        database = Database(first=start.snapshot)
        for logged in page:
            if getattr(logged.record, "replaced", None):
                # Whoever is told of what an import replaced asks next what that was.
                self._places.append(_Place(logged.entry.position - 1, database.head))
            contents.replay(database, logged)
        commits = list(database.history.since(start.snapshot.timestamp))
        return commits, _Place(page[-1].entry.position, database.head)


def _stored(contents: Contents, timestamp: int, position: int, checkpoint: Blob | None) -> _Place:
    """The state of a milestone."""
    if checkpoint is None:
        return _Place(position, empty_snapshot(timestamp))
    return _Place(position, contents.snapshot(contents.manifest(checkpoint)))


def _counts(snapshot: Snapshot) -> dict[str, int]:
    return {name: len(state) for name, state in snapshot.tables.items()}
