"""The log of a deployment that lives in PostgreSQL, shared between kernels."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from convex_nb.engine.commit import Commit, Push
from convex_nb.engine.postgres.postgres_errors import refusing_damage, talking
from convex_nb.engine.postgres.session import PATIENCE_SECONDS, NewRecord
from convex_nb.engine.wal.protocol import Arrival, LoggedEntry, Moved, StorageStatistics
from convex_nb.engine.wal.records import encode_commit, encode_elsewhere, encode_push
from convex_nb.engine.wal.recovery import Contents, Recovery
from convex_nb.engine.wal.rows import CHUNK_BYTES, Blob
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.language.errors import ReadOnlyError, StorageError

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.database import Database
    from convex_nb.engine.postgres.copies import SharedCopies
    from convex_nb.engine.postgres.postgres_archive import PostgresArchive
    from convex_nb.engine.postgres.presence import Presence
    from convex_nb.engine.postgres.session import Session
    from convex_nb.engine.postgres.store import PostgresStore
    from convex_nb.engine.postgres.upkeep import Upkeep
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.wal.recovery import LoggedRecord
    from convex_nb.engine.wal.staging import Staging


class PostgresLog:
    """Appends with the expected head, and gives what other kernels have appended.

    ``append`` and ``appended`` are called by one thread at a time; the others by any, beside them.
    """

    path: Path | None = None

    def __init__(
        self,
        database: Database,
        kernel: str,
        session: Session,
        presence: Presence,
        store: PostgresStore,
        copies: SharedCopies,
        staging: Staging,
        upkeep: Upkeep,
        archive: PostgresArchive,
        head: int,
        *,
        read_only: bool,
    ) -> None:
        self.archive: PostgresArchive | None = archive
        self.kernel = kernel
        self.read_only = read_only
        self._database = weakref.ref(database)
        self._address = store.address
        self._session = session
        self._presence = presence
        self._store = store
        self._copies = copies
        self._staging = staging
        self._upkeep = upkeep
        self._contents = Contents(store, copies)
        self._head = head
        self._appending = 0

    @property
    def place(self) -> str | None:
        """The database's address, without a password."""
        return self._address.text

    @property
    def head(self) -> int:
        """The position of the newest entry that is known here."""
        return self._head

    # -- appending ---------------------------------------------------------------------------------------------

    def append(self, expected_head: int, entries: Sequence[Entry]) -> Sequence[int] | Moved:
        """Append entries in one statement, or give what others have appended first. Raises ``StorageError``.

        Where the connection is lost meanwhile it waits for the server, for some seconds, and finds out.
        """
        if self.read_only:
            self._refuse()
        records: list[NewRecord] = []
        sizes: list[int] = []
        for position, entry in enumerate(entries, expected_head + 1):
            data, size, blobs = self._encoded(entry)
            records.append(NewRecord(position, entry.timestamp, data, blobs))
            sizes.append(size)
        # The word of it may be here before the answer is. Where others have been there first, this is told below.
        self._appending = records[-1].position
        is_appended = False
        try:
            is_appended = self._session.append(expected_head, records)
        finally:
            if not is_appended:
                self._appending = 0
        if not is_appended:
            moved = self.appended(expected_head, patience=PATIENCE_SECONDS)
            assert moved is not None, f"the log refuses to be appended to after {expected_head}, and has nothing more"
            return moved
        for record, size in zip(records, sizes, strict=True):
            self._upkeep.note(LoggedEntry(record.position, record.timestamp, record.blobs), size)
        self._head = records[-1].position
        return [record.position for record in records]

    def _encoded(self, entry: Entry) -> tuple[bytes, int, tuple[int, ...]]:
        """What is written of an entry, how much it is, and the numbers of the blobs that it refers to."""
        if isinstance(entry, Commit):
            blobs = [self._copy(name, entry.result[name].number, part.segment) for name, part in entry.parts]
            data = encode_commit(entry, blobs)
        else:
            blobs, data = [], encode_push(entry)
        size = len(data) + sum([part.segment.nbytes for _, part in getattr(entry, "parts", ())])
        if len(data) > CHUNK_BYTES:
            blob = self._staging.write_entry(entry, data)
            blobs.append(blob)
            data = encode_elsewhere(blob)
        return data, size, tuple([blob.number for blob in blobs])

    def stage(self, table: str, number: int, segment: Segment) -> None:
        """Write a segment in transactions of its own; it counts once a record refers to it."""
        if self.read_only:
            self._refuse()
        # One that is not staged any more may have been deleted by another kernel.
        if self._staging.find(segment) is None:
            self._staging.write_segment(table, number, segment)

    def _copy(self, table: str, number: int, segment: Segment) -> Blob:
        self.stage(table, number, segment)
        blob = self._staging.find(segment)
        assert blob is not None
        return blob

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(
            f"{self._address.text} was opened with `read_only=True`: nothing was written. Open it for writing, or "
            "`save` this state to a file and go on there."
        )

    # -- following ---------------------------------------------------------------------------------------------

    def appended(self, after: int, *, patience: float = 0.0) -> Moved | None:
        """What others have appended after a position, some hundreds at a time. Raises ``StorageError``."""
        head, records = self._session.tail(after, patience=patience)
        if head == after:
            return None
        if head < after:
            raise StorageError(
                f"{self._address.text} has been set back to an earlier state while it was open here: its log ends at "
                f"{head}, and {after} was the newest record. Nothing was written. Close the deployment and open it "
                "again to go on from that state.",
                path=self._address.text,
            )
        if not records or records[0][0] != after + 1:
            return Moved([self._newest_checkpoint()])
        return Moved([Arrival(record[0], partial(self._replay, *record)) for record in records])

    def _replay(self, position: int, timestamp: int, data: bytes) -> Entry:
        database = self._database()
        assert database is not None
        try:
            logged = self._contents.logged(position, timestamp, data)
            entry = self._contents.replay(database, logged)
        except DamagedError as error:
            raise StorageError(
                f"What another kernel has committed could not be followed: {error.what} ({self._address.text}). "
                "Close the deployment and open it again.",
                path=self._address.text,
            ) from None
        self._note(logged)
        return entry

    def _newest_checkpoint(self) -> Arrival:
        """The log after our position was shortened meanwhile: this kernel slept for longer than the past is kept."""
        with refusing_damage(self._address), self._store.one_state():
            recovery = Recovery(self._store, self._copies)
            head, creation_time = recovery.first()

        def replay() -> Entry:
            database = self._database()
            assert database is not None
            for number, name in (*head.dropped.items(), *((each.number, each.name) for each in head.tables.values())):
                database.register.remember(name, number)
            database.mint.creation_time_passed(creation_time)
            database.committer.begin_again(head)
            self._upkeep.begin_again(recovery)
            self._head = recovery.position
            return Push(head.timestamp, head.schema, {})

        return Arrival(recovery.position, replay)

    def _note(self, logged: LoggedRecord) -> None:
        if not self.read_only:
            self._upkeep.note(logged.entry, logged.nbytes)
        self._head = logged.entry.position

    def begin(self) -> None:
        """Let the others know that this kernel is there. Raises ``StorageError``."""
        with talking(self._address, "open it"):
            self._presence.begin()

    def wait(self) -> bool:
        """Return when others have appended something, when somebody wakes this, or after a second."""
        return self._presence.wait(lambda: max(self._head, self._appending))

    def wake(self) -> None:
        """Let whoever waits return at once."""
        self._presence.wake()

    def kernels(self) -> frozenset[str]:
        """Which kernels have the deployment open, as of some seconds ago."""
        return self._presence.kernels()

    # -- upkeep ------------------------------------------------------------------------------------------------

    def maintain(self, head: Snapshot, creation_time: float, since: int) -> bool:
        """One step of a checkpoint, unless another kernel is at one, or of what it made superfluous."""
        if self.archive is not None:
            self.archive.rest()
            self.archive.oldest = self._upkeep.oldest
        return not self.read_only and self._upkeep.step(head, creation_time, since)

    def statistics(self) -> StorageStatistics:
        """Figures of the tables. Asks the server."""
        nbytes, failure = 0, self._upkeep.failure
        try:
            ((total,),) = self._store.execute(
                "measure the tables",
                "select sum(pg_total_relation_size(name::regclass)) from unnest(%s::text[]) name",
                (["convex_nb_log", "convex_nb_chunk", "convex_nb_file"],),
            )
            nbytes = int(total)
        except StorageError as error:
            failure = str(error)
        return StorageStatistics(
            path=self._address.text,
            nbytes=nbytes,
            free_bytes=0,
            logged=self._upkeep.logged,
            milestones=self._upkeep.older,
            checkpoints=self._upkeep.checkpoints,
            failure=failure,
        )

    def close(self) -> None:
        """Leave the others. Twice is fine."""
        self._upkeep.close()
        self._presence.close()
        self._session.close()
        self._store.close()
