"""The root object of the engine: the head, and everything that reads, changes or watches it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from convex_nb.engine.check import check_table
from convex_nb.engine.clock import Clock as Clock, SystemClock as SystemClock
from convex_nb.engine.commit import Commit
from convex_nb.engine.committer import Committer, empty_snapshot
from convex_nb.engine.database_statistics import DatabaseStatistics, table_statistics
from convex_nb.engine.files.check import check_files
from convex_nb.engine.files.collection import Collection
from convex_nb.engine.files.file_store import FileStore
from convex_nb.engine.history import DEFAULT_RETENTION_NS, History
from convex_nb.engine.interrupts import deferred
from convex_nb.engine.maintenance import Maintenance
from convex_nb.engine.mint import Mint
from convex_nb.engine.names import check_table_name
from convex_nb.engine.schema_push import push
from convex_nb.engine.snapshot import Catalog, Snapshot
from convex_nb.engine.subscriptions import Subscriptions
from convex_nb.engine.system_tables import SYSTEM_TABLES, definition_of
from convex_nb.engine.table import TableState
from convex_nb.engine.table_register import TableRegister
from convex_nb.engine.transaction import Transaction
from convex_nb.engine.wal.memory import MemoryLog
from convex_nb.language.errors import HistoryError
from convex_nb.language.limits import Limits
from convex_nb.language.qualified_names import local_name

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.materialised import Materialised
    from convex_nb.engine.read_set import ReadSet
    from convex_nb.engine.wal.protocol import SharedLog, WriteAheadLog
    from convex_nb.language.schema import SchemaDefinition


class Database:
    """Documents, indexes, transactions and subscriptions of one deployment.

    All methods may be called from any thread. Nothing here starts one: slow work waits for ``maintain``.
    ``retention`` is in nanoseconds: how far back ``at`` can read and transactions can be validated; recent commits
    cost about a kilobyte each while they are kept (at most 32,768 of them).
    """

    def __init__(
        self,
        *,
        log: WriteAheadLog | None = None,
        clock: Clock | None = None,
        limits: Limits | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        retention: int = DEFAULT_RETENTION_NS,
        first: Snapshot | None = None,
        creation_time: float = 0.0,
    ) -> None:
        """Empty, or as of ``first``, the snapshot that ``log`` goes on from, and the last creation time then."""
        self.clock = clock or SystemClock()
        self.limits = limits or Limits.notebook()
        self.random_bytes = random_bytes
        self.mint = Mint(self.clock.now_ns, random_bytes, creation_time)
        first = first or empty_snapshot(self.clock.now_ns())
        self._began = first.timestamp
        self.history = History(first, retention)
        self.committer = Committer(first, self.history, log or MemoryLog(), self.clock.now_ns)
        self.subscriptions = Subscriptions()
        self.on_commit: list[Callable[[Commit], None]] = []
        """Called on the committing thread once a commit is published, interrupts still deferred: only mark."""
        self.on_writing: list[Callable[[Transaction, SchemaDefinition | None, str], object]] = []
        """Called with each transaction that is about to be committed, the schema before it, and its source."""
        self.on_push: list[Callable[[], None]] = []
        """Called in the same way once another kernel's push is published."""
        self.files = FileStore(random_bytes)
        self._collection = Collection(self)
        self._maintenance = Maintenance(self)
        self.register = TableRegister(self.limits.tables, self._dropped_tables)
        self.table_names: Mapping[int, str] = self.register.names
        """Table names by number, as they are at any time."""
        self._maintaining = threading.Lock()
        for number, name in (*first.dropped.items(), *((each.number, each.name) for each in first.tables.values())):
            self.register.remember(name, number)

    def __repr__(self) -> str:
        head = self.head
        return f"Database({len(head.tables)} tables, {sum(len(t) for t in head.tables.values())} documents)"

    # -- snapshots ---------------------------------------------------------------------------------------------

    @property
    def head(self) -> Snapshot:
        """The newest published snapshot."""
        return self.committer.head

    @property
    def log(self) -> WriteAheadLog:
        """Where commits are kept."""
        return self.committer.log

    def at(self, timestamp: int) -> Snapshot:
        """The database as of ``timestamp`` (nanoseconds). Costs O(commits since the nearest kept snapshot).

        What is not in memory is read from the file. Raises ``HistoryError`` for a time before what retention keeps, and
        ``StorageCorruptError``.
        """
        head = self.head
        if timestamp >= head.timestamp:
            return head
        with self.committer.reading_history():
            recent = None if timestamp < self.history.floor else self.history.nearest(timestamp)
        if recent is None:
            archive = self.log.archive
            archived = None if archive is None else archive.at(timestamp)
            if archived is None:
                raise self._not_kept(f"The state of {_utc(timestamp)} is not kept", timestamp)
            # An import may have given a table another number since.
            self.register.remember_former([(state.name, state.number) for state in archived.tables.values()])
            return archived
        snapshot, commits = recent
        for commit in commits:
            snapshot = snapshot.apply(commit)
        return snapshot

    @property
    def oldest(self) -> int:
        """The oldest timestamp that ``at`` can read, in memory or in the file."""
        archive = self.log.archive
        with self.committer.reading_history():
            floor = self.history.floor
        return floor if archive is None else min(floor, archive.oldest)

    def commits_after(self, after: int) -> Iterator[Commit]:
        """The published commits after ``after`` up to now, oldest first, in memory and in the file.

        Raises ``HistoryError`` where they are not all kept any more. Those of the file are read while one iterates, a
        page of them at a time; costs O(commits since the state that ``at`` begins from) at first.
        """
        with self.committer.reading_history():
            floor = self.history.floor
            recent = [commit for commit in self.history.since(max(after, floor)) if commit.published]
        archive = self.log.archive
        if after >= floor:
            return iter(recent)
        older = None if archive is None else archive.commits(after, floor)
        if older is None:
            raise self._not_kept(f"The commits after {_utc(after)} are not all kept", after)
        return chain(older, recent)

    def commits_between(self, after: int, upto: int) -> list[Commit] | None:
        """The published commits with ``after < timestamp <= upto``; ``None`` where memory does not reach back."""
        with self.committer.reading_history():
            if after < self.history.floor:
                return None
            return [commit for commit in self.history.since(after) if commit.timestamp <= upto and commit.published]

    def _not_kept(self, what: str, timestamp: int) -> HistoryError:
        oldest = self.oldest
        if self.log.archive is None and oldest == self._began:
            why = f": the past of this deployment begins at {_utc(oldest)}, when it was made."
        else:
            why = (
                f" any more: what can be read begins at {_utc(oldest)}. Open the deployment with a longer `retention` "
                "to keep more."
            )
        return HistoryError(what + why, timestamp=timestamp, oldest=oldest)

    # -- transactions ------------------------------------------------------------------------------------------

    def begin(
        self, snapshot: Snapshot | None = None, *, writable: bool = True, materialised: Materialised | None = None
    ) -> Transaction:
        """A transaction over ``snapshot``, the newest one unless given."""
        return Transaction(self, snapshot or self.committer.head, writable, materialised)

    def commit(self, transaction: Transaction, source: str = "") -> Commit | None:
        """Commit a transaction; ``None`` if it wrote nothing. Raises ``Conflict``: nothing was written then."""
        if not transaction.has_writes:
            return None
        for amend in self.on_writing:
            amend(transaction, transaction.snapshot.schema, source)
        return self.committer.commit(transaction, source, self._committed)

    def follow(self, log: SharedLog) -> bool:
        """Publish what other kernels have appended to the log; whether there was something. Raises ``StorageError``."""
        return self.committer.follow(log, self._committed)

    def _committed(self, entry: Entry) -> None:
        if isinstance(entry, Commit):
            self._collection.committed(entry)
            for callback in self.on_commit:
                callback(entry)
        else:
            for pushed in self.on_push:
                pushed()

    def touched(self, commit: Commit) -> set[Any]:
        """The tokens of the subscriptions that a commit touches."""
        return self.subscriptions.touched(commit)

    def subscribe(self, read_set: ReadSet, token: Any, timestamp: int) -> bool:
        """Watch what was read at ``timestamp`` under ``token``; whether it has been touched since then already.

        A subscription of the same token is replaced. Commits that are published from now on are found by ``touched``.
        """
        self.subscriptions.add(read_set, token)
        with self.committer.reading_history():
            if timestamp < self.history.floor:
                return True
            commits = [commit for commit in self.history.since(timestamp) if commit.published]
            return read_set.conflict(commits) is not None

    # -- schema ------------------------------------------------------------------------------------------------

    def validates(self, snapshot: Snapshot, table: str) -> bool:
        """Whether documents of a table are checked against the schema of ``snapshot``."""
        schema = snapshot.catalog.schema
        return schema is not None and schema.validates(table)

    def push_schema(
        self,
        schema: SchemaDefinition | None,
        also: Callable[[Transaction], object] = lambda _: None,
        source: str = "push",
    ) -> bool:
        """Put a schema in force: `push` of the same one, whatever there is."""
        return self.push(lambda _: schema, also, source)

    def push(
        self,
        schema_of: Callable[[Snapshot], SchemaDefinition | None],
        also: Callable[[Transaction], object],
        source: str = "push",
    ) -> bool:
        """Put the schema that ``schema_of`` makes of the newest head in force, with what ``also`` writes: both or
        neither, and as one with the head that it was made of.

        Checks every stored document of its tables and builds its indexes first. Both functions are called once for
        every attempt, the last ones while nobody commits. Returns whether the schema is another one; if not, what
        ``also`` writes is committed by itself. Raises ``SchemaValidationError`` with the first offending document, and
        nothing changes then. Costs O(documents) of the tables whose validator or indexes changed.
        """
        return push(self, schema_of, also, source)

    def install(
        self, change: Callable[[Snapshot, int], Snapshot | None], follow: Callable[[Snapshot], Transaction], source: str
    ) -> bool:
        """Put another state in force, and a commit on it: see ``Committer.push``."""

        def amended(head: Snapshot) -> Transaction:
            transaction = follow(head)
            for amend in self.on_writing:
                amend(transaction, self.head.schema, source)
            return transaction

        return self.committer.push(change, amended, source, self._committed)

    def new_table(self, name: str, catalog: Catalog) -> TableState:
        """An empty table of this name under ``catalog``; it exists for others once a commit has brought it."""
        if local_name(name) not in SYSTEM_TABLES:
            check_table_name(local_name(name))
        return TableState.create(name, self.register.number(name), definition_of(name, catalog.schema))

    def _dropped_tables(self) -> int:
        head = self.head
        return len(set(head.dropped.values()) - head.tables.keys())

    # -- upkeep ------------------------------------------------------------------------------------------------

    def maintain(self, budget_ms: float) -> bool:
        """Do some of the slow work that is due: about ``budget_ms`` of it; whether more is.

        Readers never wait for it, commits for at most a few replayed ones. One thread at a time: a second one returns
        at once.
        """
        mine = False
        try:
            # An interrupt between taking the lock and knowing it would leave it taken for ever.
            with deferred:
                mine = self._maintaining.acquire(blocking=False)
            return mine and (self._maintenance.run(budget_ms) or self._collection.step())
        finally:
            if mine:
                self._maintaining.release()

    def statistics(self) -> DatabaseStatistics:
        """Figures of every part. Costs O(tables)."""
        head = self.head
        return DatabaseStatistics(
            timestamp=head.timestamp,
            tables={name: table_statistics(state) for name, state in head.tables.items()},
            commits=self.committer.commits,
            conflicts=self.committer.conflicts,
            history=len(self.history),
            snapshots=self.history.snapshots,
            retention=self.history.retention,
            oldest=self.oldest,
            maintenance_steps=self._maintenance.finished,
            upkeep=self._maintenance.upkeep,
            subscriptions=self.subscriptions.statistics(),
            storage=self.log.statistics(),
        )

    def check(self) -> None:
        """Verify every invariant; raises ``AssertionError`` that prints what is wrong. Reads everything."""
        head, names = self.head, self.table_names
        for name, state in head.tables.items():
            assert state.name == name, f"{name!r} holds {state!r}"
            assert names[state.number] == name, f"{state!r} has a number of {names}"
            check_table(state)
        with self.committer.reading_history():
            self.history.check(self.head)
        self.subscriptions.check()
        check_files(self)
        if self.log.archive is not None:
            self.log.archive.check()

    def close(self) -> None:
        """Release the log."""
        self.files.close()
        self.committer.close()


def _utc(timestamp: int) -> str:
    moment = datetime.fromtimestamp(timestamp / 1e9, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"
