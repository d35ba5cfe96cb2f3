"""Data in and out of a deployment: rows into tables, tables into files, everything into a ZIP file and back."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from convex_nb.deployment.data.progress import shown_progress
from convex_nb.deployment.data.tables import Table
from convex_nb.deployment.foundation import Foundation
from convex_nb.engine.names import check_table_name
from convex_nb.engine.postgres.address import refuse_address
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.qualified_names import qualified
from convex_nb.services.targets import target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convex_nb.deployment.data.importing import Format, Infer, Mode, Nulls
    from convex_nb.deployment.data.progress import Progress
    from convex_nb.engine.files.file_store import FileStore
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.services.transfer.tables_import import ZipMode
    from convex_nb.services.transfer.upserting import Records, Upserted


class Transfer(Foundation):
    """What a deployment does with files of data."""

    def import_table(
        self,
        table: str,
        data: Any,
        mode: Mode = "append",
        *,
        format: Format | None = None,
        nulls: Nulls = "missing",
        infer: Infer = "convex",
        encoding: str = "utf-8",
        chunk_rows: int | None = None,
        first_row: int = 0,
        component: str = "",
        progress: Progress | None = None,
    ) -> Table:
        """Import a frame, an Arrow table, a list of dicts, or a file, as one commit: all rows, or none.

        Files are CSV, JSON lines, JSON, Parquet or Arrow, by their name or by `format`. `mode="append"` adds the rows,
        `"replace"` puts them in place of the table's documents, `"fail"` takes only an empty table. `_id` and
        `_creationTime` are kept where rows have them. A null in a column is a missing field, or null with
        `nulls="null"`. Cells of a CSV file are numbers or text; with `infer="typed"` booleans and times too.
        With `chunk_rows` it is a commit for so many rows, and what ends it says from which `first_row` it goes on.
        With `component` the table is one of the component at this path.
        `progress(done, total)` is called on the way, in place of the line that is shown when it takes long.

        Raises `SchemaValidationError`, `InvalidValueError` and `InvalidIdError` with the first ten offending rows.
        Costs about a microsecond a row, column and index; some microseconds a document of JSON.
        """
        from convex_nb.deployment.data.importing import RowsToImport

        self._check_open()
        refuse_address(data, "imported")
        if isinstance(table, str) and table.startswith("_"):
            raise InvalidValueError(
                f"The system table {table!r} cannot be imported: nothing was. Files come back with `import_zip`.",
                value=table,
            )
        target = Table(table, self._head, component)
        with shown_progress(f"importing {table}", progress) as report:
            rows = RowsToImport(
                data=data,
                mode=mode,
                format=format,
                nulls=nulls,
                infer=infer,
                encoding=encoding,
                chunk_rows=chunk_rows,
                first_row=first_row,
            )
            rows.into(self._database, qualified(component, table), report)
        self._after_commit()
        return target

    def upsert_records(
        self,
        table: str,
        records: Any,
        key: str | Sequence[str],
        *,
        batch_rows: int | None = None,
        component: str = "",
    ) -> Upserted:
        """Bring in records that are kept elsewhere, as one commit: one whose `key` a document has takes its place.

        `records` are dicts, or a frame; `key` is the field, or the fields, that tell them from one another, dotted
        paths among them. Of records with the same key the last one counts. A document keeps its `_id` and
        `_creationTime`, and one that is the same already is not written. With `batch_rows` it is a commit for so many
        records. Returns how many were inserted, replaced and unchanged. An index on the key is not needed, but used.

        Raises `SchemaValidationError`, `InvalidValueError` and `SchemaDefinitionError`, and says which record it was.
        Costs some tens of microseconds a record, and sorting the table by the key once where no index does.
        """
        from convex_nb.deployment.data.upserting import upsert_all

        self._check_open()
        whole_name = qualified(component, check_table_name(table))
        try:
            return upsert_all(self._database, whole_name, records, key, batch_rows)
        finally:
            self._after_commit()

    def import_records(self, *batches: Records) -> Upserted:
        """The same for several tables as one commit: `Records(table, key, records)`; without a key all are added."""
        from convex_nb.services.transfer.upserting import upsert

        self._check_open()
        done = upsert(self._database, batches)
        self._after_commit()
        return done

    def import_zip(
        self, path: str | PathLike[str] | BinaryIO, mode: ZipMode = "fail", *, progress: Progress | None = None
    ) -> dict[str, int]:
        """Import a ZIP file that `export`, or Convex itself, wrote, as one commit; how many documents each table had.

        Ids and creation times are kept; stored files that are missing are added. `mode="fail"` takes only tables
        without documents, `"append"` adds to them, `"replace"` puts the documents in place of those tables',
        `"replace_all"` empties all other tables as well. Raises `SchemaValidationError`, `InvalidValueError` and
        `InvalidIdError`; nothing changes then. Costs about ten microseconds a document.
        """
        from convex_nb.services.transfer.tables_import import import_content
        from convex_nb.services.transfer.zip_import import opened_zip

        self._check_open()
        refuse_address(path, "imported")
        if mode not in ("fail", "append", "replace", "replace_all"):
            raise InvalidValueError(f"mode is 'fail', 'append', 'replace' or 'replace_all', not {mode!r}.", value=mode)
        file = Path(path).expanduser() if isinstance(path, (str, PathLike)) else path
        name = file.name if isinstance(file, Path) else "the file"
        with shown_progress(f"importing {name}", progress) as report, opened_zip(file, name) as content:
            counts = import_content(self._database, content, mode, report)
        self._after_commit()
        return counts

    def export(
        self,
        path: str | PathLike[str],
        table: str | None = None,
        *,
        component: str = "",
        include_files: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Write all tables to a ZIP file, or one to a CSV, JSON, Parquet or Arrow file; return the file's path.

        With `component` that one is a table of the component at this path; the ZIP has those of all components.
        It is one moment's state, while commits go on. The ZIP keeps every type and id, and the stored files unless
        `include_files=False`; Convex imports it. In a folder it is called `snapshot_<timestamp>.zip`. A file of that
        name is replaced once the new one is complete.
        Raises `StorageError` and `InvalidValueError`. Costs some microseconds a document.
        """
        files = self._database.files if include_files else None
        return export_snapshot(self._head(), path, table, progress, files, component)


def export_snapshot(
    snapshot: Snapshot,
    path: str | PathLike[str],
    table: str | None,
    progress: Progress | None,
    files: FileStore | None,
    component: str = "",
) -> Path:
    """Write a snapshot, or one table of it: see `Transfer.export`."""
    from convex_nb.services.transfer.table_export import export_table
    from convex_nb.services.transfer.zip_export import export_zip

    refuse_address(path, "exported")
    if not isinstance(path, (str, PathLike)):
        raise InvalidValueError(f"export() takes the path of a file, not {describe(path, 80)}.", value=path)
    if table is not None:
        place = Path(path).expanduser()
        state = snapshot.tables.get(qualified(component, check_table_name(table)))
        if state is None:
            raise InvalidValueError(f"There is no table {table!r}: nothing was exported.", value=table)
        with shown_progress(f"exporting {table}", progress) as report:
            export_table(state, place, report)
        return place
    place = target(path, f"snapshot_{snapshot.timestamp}.zip")
    if place.suffix.lower() != ".zip":
        raise InvalidValueError(
            f"{place.name} is not the name of a ZIP file, which all tables go to: nothing was exported. For one table "
            f"say which, as in `export({place.name!r}, table='tasks')`.",
            value=str(path),
        )
    with shown_progress(f"exporting {place.name}", progress) as report:
        export_zip(snapshot, place, report, files)
    return place
