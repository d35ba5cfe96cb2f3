"""The contract between the committer and whatever keeps its commits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.wal.archive import Archive


class Arrival(NamedTuple):
    """An entry that another kernel has appended: ``replay`` publishes it, after all that came before it."""

    position: int
    replay: Callable[[], Entry]


class Moved(NamedTuple):
    """The log went on without us: what others appended since the head that we expected, in order."""

    arrivals: Sequence[Arrival]


class LoggedEntry(NamedTuple):
    """An entry that is in the log and in no checkpoint."""

    position: int
    timestamp: int
    blobs: tuple[int, ...]
    """The numbers of the blobs that it refers to."""


@dataclass(frozen=True, slots=True)
class StorageStatistics:
    """Figures of a durable file."""

    path: str
    """Where it is."""
    nbytes: int
    """Its size, without SQLite's sidecar."""
    free_bytes: int
    """How much of it is free for reuse."""
    logged: int
    """Commits and pushes that no checkpoint covers yet: what opening replays."""
    milestones: int
    """Older checkpoints that are kept, so that the past can be read."""
    checkpoints: int
    """Checkpoints since it was opened."""
    failure: str | None
    """Why upkeep did not succeed the last time, if it did not."""


class WriteAheadLog(Protocol):
    """An ordered, append-only sequence of commits and pushes.

    ``append`` returns when every entry is as durable as this log makes it. It is all or nothing: an exception
    means that none of the entries is in the log.
    """

    def append(self, expected_head: int, entries: Sequence[Entry]) -> Sequence[int] | Moved:
        """Append ``entries`` after position ``expected_head``; their positions, or what others appended first."""
        ...

    def stage(self, table: str, number: int, segment: Segment) -> None:
        """Write a segment of a table ahead of the commit that brings it, so that no other commit waits for it."""
        ...

    def maintain(self, head: Snapshot, creation_time: float, since: int) -> bool:
        """Do one bounded step of the upkeep that is due; whether there was one.

        ``head`` is the newest published snapshot, ``creation_time`` the last one given out: what to start from.
        ``since`` is the oldest timestamp whose state has to stay readable.
        """
        ...

    @property
    def archive(self) -> Archive | None:
        """The past that is kept beyond what is in memory, if any is."""
        ...

    @property
    def path(self) -> Path | None:
        """The file that it is in, if it is in one."""
        ...

    @property
    def place(self) -> str | None:
        """What it is in, in words: a file's path, a server's address without secrets; ``None`` for memory."""
        ...

    @property
    def head(self) -> int:
        """The position of the newest entry; 0 for an empty log."""
        ...

    def statistics(self) -> StorageStatistics | None:
        """Figures of what is on disk, if anything is."""
        ...

    def close(self) -> None:
        """Release what the log holds."""
        ...


@runtime_checkable
class SharedLog(WriteAheadLog, Protocol):
    """A log that several kernels append to, each of which follows the others."""

    @property
    def read_only(self) -> bool:
        """Whether this kernel only looks on."""
        ...

    @property
    def kernel(self) -> str:
        """The name of this kernel among them; no other one ever had it."""
        ...

    def appended(self, after: int) -> Moved | None:
        """What others have appended after a position, if anything."""
        ...

    def wait(self) -> bool:
        """Return when others have appended something, or after a second or so; whether it is time to look."""
        ...

    def wake(self) -> None:
        """Let whoever waits return at once. Any thread may call it."""
        ...

    def kernels(self) -> frozenset[str]:
        """The names of the kernels that have the deployment open, as far as is known."""
        ...
