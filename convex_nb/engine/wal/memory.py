"""The log of a deployment that lives in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.wal.archive import Archive
    from convex_nb.engine.wal.protocol import StorageStatistics


class MemoryLog:
    """Counts positions and keeps nothing: the snapshots hold the data, history holds the recent commits."""

    path: Path | None = None
    place: str | None = None
    archive: Archive | None = None

    def __init__(self) -> None:
        self._head = 0

    @property
    def head(self) -> int:
        """The position of the newest entry."""
        return self._head

    def append(self, expected_head: int, entries: Sequence[Entry]) -> Sequence[int]:
        """Give the entries their positions. Nobody else appends, so the head is always the expected one."""
        assert expected_head == self._head
        self._head += len(entries)
        return range(expected_head + 1, self._head + 1)

    def stage(self, table: str, number: int, segment: Segment) -> None:
        """Nothing is written ahead."""

    def maintain(self, head: Snapshot, creation_time: float, since: int) -> bool:  # noqa: ARG002
        """Nothing is ever due."""
        return False

    def statistics(self) -> StorageStatistics | None:
        """There are none."""
        return None

    def close(self) -> None:
        """Nothing is held."""
