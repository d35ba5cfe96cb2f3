"""The one place where shared state changes: validate, reserve a timestamp, append to the log, publish."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from convex_nb.engine.commit import Commit, Push
from convex_nb.engine.interrupts import deferred
from convex_nb.engine.snapshot import Catalog, Snapshot
from convex_nb.engine.wal.protocol import Moved
from convex_nb.language.errors import DeploymentClosedError

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.history import History
    from convex_nb.engine.read_set import ReadSet
    from convex_nb.engine.table import TableState
    from convex_nb.engine.transaction import Transaction
    from convex_nb.engine.wal.protocol import SharedLog, WriteAheadLog


class Conflict(Exception):  # noqa: N818 (not an error yet: it is run again)
    """A transaction read what a later commit changed; whoever ran it may run it again.

    ``table`` and ``document_id`` say what changed (``None`` where it was more than one document), ``source`` which
    function changed it.
    """

    def __init__(self, table: str, document_id: str | None, source: str) -> None:
        super().__init__(table, document_id, source)
        self.table = table
        self.document_id = document_id
        self.source = source


class Committer:
    """Turns transactions into commits, one after another.

    ``_sequence`` guards the order: a transaction is validated against everything committed or pending since its
    snapshot and gets its timestamp. ``_publish`` guards the log: whoever holds it writes all that is pending, so that
    threads which commit at the same time share one append. Where both are held, ``_publish`` was taken first; neither
    is held while user code runs.

    Where others append to the log as well, what they were first with is published before what is pending here, which
    is validated against it then. ``committed`` hears of their commits, too.
    """

    def __init__(self, head: Snapshot, history: History, log: WriteAheadLog, now: Callable[[], int]) -> None:
        self.head = head
        self.history = history
        self.log = log
        self.conflicts = 0
        self.commits = 0
        self._now = now
        self._last = head.timestamp
        self._position = log.head
        self._pending: list[Commit] = []
        self._arrived: list[Entry] = []
        # What the log has is replayed by means that are there for opening as well, and take it by themselves.
        self._sequence = threading.RLock()
        self._publish = threading.Lock()
        self._closed = False

    def commit(self, transaction: Transaction, source: str, committed: Callable[[Entry], None]) -> Commit:
        """Commit a transaction that has written something. Raises ``Conflict``.

        ``committed`` is called with the commit once it is published, before an interrupt can be delivered: it must
        only mark what has to follow. So it is with what others have appended to the log before.
        """
        for name, part in transaction.parts:
            self.log.stage(name, transaction.changed[name].number, part.segment)
        with deferred:
            with self._sequence:
                commit = self._reserve(transaction, source)
            try:
                self._write_through(commit)
            finally:
                if self._arrived:
                    self._deliver(committed)
            committed(commit)
        return commit

    def _reserve(self, transaction: Transaction, source: str) -> Commit:
        snapshot = transaction.snapshot
        head = self.head
        if transaction.snapshot.catalog is not head.catalog:
            self.conflicts += 1
            raise Conflict(next(iter(transaction.changed)), None, "push")
        if snapshot.timestamp < self.history.floor:
            self.conflicts += 1
            raise Conflict(next(iter(transaction.changed)), None, "")
        if transaction.created:
            self._check_numbers(transaction.created, transaction.replaced)
        later = self.history.since(snapshot.timestamp)
        self._check_tables(transaction.changed, later)
        self._check_reads(transaction.read_set, later)
        self._last = timestamp = max(self._now(), self._last + 1)
        commit = _commit_of(transaction, timestamp, source)
        self.history.add(commit)
        self._pending.append(commit)
        return commit

    def _check_reads(self, read_set: ReadSet, later: Sequence[Commit]) -> None:
        if later:
            found = read_set.conflict(later)
            if found is not None:
                self.conflicts += 1
                dependency, other = found
                raise Conflict(dependency.table, dependency.id, other.source)

    def _check_tables(self, changed: Iterable[str], later: Sequence[Commit]) -> None:
        """Ids of new documents were made for tables that may have been dropped since."""
        for commit in later:
            if commit.replaced:
                for name in changed:
                    if commit.makes_anew(name):
                        self.conflicts += 1
                        raise Conflict(name, None, commit.source)

    def _check_numbers(self, created: Mapping[str, TableState], replaced: frozenset[str]) -> None:
        """Others may have given a number to another table, or another number to this one."""
        tables = self.head.tables
        owners = {state.number: name for name, state in tables.items()}
        for name, state in created.items():
            there = tables.get(name)
            owner = owners.get(state.number, name)
            known = there is None or there.number == state.number or name in replaced
            if not known or (owner != name and owner not in created):
                self.conflicts += 1
                raise Conflict(name, None, "")

    def _write_through(self, commit: Commit) -> None:
        with self._publish:
            if not commit.published and commit.failure is None:
                self._flush()
            if commit.failure is not None:
                raise commit.failure

    def _flush(self) -> None:
        """Append all that is pending and publish it, or note why that failed; ``_publish`` is held."""
        while True:
            with self._sequence:
                batch, self._pending = self._pending, []
            if not batch:
                return
            try:
                moved = self._append(batch)
                if moved is not None:
                    with self._sequence:
                        self._pending[:0] = batch
                        self._let_first(moved)
                    continue
            except BaseException as failure:
                with self._sequence:
                    self.history.withdraw(batch)
                for each in batch:
                    each.failure = failure
                return
            with self._sequence:
                for each in batch:
                    self._published(each)
                return

    def _published(self, commit: Commit) -> None:
        self.head = self.head.apply(commit)
        commit.settle()
        self.commits += 1
        self.history.published(self.head)

    def _append(self, entries: Sequence[Entry]) -> Moved | None:
        positions = self.log.append(self._position, entries)
        if isinstance(positions, Moved):
            return positions
        self._position = positions[-1]
        return None

    # -- others --------------------------------------------------------------------------------------------------

    def follow(self, log: SharedLog, committed: Callable[[Entry], None]) -> bool:
        """Publish what others have appended to the log meanwhile; whether there was something.

        ``committed`` is called with each entry, as in ``commit``.
        """
        with deferred:
            with self._publish:
                moved = log.appended(self._position) if log is self.log else None
                if moved is not None:
                    with self._sequence:
                        self._let_first(moved)
            return self._deliver(committed)

    def _let_first(self, moved: Moved) -> None:
        """Publish what others were first with, and validate what is pending once more; both locks are held."""
        pending, self._pending = self._pending, []
        self.history.withdraw(pending)
        catalog = self.head.catalog
        others: list[Commit] = []
        try:
            for arrival in moved.arrivals:
                entry = arrival.replay()
                self._position = arrival.position
                self._arrived.append(entry)
                if isinstance(entry, Commit):
                    others.append(entry)
        except BaseException as failure:
            for commit in pending:
                commit.failure = failure
            raise
        for commit in pending:
            try:
                if self.head.catalog is not catalog:
                    self.conflicts += 1
                    raise Conflict(next(iter(commit.indexes)), None, "push")
                if commit.created:
                    self._check_numbers(commit.created, commit.replaced)
                self._check_tables(commit.indexes, others)
                if commit.read_set is not None:
                    self._check_reads(commit.read_set, others)
            except Conflict as conflict:
                commit.failure = conflict
            else:
                self._last = commit.timestamp = max(self._now(), self._last + 1)
                self.history.add(commit)
                self._pending.append(commit)

    def _deliver(self, committed: Callable[[Entry], None]) -> bool:
        with self._sequence:
            arrived, self._arrived = self._arrived, []
        for entry in arrived:
            committed(entry)
        return bool(arrived)

    def replay(self, commit: Commit) -> None:
        """Publish a commit that the log has already."""
        with self._sequence:
            self.history.add(commit)
            self.head = self.head.apply(commit)
            commit.settle()
            self._last = commit.timestamp
            self.history.published(self.head)

    def begin_again(self, head: Snapshot) -> None:
        """Go on from a state that the log has, but not all that led there from ours."""
        with self._sequence:
            self.head = head
            self._last = max(self._last, head.timestamp)
            self.history.begin_again(head)

    def replay_push(self, head: Snapshot) -> None:
        """Publish what a push that the log has already made of the head."""
        with self._sequence:
            self.head = head
            self._last = head.timestamp
            self.history.published(head, keep=True)

    @contextmanager
    def _nothing_pending(self) -> Iterator[None]:
        """Both locks, with every commit that has a timestamp published.

        Whoever commits waits for ``_publish`` then, so this begins when each thread has been served once.
        """
        with deferred, self._publish:
            while True:
                with self._sequence:
                    if not self._pending:
                        yield
                        return
                self._flush()

    def change_log(self, make: Callable[[Snapshot], WriteAheadLog]) -> None:
        """Go on with the log that ``make(head)`` gives, which has everything up to this head; no commit in between.

        Raises ``DeploymentClosedError`` once ``close`` was called: nobody would close the new log.
        """
        with self._nothing_pending():
            if self._closed:
                raise DeploymentClosedError("The deployment was closed meanwhile: nothing was saved.")
            self.log = make(self.head)
            self._position = self.log.head

    def close(self) -> None:
        """Release the log, whoever may be using it. Twice is fine."""
        with deferred, self._publish:
            self._closed = True
            self.log.close()

    def reading_history(self) -> AbstractContextManager[object]:
        """The lock under which ``history`` may be read."""
        return self._sequence

    def replace_head(self, change: Callable[[Snapshot], Snapshot | None]) -> bool:
        """Swap the head for what ``change`` makes of it, with no commit in between; whether it made anything.

        For maintenance, which gives the same documents in another form.
        """
        # What is pending was validated against the old head, and must not be published onto the new one.
        with self._nothing_pending():
            head = change(self.head)
            if head is not None:
                self.head = head
            return head is not None

    def push(
        self,
        change: Callable[[Snapshot, int], Snapshot | None],
        follow: Callable[[Snapshot], Transaction],
        source: str,
        committed: Callable[[Entry], None],
    ) -> bool:
        """Put what ``change(head, timestamp)`` gives in force, a state that commits alone do not lead to, and commit
        the transaction that ``follow`` makes on it: both or neither, with no commit in between.

        ``None`` from ``change`` leaves everything as it is; both are asked again where others were first to append.
        ``committed`` is as in ``commit``. Returns whether there was something to put in force.
        """
        with deferred:
            commit = None
            try:
                with self._nothing_pending():
                    entries = self._append_push(change, follow, source)
                    if entries:
                        commit = self._publish_push(*entries)
            finally:
                if self._arrived:
                    self._deliver(committed)
            if commit is not None:
                committed(commit)
            return bool(entries)

    def _append_push(
        self, change: Callable[[Snapshot, int], Snapshot | None], follow: Callable[[Snapshot], Transaction], source: str
    ) -> tuple[Snapshot, Commit | None] | None:
        while True:
            head = change(self.head, max(self._now(), self._last + 1))
            if head is None:
                return None
            created = {name: state for name, state in head.tables.items() if name not in self.head.tables}
            entries: list[Entry] = [Push(head.timestamp, head.schema, created)]
            transaction = follow(head)
            commit = None
            if transaction.has_writes:
                commit = _commit_of(transaction, head.timestamp + 1, source)
                entries.append(commit)
            moved = self._append(entries)
            if moved is None:
                return head, commit
            self._let_first(moved)

    def _publish_push(self, head: Snapshot, commit: Commit | None) -> Commit | None:
        self._last = head.timestamp if commit is None else commit.timestamp
        self.head = head
        self.history.published(head, keep=True)
        if commit is not None:
            self.history.add(commit)
            self._published(commit)
        return commit


def _commit_of(transaction: Transaction, timestamp: int, source: str) -> Commit:
    changed = transaction.changed
    commit = Commit(
        timestamp,
        transaction.writes,
        source,
        {name: state.indexes for name, state in changed.items()},
        transaction.parts,
        transaction.replaced,
        transaction.created,
        transaction.database.mint.last_creation_time,
        transaction.dropped,
    )
    tables = transaction.snapshot.tables
    commit.base = {name: tables.get(name) for name in changed}
    commit.result = changed
    commit.read_set = transaction.read_set
    return commit


def empty_snapshot(timestamp: int) -> Snapshot:
    """A database without tables or schema."""
    return Snapshot(timestamp, {}, Catalog(None), {})
