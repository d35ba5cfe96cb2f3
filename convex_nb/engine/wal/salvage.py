"""Reads a damaged file as far as it verifies."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from convex_nb.engine.database import Database
from convex_nb.engine.part import Part
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.snapshot import Catalog, Snapshot
from convex_nb.engine.system_tables import definition_of
from convex_nb.engine.table import TableState
from convex_nb.engine.wal.checkpoint import Manifest, rows_of_chunks
from convex_nb.engine.wal.disk import sidecar
from convex_nb.engine.wal.milestones import places_of_root
from convex_nb.engine.wal.records import CommitRecord, ElsewhereRecord, decode_documents, decode_record
from convex_nb.engine.wal.recovery import replay
from convex_nb.engine.wal.rows import Blob
from convex_nb.engine.wal.segment_chunks import read_rows
from convex_nb.engine.wal.sidecar import breaks_off_early
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.engine.wal.storage_file import PAGE_BYTES, StorageFile
from convex_nb.language.errors import StorageCorruptError

if TYPE_CHECKING:
    from convex_nb.engine.wal.records import AnyRecord
    from convex_nb.language.documents import Document
    from convex_nb.language.schema import SchemaDefinition

T = TypeVar("T")

_PATIENCE: Final = 1000
"""So many numbers in a row under which nothing can be read are taken for the end."""
_PAGE_COUNT: Final = 28
"""Where SQLite's first page says how many there are."""


class Salvage:
    """A copy of a file, which it may change; ``lost`` says what does not verify, one sentence each."""

    def __init__(self, path: Path) -> None:
        self.lost: list[str] = []
        self._path = path
        self._file = self._open()
        self._tables: dict[str, dict[str, Document]] = {}
        self._numbers: dict[str, int] = {}
        self._segments: dict[Blob, Segment | None] = {}
        self._took_all = False

    def _open(self) -> StorageFile:
        if breaks_off_early(sidecar(self._path)):
            self.lost.append("The newest commits: SQLite's sidecar is damaged before them, and cannot be read further.")
        try:
            return StorageFile.open_read_only(self._path, verify=False)
        except DamagedError as error:
            what = error.what
        if self._path.stat().st_size >= PAGE_BYTES:
            self._replace_first_page()
            with suppress(DamagedError):
                return StorageFile.open_read_only(self._path, verify=False)
        raise StorageCorruptError(f"Nothing could be read of it: {what}. Nothing was saved.", path=str(self._path))

    def _replace_first_page(self) -> None:
        """It says the same in every file, but for the number of pages and what only writing needs."""
        with tempfile.TemporaryDirectory() as scratch:
            fresh = Path(scratch) / "fresh"
            StorageFile.build(Path(scratch) / "new").finish(fresh)
            pages = bytearray(fresh.read_bytes())
        size = self._path.stat().st_size // PAGE_BYTES * PAGE_BYTES
        struct.pack_into(">I", pages, _PAGE_COUNT, max(size, len(pages)) // PAGE_BYTES)
        with self._path.open("rb+") as handle:
            handle.write(pages[:PAGE_BYTES])
            # Where even the beginning of a table was cut off, the table is empty.
            handle.seek(size)
            handle.write(pages[size:])

    def database(self) -> Database:
        """A database in memory of all that can be read."""
        try:
            return self._read()
        finally:
            self._file.close()

    def _read(self) -> Database:
        root = self._attempt("Which checkpoint is the newest", self._file.read_root)
        if root is None:
            self._attempt("The name of the file, without which nothing verifies", self._file.read_name)
        timestamp, position, manifest = self._beginning(root)
        if manifest is not None:
            self._read_tables(manifest)
        elif position is None:
            self._read_all_blobs()
        schema = None if manifest is None else manifest.schema
        creation_time = 0.0 if manifest is None else manifest.creation_time
        first = Snapshot(timestamp, self._states(schema), Catalog(schema), {})
        database = Database(first=first, creation_time=creation_time)
        self._replay(database, position)
        for documents in self._tables.values():
            times = [document["_creationTime"] for document in documents.values()]
            if manifest is None and times:
                database.mint.creation_time_passed(max(times))
        return database

    def _beginning(self, root: dict[str, Any] | None) -> tuple[int, int | None, Manifest | None]:
        """The timestamp and the position of the newest checkpoint that can be read, and what it holds, if anything.

        From an older one the log leads to the same documents, as long as all of it can be read.
        """
        if root is None:
            return 1, None, None
        for timestamp, position, checkpoint in reversed(places_of_root(root)):
            if checkpoint is None:
                return timestamp, position, None
            manifest = self._attempt("", self._manifest, checkpoint)
            if manifest is not None:
                return manifest.timestamp, position, manifest
        self.lost.append("What the newest checkpoint holds: it does not verify, and there is no older one that does.")
        return root["timestamp"], None, None

    def _attempt(self, what: str, read: Callable[..., T], *arguments: object) -> T | None:
        """What ``read`` gives, or ``None`` where it is damaged; ``what`` is lost then, unless it is empty."""
        try:
            return read(*arguments)
        except DamagedError as error:
            if what:
                self.lost.append(f"{what}: {error.what} does not verify.")
            return None

    # -- the newest checkpoint ---------------------------------------------------------------------------------

    def _manifest(self, blob: Blob) -> Manifest:
        return Manifest.of_chunks(self._file.chunks(blob))

    def _read_tables(self, manifest: Manifest) -> None:
        for name, number, parts, recent in manifest.tables:
            documents = self._documents(name, number)
            for blob, dead in parts:
                what = f"Which rows of a segment of {name!r} were deleted or replaced (they may be there again)"
                gone = set(self._attempt(what, self._dead_rows, dead) or ()) if dead is not None else set()
                for row, document in self._rows(name, blob):
                    if row not in gone:
                        documents[document["_id"]] = document
            for place in range(0 if recent is None else recent.chunks):
                what = f"Some recent documents of {name!r}"
                for document in self._attempt(what, self._recent, recent, place) or ():
                    documents[document["_id"]] = document

    def _dead_rows(self, blob: Blob) -> list[int]:
        return rows_of_chunks(self._file.chunks(blob))

    def _recent(self, blob: Blob, place: int) -> list[Document]:
        return decode_documents(self._chunk(blob, place)).documents

    def _rows(self, name: str, blob: Blob) -> Iterator[tuple[int, Document]]:
        """The rows of a segment that can be read, with their numbers."""
        for place in range(blob.chunks):
            rows = self._attempt(f"Some documents of {name!r}", lambda at: read_rows(self._chunk(blob, at)), place)
            if rows is not None:
                piece = Segment(rows.columns)
                yield from enumerate(piece.documents(range(piece.num_rows)), rows.first)

    def _chunk(self, blob: Blob, place: int) -> bytes:
        data = self._file.chunk(blob.number, place)
        if data is None:
            raise DamagedError(f"chunk {place + 1} of {blob.chunks}")
        return data

    # -- without a checkpoint ----------------------------------------------------------------------------------

    def _read_all_blobs(self) -> None:
        """Everything that is there: what was written later counts for more."""
        self.lost.append("Which documents had been deleted before the newest checkpoint (they may be there again).")
        self._took_all = True
        for number, _ in self._readable("Blobs", 1, partial(self._file.chunk, place=0)):
            for _, data in self._readable(f"Chunks of blob {number}", 0, partial(self._file.chunk, number)):
                self._take(data)

    def _take(self, data: bytes) -> None:
        rows = self._attempt("", read_rows, data)
        if rows is not None:
            piece = Segment(rows.columns)
            documents = piece.documents(range(piece.num_rows))
            self._documents(rows.table, rows.number).update({each["_id"]: each for each in documents})
            return
        recent = self._attempt("", decode_documents, data)
        if recent is not None:
            self._documents(recent.table, recent.number).update({each["_id"]: each for each in recent.documents})

    def _readable(self, what: str, first: int, read: Callable[[int], T | None]) -> Iterator[tuple[int, T]]:
        """What can be read under the numbers from ``first`` on; the stretches in between are lost."""
        number = next_good = first
        damaged = False
        while number - next_good < _PATIENCE:
            try:
                found = read(number)
            except DamagedError:
                found, damaged = None, True
            if found is not None:
                if number > next_good:
                    self.lost.append(f"{what} {next_good} to {number - 1}.")
                yield number, found
                next_good, damaged = number + 1, False
            number += 1
        if damaged:
            self.lost.append(f"{what} from {next_good} on.")

    def _documents(self, name: str, number: int) -> dict[str, Document]:
        if self._numbers.setdefault(name, number) != number:
            # An import has put another table in its place, whose ids carry this number.
            self._numbers[name] = number
            self._tables[name] = {}
        return self._tables.setdefault(name, {})

    def _states(self, schema: SchemaDefinition | None) -> dict[str, TableState]:
        states: dict[str, TableState] = {}
        for name, documents in self._tables.items():
            state = TableState.create(name, self._numbers[name], definition_of(name, schema))
            if documents:
                segment = Segment.from_documents(list(documents.values()), name)
                state = state.with_part(Part.unindexed(segment, state.indexes))
            states[name] = state
        return states

    # -- the log -----------------------------------------------------------------------------------------------

    def _replay(self, database: Database, after: int | None) -> None:
        """Every record that verifies. A write says what its document is now, so one that is lost spoils no other."""
        first = self._file.first_position() if after is None else after + 1
        for position, (_, timestamp, data) in self._readable("Commits", first, self._file.record):
            what = f"Commit {position}"
            record = self._attempt(what, self._decoded, data)
            if isinstance(record, CommitRecord):
                record = self._applicable(database, record, what)
            if record is not None:
                replay(database, record, max(timestamp, database.head.timestamp + 1), self._existing_segment)

    def _decoded(self, data: bytes) -> AnyRecord:
        record = decode_record(data)
        if isinstance(record, ElsewhereRecord):
            return decode_record(b"".join(self._file.chunks(record.blob)))
        return record

    def _applicable(self, database: Database, record: CommitRecord, what: str) -> CommitRecord:
        """The record without what it did to tables whose beginning is lost, and to documents that are not there."""
        tables = database.head.tables
        changed = {name for name, _, _ in record.writes} | {name for name, _ in record.parts} | record.replaced
        unknown = changed - tables.keys() - record.created.keys()
        if unknown:
            self.lost.append(f"{what}: what it did to {', '.join(sorted(unknown))}, whose beginning is lost.")
        known = [(name, id, new) for name, id, new in record.writes if name not in unknown]
        return record._replace(
            writes=[
                (name, id, new)
                for name, id, new in known
                if new is not None or (name in tables and name not in record.replaced and tables[name].owns(id))
            ],
            parts=[
                (name, blob)
                for name, blob in record.parts
                if name not in unknown and (not self._took_all or name in record.replaced) and self._segment(name, blob)
            ],
            replaced=record.replaced - unknown,
            dropped=record.dropped - unknown,
        )

    def _segment(self, name: str, blob: Blob) -> Segment | None:
        if blob not in self._segments:
            documents = [document for _, document in self._rows(name, blob)]
            self._segments[blob] = Segment.from_documents(documents, name) if documents else None
        return self._segments[blob]

    def _existing_segment(self, name: str, blob: Blob) -> Segment:
        segment = self._segment(name, blob)
        assert segment is not None
        return segment
