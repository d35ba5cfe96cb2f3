"""One import into one table, from its first row to its commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convex_nb.engine.committer import Conflict
from convex_nb.language.errors import InvalidValueError
from convex_nb.services.transfer.source import StartAgain
from convex_nb.services.transfer.table_import import TableImport, add_rows, all_kept_ids
from convex_nb.services.transfer.table_numbers import TableNumbers, document_count

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.services.transfer.source import Source
    from convex_nb.services.transfer.table_import import Mode, Nulls, Progress, Rows


def import_rows(
    database: Database, table: str, source: Source, mode: Mode, nulls: Nulls, progress: Progress | None
) -> None:
    """Import all rows as one commit, or none of them.

    `append` adds them, `replace` puts them in place of what the table holds, `fail` adds them to a table that is empty.
    Raises `SchemaValidationError`, `InvalidValueError` and `InvalidIdError`; nothing is imported then.
    """
    while True:
        head = database.head
        if mode == "fail":
            _refuse_documents(table, len(head.tables.get(table, ())))
        try:
            job = TableImport(database, head, table, source, nulls=nulls, progress=progress, replaces=mode == "replace")
            pieces = list(job.pieces())
            _commit(database, job, pieces, mode)
        except (StartAgain, Conflict):
            # Cells that were misread, or another schema that was pushed meanwhile and that rows have to fit.
            continue
        except MemoryError:
            raise MemoryError(
                f'There is not enough memory to import these rows into "{table}" at once: nothing was imported. Import '
                "them in chunks, with `chunk_rows=500_000`, best from a CSV or Parquet file; and keep less else."
            ) from None
        break
    if progress is not None:
        rows = sum([piece.segment.num_rows for piece in pieces])
        progress(rows, rows)


def import_chunks(
    database: Database,
    table: str,
    source: Source,
    mode: Mode,
    nulls: Nulls,
    progress: Progress | None,
    chunk_rows: int,
    first_row: int,
) -> None:
    """Import the rows from `first_row` on in commits of about `chunk_rows`: memory for one of them is enough.

    Whatever ends it, also an interrupt, leaves the chunks before it in the table and a note that says with which
    `first_row` it goes on.
    """
    source.settle()
    done = first_row
    if mode == "fail" and not first_row:
        _refuse_documents(table, len(database.head.tables.get(table, ())))
    try:
        while True:
            job = TableImport(database, database.head, table, source, nulls=nulls, progress=progress)
            try:
                pieces: list[Rows] = []
                rows = 0
                for piece in job.pieces(done):
                    pieces.append(piece)
                    rows += piece.segment.num_rows
                    if rows >= chunk_rows:
                        _commit(database, job, pieces, "append")
                        done += rows
                        pieces, rows = [], 0
                        job.state = database.head.tables[table]
                _commit(database, job, pieces, "append")
                done += rows
                break
            except Conflict:
                # Another schema was pushed meanwhile: what is left has to fit that one.
                continue
    except BaseException as error:
        if isinstance(error, MemoryError):
            error.args = (f'There is not enough memory for the next chunk of rows of "{table}".',)
        error.add_note(
            f'{done - first_row:,} rows were imported into "{table}" before that. To go on after them: '
            f"first_row={done}."
        )
        raise
    if progress is not None:
        progress(done, done)


def _refuse_documents(table: str, count: int) -> None:
    if count:
        raise InvalidValueError(
            f'The table "{table}" has {count:,} documents: nothing was imported. Say `mode="append"` to add to them, '
            'or `mode="replace"` to put the rows in their place.'
        )


def _commit(database: Database, job: TableImport, pieces: list[Rows], mode: Mode) -> None:
    transaction = database.begin()
    if transaction.snapshot.catalog is not job.head.catalog:
        raise Conflict(job.table, None, "push")
    numbers = TableNumbers(database)
    if mode == "fail":
        _refuse_documents(job.table, document_count(transaction, job.table))
    if mode == "replace":
        transaction.recreate(job.table)
    number = job.check_ids(all_kept_ids(pieces), transaction.table(job.table))
    if number is not None:
        numbers.claim(transaction, job.table, number)
    add_rows(transaction, job.table, pieces)
    numbers.commit(transaction)
