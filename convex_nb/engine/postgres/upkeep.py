"""Checkpoints of a shared log, and deleting what they make superfluous: one kernel at a time does it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.postgres.postgres_errors import talking
from convex_nb.engine.postgres.store import PostgresStore
from convex_nb.engine.postgres.tables import LOCK
from convex_nb.engine.wal.checkpoint import Checkpoint, write_checkpoint
from convex_nb.engine.wal.recovery import Recovery
from convex_nb.engine.wal.sqlite import LOG_BYTES, LOG_RECORDS, RETRY_SECONDS
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.language.errors import DeploymentClosedError, StorageCorruptError, StorageError

if TYPE_CHECKING:
    from convex_nb.engine.postgres.address import Address
    from convex_nb.engine.postgres.copies import SharedCopies
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.wal.protocol import LoggedEntry
    from convex_nb.engine.wal.staging import Staging

STAGED_DAYS: Final = 1
"""What nothing refers to is deleted after this: another kernel may be about to."""
_DELETED: Final = 1000

_timestamp = attrgetter("timestamp")
_position = attrgetter("position")


class Upkeep:
    """Keeps a shared log short. One thread at a time takes steps, and ``note`` may be called beside it."""

    def __init__(
        self,
        address: Address,
        copies: SharedCopies,
        staging: Staging,
        checkpoint: Checkpoint,
        retention: int,
        entries: Sequence[LoggedEntry],
        logged_bytes: int,
    ) -> None:
        """After ``checkpoint`` and ``entries``; ``retention`` is this kernel's."""
        self._address = address
        self._copies = copies
        self._staging = staging
        self._root: dict[str, Any] = checkpoint.root
        self._milestones = checkpoint.milestones
        self._retention = retention
        self._entries = list(entries)
        self._logged_bytes = logged_bytes
        self._superfluous: set[int] = set()
        self.checkpoints = 0
        self.failure: str | None = None
        self._not_before = 0.0
        self._steps: Iterator[None] | None = None

    @property
    def logged(self) -> int:
        """How many entries no checkpoint covers."""
        return len(self._entries)

    @property
    def older(self) -> int:
        """How many older checkpoints are kept."""
        return len(self._milestones.older)

    @property
    def oldest(self) -> int:
        """The oldest timestamp that can be read."""
        return self._milestones.oldest.timestamp

    def note(self, entry: LoggedEntry, nbytes: int) -> None:
        """The log has this entry, whoever appended it."""
        self._entries.append(entry)
        self._logged_bytes += nbytes
        for number in entry.blobs:
            self._staging.referred_to(number)

    def begin_again(self, recovery: Recovery) -> None:
        """Go on from the newest checkpoint."""
        self._entries.clear()
        self._logged_bytes = 0
        self._root, self._milestones = recovery.root, recovery.milestones

    def step(self, head: Snapshot, creation_time: float, since: int) -> bool:
        """Do one bounded step of what is due; whether there was one. What fails is tried again later."""
        if monotonic() < self._not_before:
            return False
        try:
            if self._steps is None and self._is_due(since):
                self._steps = self._run(head, creation_time, since)
            if self._steps is None:
                return False
            for _ in self._steps:
                return True
            self._steps = None
        except (StorageError, StorageCorruptError, DamagedError, DeploymentClosedError) as failure:
            self._steps = None
            self.failure = str(failure)
            self._not_before = monotonic() + RETRY_SECONDS
            return False
        self.failure = None
        return True

    def _is_due(self, since: int) -> bool:
        return self._needs_checkpoint() or self._milestones.reaching(since) is not self._milestones

    def _needs_checkpoint(self) -> bool:
        return self._logged_bytes > LOG_BYTES or len(self._entries) > LOG_RECORDS

    def _run(self, head: Snapshot, creation_time: float, since: int) -> Iterator[None]:
        with talking(self._address, "write a checkpoint"):
            # The lock ends with the connection: so it does if this process does.
            store = PostgresStore(self._address, self._address.connect(), lasts=False)
        try:
            with store.connected("write a checkpoint") as connection:
                (mine,) = connection.execute("select pg_try_advisory_lock(%s, 2)", (LOCK,)).fetchone() or (False,)
                retention = connection.execute("select retention from convex_nb_root").fetchone()
            if not mine:
                # Another kernel is at it.
                self._not_before = monotonic() + RETRY_SECONDS
                return
            since -= (retention[0] if retention is not None else self._retention) - self._retention
            self._adopt(store)
            yield
            if self._needs_checkpoint():
                yield from self._checkpoint(store, head, creation_time, since)
            elif self._milestones.reaching(since) is not self._milestones:
                self._forget(store, since)
            yield from self._clear(store)
        finally:
            store.close()

    def _adopt(self, store: PostgresStore) -> None:
        """Learn what other kernels have done since."""
        recovery = Recovery(store, self._copies)
        self._root, self._milestones = recovery.root, recovery.milestones
        covered = bisect_right(self._entries, recovery.milestones.newest.position, key=_position)
        if covered:
            del self._entries[:covered]
            self._logged_bytes = 0
        with store.connected("read") as connection:
            rows = connection.execute("select distinct number from convex_nb_chunk").fetchall()
        self._copies.keep({number for (number,) in rows})

    def _checkpoint(self, store: PostgresStore, head: Snapshot, creation_time: float, since: int) -> Iterator[None]:
        logged_bytes = self._logged_bytes
        covered = bisect_right(self._entries, head.timestamp, key=_timestamp)
        if not covered:
            return
        logged = [number for entry in self._entries[:covered] for number in entry.blobs]
        position = self._entries[covered - 1].position
        following = self._milestones.followed_by(head.timestamp, position, logged, since)
        before = self._milestones.blobs().union(logged)
        self._root, self._milestones = yield from write_checkpoint(
            store, self._copies, self._root, following, head, creation_time
        )
        self._superfluous |= before - self._milestones.blobs()
        del self._entries[:covered]
        self._logged_bytes -= logged_bytes
        self.checkpoints += 1

    def _forget(self, store: PostgresStore, since: int) -> None:
        """Let go of the past before a moment."""
        milestones = self._milestones.reaching(since)
        root = {**self._root, **milestones.root()}
        with store.transaction("forget what is too old"):
            store.write_root(root)
        self._superfluous |= self._milestones.blobs() - milestones.blobs()
        self._root, self._milestones = root, milestones

    def _clear(self, store: PostgresStore) -> Iterator[None]:
        """Delete the log before the oldest milestone, and the blobs that nothing refers to."""
        deleted = _DELETED
        while deleted == _DELETED:
            with store.connected("shorten the log") as connection:
                deleted = connection.execute(
                    "delete from convex_nb_log where position in (select position from convex_nb_log "
                    "where position <= %s order by position limit %s)",
                    (self._milestones.oldest.position, _DELETED),
                ).rowcount
            yield
        self._superfluous.update(self._staging.drop_unwanted())
        with store.connected("delete what is no longer needed") as connection:
            rows = connection.execute(
                "select distinct number from convex_nb_chunk chunk where number <> all(%s) "
                "and (number = any(%s) or written < now() - make_interval(days => %s)) "
                "and not exists (select from convex_nb_log where chunk.number = any(blobs))",
                ([*self._milestones.blobs(), *self._staging.numbers()], [*self._superfluous], STAGED_DAYS),
            ).fetchall()
        garbage = {number for (number,) in rows}
        self._copies.forget(garbage)
        for number in garbage:
            with store.connected("delete what is no longer needed") as connection:
                connection.execute("delete from convex_nb_chunk where number = %s", (number,))
            yield
        self._superfluous.clear()

    def close(self) -> None:
        """Leave what was begun."""
        # A step that another thread is at ends by itself: its connection is closed with the process.
        with suppress(ValueError):
            if self._steps is not None:
                self._steps.close()  # type: ignore[attr-defined]
