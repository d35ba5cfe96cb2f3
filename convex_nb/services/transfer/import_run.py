"""One import into one table, from its first row to its commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from convex_nb.engine.committer import Conflict
from convex_nb.language.errors import InvalidValueError
from convex_nb.services.transfer.source import StartAgain
from convex_nb.services.transfer.table_import import TableImport, add_rows, all_kept_ids
from convex_nb.services.transfer.table_numbers import TableNumbers, document_count

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.services.transfer.source import Source
    from convex_nb.services.transfer.table_import import Mode, Nulls, Progress, Rows


@dataclass(frozen=True, slots=True)
class ImportRun:
    """Brings the rows of a source into a table, in one commit or in several.

    `append` adds them, `replace` puts them in place of what the table holds, `fail` adds them to a table that is empty.
    Raises `SchemaValidationError`, `InvalidValueError` and `InvalidIdError`.
    """

    database: Database
    table: str
    source: Source
    mode: Mode
    nulls: Nulls
    progress: Progress | None

    def at_once(self) -> None:
        """Import all rows as one commit, or none of them."""
        while True:
            head = self.database.head
            if self.mode == "fail":
                self._refuse_documents(len(head.tables.get(self.table, ())))
            try:
                job = self._job(head, replaces=self.mode == "replace")
                pieces = list(job.pieces())
                self._commit(job, pieces, self.mode)
            except (StartAgain, Conflict):
                # Cells that were misread, or another schema that was pushed meanwhile and that rows have to fit.
                continue
            except MemoryError:
                raise MemoryError(
                    f'There is not enough memory to import these rows into "{self.table}" at once: nothing was '
                    "imported. Import them in chunks, with `chunk_rows=500_000`, best from a CSV or Parquet file; and "
                    "keep less else."
                ) from None
            break
        if self.progress is not None:
            rows = sum([piece.segment.num_rows for piece in pieces])
            self.progress(rows, rows)

    def in_chunks(self, chunk_rows: int, first_row: int) -> None:
        """Import the rows from `first_row` on in commits of about `chunk_rows`: memory for one of them is enough.

        `replace` is not for this. Whatever ends it, also an interrupt, leaves the chunks before it in the table and a
        note that says with which `first_row` it goes on.
        """
        self.source.settle()
        done = first_row
        if self.mode == "fail" and not first_row:
            self._refuse_documents(len(self.database.head.tables.get(self.table, ())))
        try:
            while True:
                job = self._job(self.database.head)
                try:
                    pieces: list[Rows] = []
                    rows = 0
                    for piece in job.pieces(done):
                        pieces.append(piece)
                        rows += piece.segment.num_rows
                        if rows >= chunk_rows:
                            self._commit(job, pieces, "append")
                            done += rows
                            pieces, rows = [], 0
                            job.state = self.database.head.tables[self.table]
                    self._commit(job, pieces, "append")
                    done += rows
                    break
                except Conflict:
                    # Another schema was pushed meanwhile: what is left has to fit that one.
                    continue
        except BaseException as error:
            if isinstance(error, MemoryError):
                error.args = (f'There is not enough memory for the next chunk of rows of "{self.table}".',)
            error.add_note(
                f'{done - first_row:,} rows were imported into "{self.table}" before that. To go on after them: '
                f"first_row={done}."
            )
            raise
        if self.progress is not None:
            self.progress(done, done)

    def _job(self, head: Snapshot, *, replaces: bool = False) -> TableImport:
        return TableImport(
            self.database,
            head,
            self.table,
            self.source,
            nulls=self.nulls,
            progress=self.progress,
            replaces=replaces,
        )

    def _refuse_documents(self, count: int) -> None:
        if count:
            raise InvalidValueError(
                f'The table "{self.table}" has {count:,} documents: nothing was imported. Say `mode="append"` to add '
                'to them, or `mode="replace"` to put the rows in their place.'
            )

    def _commit(self, job: TableImport, pieces: list[Rows], mode: Mode) -> None:
        transaction = self.database.begin()
        if transaction.snapshot.catalog is not job.head.catalog:
            raise Conflict(self.table, None, "push")
        numbers = TableNumbers(self.database)
        if mode == "fail":
            self._refuse_documents(document_count(transaction, self.table))
        if mode == "replace":
            transaction.recreate(self.table)
        number = job.check_ids(all_kept_ids(pieces), transaction.table(self.table))
        if number is not None:
            numbers.claim(transaction, self.table, number)
        add_rows(transaction, self.table, pieces)
        numbers.commit(transaction)
