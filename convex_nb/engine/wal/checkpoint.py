"""Checkpoints: a snapshot written to the file piece by piece, beside commits, so that the log before it can go.

What a snapshot consists of is immutable: segments, the dead rows of each, the recent documents of each table. Each is
written once, as a blob, and later checkpoints refer to it for as long as the snapshot still has the same object.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from convex_nb.engine.steps import finished
from convex_nb.engine.wal.records import encode_documents
from convex_nb.engine.wal.rows import CHUNK_BYTES, Blob
from convex_nb.engine.wal.segment_chunks import segment_to_chunks
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.language.schema_json import schema_from_json, schema_to_json

if TYPE_CHECKING:
    from convex_nb.engine.part import Part
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.steps import Steps
    from convex_nb.engine.table import TableState
    from convex_nb.engine.wal.milestones import Milestones
    from convex_nb.engine.wal.storage import Storage
    from convex_nb.language.schema import SchemaDefinition


class PartEntry(NamedTuple):
    """A segment of a table, and its dead rows."""

    segment: Blob
    dead: Blob | None


class TableEntry(NamedTuple):
    """A table of a checkpoint."""

    name: str
    number: int
    parts: list[PartEntry]
    recent: Blob | None


class Manifest(NamedTuple):
    """What a checkpoint holds: one snapshot, and the last creation time that had been given out."""

    timestamp: int
    creation_time: float
    schema: SchemaDefinition | None
    tables: list[TableEntry]
    logged: list[int]
    """The numbers of the blobs that the log refers to between the milestone before this checkpoint and this."""
    dropped: list[tuple[int, str]]
    """The tables that were dropped."""

    def blobs(self) -> Iterator[int]:
        """The numbers of the blobs that its snapshot consists of."""
        for table in self.tables:
            for part in table.parts:
                yield part.segment.number
                if part.dead is not None:
                    yield part.dead.number
            if table.recent is not None:
                yield table.recent.number

    def to_chunks(self) -> Iterator[bytes]:
        """The manifest as bytes, in pieces."""
        form = self._replace(schema=None if self.schema is None else schema_to_json(self.schema))  # type: ignore[arg-type]
        return in_pieces(json.dumps({"manifest": form}).encode())

    @classmethod
    def of_chunks(cls, chunks: Iterable[bytes]) -> Manifest:
        """The manifest whose pieces these are. Raises `DamagedError`."""
        try:
            timestamp, creation_time, schema, tables, *more = json.loads(b"".join(chunks))["manifest"]
            return cls(
                timestamp,
                creation_time,
                None if schema is None else schema_from_json(schema),
                [
                    TableEntry(name, number, [PartEntry(Blob(*s), _blob(d)) for s, d in parts], _blob(recent))
                    for name, number, parts, recent in tables
                ],
                more[0] if more else [],
                [(number, name) for number, name in more[1]] if len(more) > 1 else [],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"a checkpoint ({error})") from None


def _blob(form: Any) -> Blob | None:
    return None if form is None else Blob(*form)


def in_pieces(data: bytes) -> Iterator[bytes]:
    """Bytes cut into chunks."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


class Copies:
    """Which objects the file has a copy of, and the numbers of blobs. Holds no object alive. Any thread may use it."""

    def __init__(self, last_number: int) -> None:
        self._blobs: WeakKeyDictionary[Any, Blob] = WeakKeyDictionary()
        self._things: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._numbers = count(last_number + 1)
        self._lock = threading.Lock()

    def new_number(self) -> int:
        """A number that no blob has."""
        return next(self._numbers)

    def find(self, thing: object) -> Blob | None:
        """The copy of an object, if there is one."""
        return self._blobs.get(thing)

    def of(self, blob: Blob) -> Any:
        """An object in memory that a blob is a copy of, or ``None``."""
        return self._things.get(blob.number)

    def add(self, thing: object, blob: Blob) -> None:
        """The file has a copy of this object."""
        with self._lock:
            self._blobs[thing] = blob
            self._things[blob.number] = thing

    def forget(self, numbers: set[int]) -> None:
        """These blobs are about to be deleted."""
        with self._lock:
            for number in numbers:
                thing = self._things.pop(number, None)
                blob = None if thing is None else self._blobs.get(thing)
                if blob is not None and blob.number == number:
                    del self._blobs[thing]


class ChunkWriter:
    """Writes blobs in transactions of about a megabyte, so that commits pass in between."""

    def __init__(self, file: Storage, purpose: str) -> None:
        self._file = file
        self._purpose = purpose
        self._waiting: list[tuple[int, int, bytes]] = []
        self._bytes = 0

    def write(self, number: int, chunks: Iterable[bytes]) -> Steps[Blob]:
        """Write a blob; a step ends where a transaction does. The last chunks wait for the next ``flush``."""
        place = 0
        for chunk in chunks:
            if self._bytes + len(chunk) > CHUNK_BYTES and self._waiting:
                self.flush()
                yield
            self._waiting.append((number, place, chunk))
            self._bytes += len(chunk)
            place += 1
        return Blob(number, place)

    def write_whole(self, number: int, chunks: Iterable[bytes]) -> Blob:
        """Write a blob to its end."""
        blob = finished(self.write(number, chunks))
        self.flush()
        return blob

    def flush(self) -> None:
        """Write what waits, in a transaction."""
        with self._file.transaction(self._purpose):
            self.flush_inside()

    def flush_inside(self) -> None:
        """Write what waits, inside a transaction."""
        for number, place, chunk in self._waiting:
            self._file.write_chunk(number, place, chunk)
        self._waiting = []
        self._bytes = 0


class Checkpoint(NamedTuple):
    """A checkpoint that is complete."""

    root: dict[str, Any]
    """The root that leads to it."""
    milestones: Milestones
    """What the file keeps now, this one as the newest."""


def write_checkpoint(
    file: Storage,
    copies: Copies,
    root: Mapping[str, Any],
    following: Milestones,
    head: Snapshot,
    creation_time: float,
) -> Steps[Checkpoint]:
    """Write a checkpoint of ``head`` in steps. It counts from the last one on, which writes the root with it.

    ``following`` are the milestones that there will be, this one as the newest.
    """
    writer = ChunkWriter(file, "write a checkpoint")
    snapshot = _SnapshotWriter(writer, copies)
    tables = yield from snapshot.write(head)
    logged, dropped = sorted(following.newest.logged), sorted(head.dropped.items())
    manifest = Manifest(head.timestamp, creation_time, head.schema, tables, logged, dropped)
    blob = yield from writer.write(copies.new_number(), manifest.to_chunks())
    milestones = following.completed(blob, {blob.number, *manifest.blobs()})
    root = {**root, **milestones.root()}
    with file.transaction("finish a checkpoint"):
        writer.flush_inside()
        file.write_root(root)
    for thing, copy in snapshot.fresh:
        copies.add(thing, copy)
    return Checkpoint(root, milestones)


class _SnapshotWriter:
    """Writes those parts of a snapshot that the file has no copy of yet."""

    def __init__(self, writer: ChunkWriter, copies: Copies) -> None:
        self._writer = writer
        self._copies = copies
        self.fresh: list[tuple[object, Blob]] = []
        """What was written: copies once the checkpoint is complete."""

    def write(self, head: Snapshot) -> Steps[list[TableEntry]]:
        """Write in steps; what the snapshot then consists of."""
        tables: list[TableEntry] = []
        for state in head.tables.values():
            parts: list[PartEntry] = []
            for part in state.parts:
                chunks = partial(segment_to_chunks, part.segment, state.name, state.number)
                segment = yield from self._copy(part.segment, chunks)
                dead = None
                if part.dead[0]:
                    dead = yield from self._copy(part.dead[0], partial(_dead_chunks, part))
                parts.append(PartEntry(segment, dead))
            recent = None
            if state.live[0]:
                recent = yield from self._copy(state.live[0], partial(_recent_chunks, state))
            tables.append(TableEntry(state.name, state.number, parts, recent))
        return tables

    def _copy(self, thing: object, chunks: Callable[[], Iterable[bytes]]) -> Steps[Blob]:
        blob = self._copies.find(thing)
        if blob is None:
            blob = yield from self._writer.write(self._copies.new_number(), chunks())
            self.fresh.append((thing, blob))
        return blob


def _dead_chunks(part: Part) -> Iterator[bytes]:
    import numpy

    return in_pieces(numpy.array(part.dead_rows(), "<i4").tobytes())


def _recent_chunks(state: TableState) -> Iterator[bytes]:
    return encode_documents(state.name, state.number, state.recent())


def rows_of_chunks(chunks: Iterable[bytes]) -> list[int]:
    """The numbers of dead rows that a checkpoint wrote."""
    import numpy

    rows: list[int] = numpy.frombuffer(b"".join(chunks), "<i4").tolist()
    return rows
