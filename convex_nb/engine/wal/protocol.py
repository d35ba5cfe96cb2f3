"""The contract between the committer and whatever keeps its commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.segment import Segment
    from convex_nb.engine.snapshot import Snapshot


class Moved(NamedTuple):
    """The log went on without us: the entries that others appended since the head that we expected."""

    entries: tuple[Entry, ...]


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

    def maintain(self, head: Snapshot, creation_time: float) -> bool:
        """Do one bounded step of the upkeep that is due; whether there was one.

        ``head`` is the newest published snapshot, ``creation_time`` the last one given out: what to start from.
        """
        ...

    @property
    def head(self) -> int:
        """The position of the newest entry; 0 for an empty log."""
        ...

    def close(self) -> None:
        """Release what the log holds."""
        ...
