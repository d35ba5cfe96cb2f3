"""Which older checkpoints a file keeps beside the newest one, so that its past can be read.

A state of the past is the newest of these before it, and the log from there on. So the log reaches back to the oldest
of them, which is the newest one that is as old as retention asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from convex_nb.engine.wal.rows import Blob

EVERY: Final = 2
"""One checkpoint in so many stays, so that no state of the past takes long to read."""


class Milestone(NamedTuple):
    """A checkpoint, and the position in the log whose state it holds."""

    timestamp: int
    position: int
    checkpoint: Blob | None
    """``None`` for the empty database that a file began as."""
    blobs: frozenset[int]
    """The numbers of the blobs that it consists of."""
    logged: frozenset[int]
    """The numbers of those that the log refers to between the milestone before and this one."""


class Milestones(NamedTuple):
    """The checkpoints that a file keeps: some older ones, oldest first, and the newest."""

    older: tuple[Milestone, ...]
    newest: Milestone
    skipped: int
    """Checkpoints since the last of ``older`` that were not kept."""

    @classmethod
    def beginning(cls, timestamp: int) -> Milestones:
        """Those of a file that begins at a moment, empty so far."""
        return cls((), Milestone(timestamp, 0, None, frozenset(), frozenset()), 0)

    @property
    def oldest(self) -> Milestone:
        """Where the past that can be read begins."""
        return self.older[0] if self.older else self.newest

    def all(self) -> tuple[Milestone, ...]:
        """Oldest first."""
        return (*self.older, self.newest)

    def blobs(self) -> set[int]:
        """The numbers of the blobs that reading any moment from the oldest to the newest milestone needs."""
        first, *rest = self.all()
        return set(first.blobs).union(*[each.blobs | each.logged for each in rest])

    def followed_by(self, timestamp: int, position: int, logged: Iterable[int], since: int) -> Milestones:
        """These before another checkpoint, which is not written yet; ``logged`` are the blobs of the log before it.

        Those are kept that reading the past from ``since`` on needs.
        """
        last = self.older[-1] if self.older else None
        stays = last is None or self.skipped + 1 >= EVERY or last.timestamp <= since
        # The log between two milestones refers to what it referred to between those that lay there.
        logged = frozenset(logged) if stays else self.newest.logged.union(logged)
        return Milestones(
            (*self.older, self.newest) if stays else self.older,
            Milestone(timestamp, position, None, frozenset(), logged),
            0 if stays else self.skipped + 1,
        ).reaching(since)

    def reaching(self, since: int) -> Milestones:
        """These without those that reading the past from ``since`` on does not need."""
        every = self.all()
        first = max((place for place, each in enumerate(every) if each.timestamp <= since), default=0)
        return self if first == 0 else self._replace(older=self.older[first:])

    def completed(self, checkpoint: Blob, blobs: Iterable[int]) -> Milestones:
        """These with the newest one written."""
        return self._replace(newest=self.newest._replace(checkpoint=checkpoint, blobs=frozenset(blobs)))

    def root(self) -> dict[str, Any]:
        """What the root of the file says of them."""
        newest = self.newest
        return {
            "timestamp": newest.timestamp,
            "position": newest.position,
            "checkpoint": newest.checkpoint,
            "history": [(each.timestamp, each.position, each.checkpoint) for each in self.older],
            "skipped": self.skipped,
        }


def places_of_root(root: Mapping[str, Any]) -> list[tuple[int, int, Blob | None]]:
    """The timestamps, positions and checkpoints that a root names, oldest first; the last is the newest checkpoint."""
    return [
        (timestamp, position, None if blob is None else Blob(*blob))
        for timestamp, position, blob in (
            *root.get("history", ()),
            (root["timestamp"], root["position"], root["checkpoint"]),
        )
    ]
