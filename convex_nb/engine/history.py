"""The recent past, in memory: commits to validate against, and snapshots to read from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.snapshot import Snapshot

DEFAULT_RETENTION_NS = 600 * 10**9
"""The past is kept for ten minutes unless somebody says more or less."""
EVERY = 256
"""A snapshot is kept each time that so many commits were published."""
MOST = 32_768
"""At most so many commits are remembered."""

_timestamp = attrgetter("timestamp")


class History:
    """Commits in order, published and pending, with a snapshot kept now and then.

    A past state is the nearest kept snapshot before it plus the commits in between: keeping every snapshot would
    keep the copied chunks of every commit, about a hundred times the memory of its writes. Commits older than
    ``retention`` nanoseconds, or beyond ``MOST`` of them, are forgotten by ``trim``. Not thread-safe: the committer
    calls it under its lock.
    """

    def __init__(self, first: Snapshot, retention: int) -> None:
        self.retention = retention
        self._commits: list[Commit] = []
        self._snapshots: list[Snapshot] = [first]
        self._since_snapshot = 0
        self._floor = first.timestamp

    def __len__(self) -> int:
        return len(self._commits)

    @property
    def floor(self) -> int:
        """The oldest timestamp that can still be read; a transaction that began earlier cannot be validated."""
        return self._floor

    @property
    def snapshots(self) -> int:
        """How many snapshots are kept."""
        return len(self._snapshots)

    def begin_again(self, first: Snapshot) -> None:
        """Forget everything: what led to ``first`` is not known here."""
        self._commits = []
        self._snapshots = [first]
        self._since_snapshot = 0
        self._floor = first.timestamp

    def add(self, commit: Commit) -> None:
        """A commit got its timestamp; it may not be published yet."""
        self._commits.append(commit)

    def published(self, snapshot: Snapshot, *, keep: bool = False) -> None:
        """A commit led to ``snapshot``; ``keep`` where commits alone do not lead there (a push)."""
        self._since_snapshot += 1
        if keep or self._since_snapshot >= EVERY:
            self._since_snapshot = 0
            self._snapshots.append(snapshot)

    def withdraw(self, commits: Sequence[Commit]) -> None:
        """Commits that the log refused never happened."""
        gone = {commit.timestamp for commit in commits}
        self._commits = [commit for commit in self._commits if commit.timestamp not in gone]

    def since(self, timestamp: int) -> Sequence[Commit]:
        """The commits after ``timestamp``, pending ones included. Costs O(log commits) and their number."""
        commits = self._commits
        if not commits or commits[-1].timestamp <= timestamp:
            return ()
        return commits[bisect_right(commits, timestamp, key=_timestamp) :]

    def nearest(self, timestamp: int) -> tuple[Snapshot, Sequence[Commit]]:
        """The newest kept snapshot at or before ``timestamp`` and the published commits from there up to it."""
        snapshot = self._snapshots[bisect_right(self._snapshots, timestamp, key=_timestamp) - 1]
        commits = [c for c in self.since(snapshot.timestamp) if c.timestamp <= timestamp and c.published]
        return snapshot, commits

    def check(self, head: Snapshot) -> None:
        """Verify that commits ascend and lead to ``head``. Raises ``AssertionError``."""
        stamps = [commit.timestamp for commit in self._commits]
        assert stamps == sorted(set(stamps)), f"commit timestamps do not ascend: {stamps}"
        assert self._floor <= head.timestamp, f"history begins at {self._floor}, after {head!r}"

    def trim(self, now: int, head: Snapshot) -> None:
        """Forget what is past retention; ``head`` is the newest published state. Costs O(what is forgotten)."""
        limit = now - self.retention
        if len(self._commits) > MOST:
            limit = max(limit, self._commits[-MOST - 1].timestamp)
        if limit >= head.timestamp:
            # Nothing happened since: the head is the only state that can be asked for.
            self._snapshots = [head]
        else:
            # What the limit fell upon is the newest kept snapshot before it and the commits from there on.
            base = bisect_right(self._snapshots, limit, key=_timestamp) - 1
            if base <= 0:
                return
            del self._snapshots[:base]
        self._floor = self._snapshots[0].timestamp
        del self._commits[: bisect_right(self._commits, self._floor, key=_timestamp)]
