"""What a durable file holds, as a database: the newest checkpoint, and the log replayed over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from convex_nb.engine.commit import Commit, Push
from convex_nb.engine.committer import empty_snapshot
from convex_nb.engine.garbage import no_collections
from convex_nb.engine.history import DEFAULT_RETENTION_NS
from convex_nb.engine.part import Part
from convex_nb.engine.schema_push import prepare
from convex_nb.engine.snapshot import Catalog, Snapshot
from convex_nb.engine.system_tables import definition_of
from convex_nb.engine.table import TableState
from convex_nb.engine.table_index import table_indexes
from convex_nb.engine.wal.checkpoint import Copies, Manifest, TableEntry, rows_of_chunks
from convex_nb.engine.wal.milestones import Milestone, Milestones, places_of_root
from convex_nb.engine.wal.protocol import LoggedEntry
from convex_nb.engine.wal.records import (
    AnyRecord,
    CommitRecord,
    ElsewhereRecord,
    PushRecord,
    decode_documents,
    decode_record,
)
from convex_nb.engine.wal.rows import Blob
from convex_nb.engine.wal.segment_chunks import segment_of_chunks
from convex_nb.engine.wal.storage_errors import DamagedError, of_table
from convex_nb.engine.write import Write

if TYPE_CHECKING:
    from convex_nb.engine.commit import Entry
    from convex_nb.engine.database import Database
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.wal.storage import Storage
    from convex_nb.language.schema import SchemaDefinition

LoadSegment: TypeAlias = "Callable[[str, Blob], Segment]"
"""Gives the segment of a table that a blob holds."""


class LoggedRecord(NamedTuple):
    """A record of the log, and what it takes."""

    entry: LoggedEntry
    record: CommitRecord | PushRecord
    nbytes: int


class Contents:
    """What a file holds, as objects of the engine. Raises `DamagedError` for anything that does not verify."""

    def __init__(self, file: Storage, copies: Copies, others: Copies | None = None) -> None:
        """``copies`` are noted as they are read; segments that they or ``others`` know are taken from memory."""
        self._file = file
        self._copies = copies
        self._known = (copies,) if others is None else (copies, others)

    def manifest(self, checkpoint: Blob) -> Manifest:
        """What a checkpoint consists of."""
        return Manifest.of_chunks(self._file.chunks(checkpoint))

    def snapshot(self, manifest: Manifest) -> Snapshot:
        """The snapshot of a checkpoint. Costs what reading its bytes costs."""
        tables = {entry.name: self._table(entry, manifest.schema) for entry in manifest.tables}
        return Snapshot(manifest.timestamp, tables, Catalog(manifest.schema), dict(manifest.dropped))

    def _table(self, entry: TableEntry, schema: SchemaDefinition | None) -> TableState:
        definition = definition_of(entry.name, schema)
        indexes = table_indexes(definition)
        parts: list[Part] = []
        with of_table(entry.name):
            for segment, dead in entry.parts:
                part = Part.unindexed(self.segment(entry.name, segment), indexes)
                if dead is not None:
                    part = part.without(rows_of_chunks(self._file.chunks(dead)), indexes)
                    self._copies.add(part.dead[0], dead)
                parts.append(part)
            table = TableState.over(entry.name, entry.number, definition, indexes, tuple(parts))
            if entry.recent is not None:
                pieces = [decode_documents(chunk).documents for chunk in self._file.chunks(entry.recent)]
                table = table.with_live([document for piece in pieces for document in piece])
                self._copies.add(table.live[0], entry.recent)
        return table

    def segment(self, table: str, blob: Blob) -> Segment:
        """The segment of a table that a blob holds."""
        for copies in self._known:
            known: Segment | None = copies.of(blob)
            if known is not None:
                return known
        with of_table(table):
            segment = segment_of_chunks(self._file.chunks(blob))
        self._copies.add(segment, blob)
        return segment

    def records(self, after: int) -> Iterator[LoggedRecord]:
        """The log after a position, in order."""
        for position, timestamp, data in self._file.records(after):
            yield self.logged(position, timestamp, data)

    def logged(self, position: int, timestamp: int, data: bytes) -> LoggedRecord:
        """One record of the log, read."""
        blobs: tuple[int, ...] = ()
        record = decode_record(data)
        nbytes = len(data)
        if isinstance(record, ElsewhereRecord):
            blobs = (record.blob.number,)
            whole = b"".join(self._file.chunks(record.blob))
            nbytes += len(whole)
            record = decode_record(whole)
        if isinstance(record, ElsewhereRecord):
            raise DamagedError(f"record {position} of the log")
        if isinstance(record, CommitRecord):
            blobs += tuple([blob.number for _, blob in record.parts])
        return LoggedRecord(LoggedEntry(position, timestamp, blobs), record, nbytes)

    def replay(self, database: Database, logged: LoggedRecord) -> Entry:
        """Do again what a record says."""
        try:
            return replay(database, logged.record, logged.entry.timestamp, self.segment)
        except (KeyError, AssertionError) as error:
            raise DamagedError(f"record {logged.entry.position} of the log ({error!r})") from None


class Recovery:
    """Reads a file, once. Raises `DamagedError` for anything that does not verify."""

    def __init__(self, file: Storage, copies: Copies | None = None) -> None:
        """``copies`` are to be noted as they are read."""
        file.read_name()
        self.root = file.read_root()
        self.copies = Copies(file.last_blob()) if copies is None else copies
        self.entries: list[LoggedEntry] = []
        self.logged_bytes = 0
        self._contents = Contents(file, self.copies)
        self._manifests = [
            None if blob is None else self._contents.manifest(blob) for _, _, blob in places_of_root(self.root)
        ]
        *older, newest = map(_milestone, places_of_root(self.root), self._manifests)
        self.milestones = Milestones(tuple(older), newest, self.root.get("skipped", 0))

    def retention(self, asked: int | None) -> int:
        """How many nanoseconds of the past the file is to keep."""
        return asked if asked is not None else int(self.root.get("retention", DEFAULT_RETENTION_NS))

    @property
    def position(self) -> int:
        """The position of the newest record that was read."""
        return self.entries[-1].position if self.entries else self.milestones.newest.position

    def first(self) -> tuple[Snapshot, float]:
        """The snapshot of the newest checkpoint, and the last creation time that had been given out then."""
        manifest = self._manifests[-1]
        if manifest is None:
            return empty_snapshot(self.root["timestamp"]), 0.0
        return self._contents.snapshot(manifest), manifest.creation_time

    def replay(self, database: Database) -> None:
        """Bring a database that began at ``first`` up to the newest record."""
        with no_collections():
            for logged in self._contents.records(self.root["position"]):
                self._contents.replay(database, logged)
                self.logged_bytes += logged.nbytes
                self.entries.append(logged.entry)


def _milestone(place: tuple[int, int, Blob | None], manifest: Manifest | None) -> Milestone:
    timestamp, position, checkpoint = place
    if checkpoint is None or manifest is None:
        return Milestone(timestamp, position, None, frozenset(), frozenset())
    blobs = frozenset({checkpoint.number, *manifest.blobs()})
    return Milestone(manifest.timestamp, position, checkpoint, blobs, frozenset(manifest.logged))


def replay(database: Database, record: AnyRecord, timestamp: int, load: LoadSegment) -> Entry:
    """Do again what a record says. Costs O(writes), and nothing is validated: it was when it was logged."""
    if isinstance(record, PushRecord):
        for name, number in record.created.items():
            database.register.remember(name, number)
        tables = prepare(database, database.head, record.schema, again=True)
        database.committer.replay_push(Snapshot(timestamp, tables, Catalog(record.schema), database.head.dropped))
        return Push(timestamp, record.schema, {name: tables[name] for name in record.created})
    assert isinstance(record, CommitRecord)
    commit = _commit(database, record, timestamp, load)
    database.committer.replay(commit)
    database.mint.creation_time_passed(record.creation_time)
    return commit


def _commit(database: Database, record: CommitRecord, timestamp: int, load: LoadSegment) -> Commit:
    head = database.head
    created: dict[str, TableState] = {}
    for name, number in record.created.items():
        database.register.remember(name, number)
        created[name] = TableState.create(name, number, definition_of(name, head.schema))
    tables = {**created, **head.tables}
    for name in record.replaced:
        tables[name] = created.get(name, tables[name]).empty()
    parts: list[tuple[str, Part]] = []
    for name, blob in record.parts:
        part = Part.unindexed(load(name, blob), tables[name].indexes)
        tables[name] = tables[name].with_part(part)
        parts.append((name, part))
    writes: list[Write] = []
    for name, id, new in record.writes:
        table = tables[name]
        old = table.get(id)
        assert old is not None or new is not None, f"{id} is not there"
        old_keys = None if old is None else table.keys_of(old)
        new_keys = None if new is None else table.keys_of(new)
        writes.append(Write(name, id, old, new, old_keys, new_keys))
    changed = {write.table for write in writes} | {name for name, _ in parts} | record.replaced
    return Commit(
        timestamp,
        tuple(writes),
        record.source,
        {name: tables[name].indexes for name in changed},
        tuple(parts),
        record.replaced,
        created,
        record.creation_time,
        record.dropped,
    )
