"""The log of a deployment that only looks at a file which another process may be writing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from convex_nb.language.errors import ReadOnlyError

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.wal.archive import Archive
    from convex_nb.engine.wal.protocol import StorageStatistics


class ReadOnlyLog:
    """Refuses every commit; the file was read once and is closed, until somebody asks for its past."""

    def __init__(self, path: Path, head: int, archive: Archive) -> None:
        self.path: Path | None = path
        self.place: str | None = str(path)
        self.archive: Archive | None = archive
        self._head = head

    @property
    def head(self) -> int:
        """The position of the newest entry that was read."""
        return self._head

    def append(self, expected_head: int, entries: Sequence[Entry]) -> NoReturn:  # noqa: ARG002
        """Raises ``ReadOnlyError``."""
        raise self._refusal()

    def stage(self, table: str, number: int, segment: Segment) -> None:  # noqa: ARG002
        """Raises ``ReadOnlyError``."""
        raise self._refusal()

    def maintain(self, head: Snapshot, creation_time: float, since: int) -> bool:  # noqa: ARG002
        """Nothing is ever due, but what was read of the past is let go."""
        if self.archive is not None:
            self.archive.rest()
        return False

    def statistics(self) -> StorageStatistics | None:
        """There are none: the file is somebody else's."""
        return None

    def close(self) -> None:
        """Nothing is held."""

    def _refusal(self) -> ReadOnlyError:
        return ReadOnlyError(
            f"{self.path} was opened with `read_only=True`: nothing was written. Open it for writing, or `save` this "
            "state to another file and go on there."
        )
