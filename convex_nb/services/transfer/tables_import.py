"""All tables of a deployment, put in place in one commit: out of a ZIP file, a backup, or the past."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from convex_nb.engine.committer import Conflict
from convex_nb.engine.system_tables import is_system_table
from convex_nb.language.errors import ConvexNbError, InvalidValueError
from convex_nb.language.ids import decode_id
from convex_nb.language.qualified_names import qualified
from convex_nb.services.files.file_table import TABLE as FILE_TABLE
from convex_nb.services.files.incoming import Arrived, FileSource, add_files, arriving, table_numbers_of
from convex_nb.services.transfer.source import Source
from convex_nb.services.transfer.table_import import Rows, TableImport, add_rows, all_kept_ids
from convex_nb.services.transfer.table_numbers import TableNumbers, document_count

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.transaction import Transaction

ZipMode: TypeAlias = Literal["fail", "append", "replace", "replace_all"]


class TableSource(Source, Protocol):
    """The documents of a table that bring their ids."""

    def first_id(self) -> str | None:
        """The id of the first one, if there is one and it has one."""
        ...


class Content(NamedTuple):
    """The tables of a deployment, the numbers that their ids carry, and the files."""

    tables: Mapping[str, TableSource]
    numbers: Mapping[str, int]
    files: FileSource = ()


def import_content(
    database: Database, content: Content, mode: ZipMode, progress: Callable[[int, int], object]
) -> dict[str, int]:
    """Import all tables as one commit, or none; how many documents each had.

    `fail` takes only tables without documents, `append` adds to them, `replace` puts the documents in their place,
    `replace_all` empties all other tables as well. Files that are missing are added, none is deleted. Ids and creation
    times are kept. Raises `SchemaValidationError`,
    `InvalidValueError` and `InvalidIdError`; nothing changes then.
    """
    with arriving(database, content.files) as arrived:
        while True:
            try:
                return _import(database, content, mode, arrived, progress)
            except Conflict:
                # Another schema was pushed meanwhile, or somebody filled a table that has to be empty.
                continue


def _import(
    database: Database,
    content: Content,
    mode: ZipMode,
    arrived: list[Arrived],
    progress: Callable[[int, int], object],
) -> dict[str, int]:
    preview = database.begin()
    numbers = _prepare(database, preview, content, mode)
    imported: dict[str, tuple[TableImport, list[Rows]]] = {}
    done = 0
    for table, rows in content.tables.items():
        job = TableImport(database, preview.snapshot, table, rows, names=numbers.names, state=preview.table(table))
        pieces: list[Rows] = []
        for piece in job.pieces():
            pieces.append(piece)
            done += piece.segment.num_rows
            progress(done, 0)
        imported[table] = job, pieces
    transaction = database.begin()
    if transaction.snapshot.catalog is not preview.snapshot.catalog:
        raise Conflict(next(iter(content.tables), ""), None, "push")
    final = _prepare(database, transaction, content, mode)
    filled = [table for table, (_, pieces) in imported.items() if pieces]
    if [final.number(table) for table in filled] != [numbers.number(table) for table in filled]:
        raise Conflict(next(iter(content.tables), ""), None, "import")
    for table, (job, pieces) in imported.items():
        number = job.check_ids(all_kept_ids(pieces), transaction.table(table))
        if number is not None:
            final.check(table, number)
        add_rows(transaction, table, pieces)
    add_files(transaction, arrived)
    final.commit(transaction)
    progress(done, done)
    counts = {table: sum([piece.segment.num_rows for piece in pieces]) for table, (_, pieces) in imported.items()}
    return {**counts, FILE_TABLE: len(arrived)} if len(content.files) else counts


def _prepare(database: Database, transaction: Transaction, content: Content, mode: ZipMode) -> TableNumbers:
    """Empty what has to be empty, and give each table the number that its ids carry."""
    if mode == "fail":
        filled = [table for table in content.tables if document_count(transaction, table)]
        if filled:
            raise InvalidValueError(
                f"These tables have documents: {', '.join(map(repr, filled))}. Nothing was imported. Say "
                '`mode="append"` to add to them, `mode="replace"` to put the ZIP\'s documents in their place, or '
                '`mode="replace_all"` to empty all other tables as well.',
                value=filled[0],
            )
    elif mode != "append":
        emptied = list(content.tables)
        if mode == "replace_all":
            emptied += [name for name in transaction.snapshot.tables if not is_system_table(name)]
        for table in dict.fromkeys(emptied):
            transaction.recreate(table)
    numbers = TableNumbers(database)
    for component, file_number in table_numbers_of(content.files).items():
        numbers.claim(transaction, qualified(component, FILE_TABLE), file_number)
    without: list[str] = []
    for table, rows in content.tables.items():
        number = _number_in(rows.first_id())
        if number is None:
            without.append(table)
        else:
            numbers.claim(transaction, table, number)
    for table in without:
        state = transaction.table(table)
        number = content.numbers.get(table)
        if number is not None and (state is None or not len(state)) and numbers.is_free(transaction, number):
            numbers.claim(transaction, table, number)
        elif state is None:
            transaction.recreate(table)
    return numbers


def _number_in(id: str | None) -> int | None:
    if id is None:
        return None
    try:
        return decode_id(id)[0]
    except ConvexNbError:
        # The document that has it says what is wrong, and where.
        return None
