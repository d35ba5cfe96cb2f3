"""Rows from a source into a table: segments made of batches, and the ids that they bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy
import pyarrow as pa

from convex_nb.engine.bulk.bulk import repeated_ids, segment_from_arrow
from convex_nb.engine.bulk.import_documents import segment_from_documents
from convex_nb.engine.bulk.offenders import MOST, ImportedRowsError, ImportedValuesError, Offender, refuse
from convex_nb.engine.part import Part
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.ids_columnar import id_table_numbers

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.table import TableState
    from convex_nb.engine.transaction import Transaction
    from convex_nb.services.transfer.source import Batch, Source

Mode: TypeAlias = Literal["append", "replace", "fail"]
Nulls: TypeAlias = Literal["missing", "null"]
Progress: TypeAlias = Callable[[int, int], object]
"""Called with how many rows are done and how many there are; 0 where that is not known before the end."""


class Rows(NamedTuple):
    """Rows of a table as a segment, and the ids that they brought, in the order of the rows (null where none)."""

    segment: Segment
    kept_ids: Any


class TableImport:
    """Makes documents of the rows of a source: one table, as of one snapshot's schema."""

    def __init__(
        self,
        database: Database,
        head: Snapshot,
        table: str,
        source: Source,
        *,
        nulls: Nulls = "missing",
        progress: Progress | None = None,
        names: Mapping[int, str] | None = None,
        replaces: bool = False,
        state: TableState | None = None,
    ) -> None:
        self.head = head
        self.table = table
        self.source = source
        if state is None:
            state = head.table(table)
        self.state = database.new_table(table, head.catalog) if state is None else state
        self._database = database
        self._definition = self.state.definition if database.validates(head, self.state.name) else None
        self._nulls: Nulls = nulls
        self._progress = progress
        self._names = database.table_names if names is None else names
        # A table without documents takes over the number of the ids that it is given.
        self._takes_number = names is None and (replaces or not len(self.state))

    def pieces(self, first_row: int = 0) -> Iterator[Rows]:
        """The rows, a batch at a time. Raises `SchemaValidationError` and `InvalidValueError` with offenders."""
        row = 0
        for batch in self.source.batches():
            count = len(batch)
            skipped = min(max(first_row - row, 0), count)
            row += skipped
            if skipped == count and count:
                continue
            if self._progress is not None:
                self._progress(row, self.source.total)
            rest = batch if not skipped else batch[skipped:] if isinstance(batch, list) else batch.slice(skipped)
            if len(rest):
                yield self._piece(rest, row)
            row += len(rest)

    def _piece(self, batch: Batch, row: int) -> Rows:
        if self._takes_number:
            self._takes_number = False
            self._take_number(batch)
        options: dict[str, Any] = {
            "table_name": self.table,
            "table_number": self.state.number,
            "creation_time": self._database.mint.creation_times(len(batch)),
            "random": self._database.random_bytes,
            "definition": self._definition,
            "tables": self._names,
        }
        try:
            if isinstance(batch, list):
                return Rows(*segment_from_documents(batch, **options))
            segment = segment_from_arrow(batch, nulls=self._nulls, keep_system_fields=True, **options)
            ids = (
                batch.column("_id").cast(pa.string())
                if "_id" in batch.column_names
                else pa.nulls(len(batch), pa.string())
            )
            return Rows(segment, ids)
        except (ImportedRowsError, ImportedValuesError) as error:
            raise type(error)(self.table, [self.located(each, row) for each in error.offenders]) from None

    def _take_number(self, batch: Batch) -> None:
        """Documents may refer to one another by the ids that they bring."""
        if isinstance(batch, list):
            id = batch[0].get("_id") if isinstance(batch[0], Mapping) else None
        else:
            id = batch["_id"][0].as_py() if "_id" in batch.column_names else None
        if isinstance(id, str):
            number = int(id_table_numbers(pa.array([id]))[0])
            if number:
                self._names = {**self._names, number: self.table}

    def located(self, offender: Offender, first: int) -> Offender:
        """An offender of a batch that began at this row, with its place in the whole."""
        row = offender.row + first
        return offender._replace(row=row, place=self.source.place(row))

    def check_ids(self, kept: Any, state: TableState | None) -> int | None:
        """The table number in the ids that were given, ``None`` where none was.

        ``state`` is what stays beside the new documents. Raises `InvalidValueError` for ids that are there already, or
        twice, or of several tables.
        """
        if kept.null_count == len(kept):
            return None
        refuse(self.table, [self.located(each, 0) for each in repeated_ids(kept)])
        numbers = id_table_numbers(kept)
        present = numpy.unique(numbers[numbers > 0])
        if len(present) > 1:
            own = self.state.number
            if own not in present:
                own = max(present, key=lambda number: int((numbers == number).sum()))
            rows = numpy.flatnonzero((numbers != own) & (numbers > 0))[:MOST]
            self._refuse_ids(rows, kept, "This is an id of another table.")
        if state is not None and len(state):
            taken = [row for row, id in enumerate(kept.to_pylist()) if id is not None and state.owns(id)]
            self._refuse_ids(taken[:MOST], kept, "The table has a document with this id already.")
        return int(present[0])

    def _refuse_ids(self, rows: Any, kept: Any, reason: str) -> None:
        refuse(self.table, [self.located(Offender(int(row), "_id", reason, kept[int(row)].as_py()), 0) for row in rows])


def add_rows(transaction: Transaction, table: str, pieces: list[Rows]) -> None:
    """Add documents to a table, as one segment."""
    segments = [rows.segment for rows in pieces if rows.segment.num_rows]
    if segments:
        segment = segments[0] if len(segments) == 1 else Segment.concat([(each, None) for each in segments])
        # Built here, so that no reader has to.
        _ = segment.lookup
        state = transaction.table_or_new(table)
        transaction.add_part(table, Part.build(segment, state.indexes))


def all_kept_ids(pieces: list[Rows]) -> Any:
    """The ids that the rows brought, in their order."""
    arrays = [chunk for rows in pieces for chunk in (getattr(rows.kept_ids, "chunks", None) or [rows.kept_ids])]
    return pa.concat_arrays(arrays) if arrays else pa.nulls(0, pa.string())
