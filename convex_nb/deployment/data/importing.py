"""What `dep.import_table` takes: frames, lists and files, as rows to import."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb.engine.bulk.import_frames import frame_to_arrow, is_frame
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.validators import ObjectValidator
from convex_nb.services.transfer.csv_source import CsvSource, Infer, check_infer
from convex_nb.services.transfer.frame_source import ArrowFileSource, FrameSource, ListSource, ParquetSource
from convex_nb.services.transfer.import_run import ImportRun
from convex_nb.services.transfer.input_file import Format, InputFile
from convex_nb.services.transfer.json_source import JsonArraySource, JsonLinesSource
from convex_nb.services.transfer.table_import import Mode, Nulls, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.engine.database import Database
    from convex_nb.language.validators import Validator
    from convex_nb.services.transfer.source import Source

__all__ = ["Format", "Infer", "Mode", "Nulls", "Progress", "RowsToImport"]

_CHOICES: dict[str, tuple[str, ...]] = {"mode": ("append", "replace", "fail"), "nulls": ("missing", "null")}
Data: TypeAlias = Any
"""A frame of pandas or polars, an Arrow table or whatever gives one, a list of dicts, a path, or an open file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsToImport:
    """What is imported, how it is read, and how it is put into the table: see `Deployment.import_table`.

    Raises `InvalidValueError` for words that mean nothing.
    """

    data: Data
    mode: Mode
    format: Format | None
    nulls: Nulls
    infer: Infer
    encoding: str
    chunk_rows: int | None
    first_row: int

    def __post_init__(self) -> None:
        for name, given in (("mode", self.mode), ("nulls", self.nulls)):
            if given not in _CHOICES[name]:
                *others, last = map(repr, _CHOICES[name])
                raise InvalidValueError(f"{name} is {', '.join(others)} or {last}, not {given!r}.", value=given)
        check_infer(self.infer)

    def into(self, database: Database, table: str, progress: Progress | None) -> None:
        """Import them into a table. Raises the errors of `Deployment.import_table`."""
        run = ImportRun(database, table, self._source(database, table), self.mode, self.nulls, progress)
        chunk_rows, first_row = self.chunk_rows, self.first_row
        if chunk_rows is None and not first_row:
            run.at_once()
            return
        if self.mode == "replace":
            raise InvalidValueError(
                'mode="replace" is all or nothing, and chunk_rows= is not: nothing was imported. Replace with the '
                "first part, and append the others.",
                value=self.mode,
            )
        if not all(
            type(each) is int and each >= least
            for each, least in ((1 if chunk_rows is None else chunk_rows, 1), (first_row, 0))
        ):
            raise InvalidValueError(
                "chunk_rows is a whole number from 1 on, first_row one from 0 on.", value=chunk_rows
            )
        run.in_chunks(chunk_rows or 2**62, first_row)

    def _source(self, database: Database, table: str) -> Source:
        data = self.data
        if is_frame(data):
            return FrameSource(frame_to_arrow(data))
        if isinstance(data, list):
            return ListSource(data)
        if not isinstance(data, (str, PathLike)) and not hasattr(data, "read"):
            raise InvalidValueError(
                "import_table takes a DataFrame, an Arrow table, a list of dicts, or the path of a CSV, JSON, Parquet "
                f"or Arrow file, and nothing was imported of {describe(data, 80)}. Write `pandas.DataFrame(data)` for "
                "a dict of columns.",
                value=data,
            )
        file = InputFile(data, self.format)
        if file.format == "parquet":
            return ParquetSource(file)
        if file.format == "arrow":
            return ArrowFileSource(file)
        if file.format == "json":
            return JsonArraySource(file)
        if file.format == "jsonl":
            return JsonLinesSource(file, table)
        fields = _fields_of(database, table)
        return CsvSource(file, table, fields, infer=self.infer, encoding=self.encoding)


def _fields_of(database: Database, table: str) -> Mapping[str, Validator] | None:
    """What the schema says of the fields of a table, where it has to be kept."""
    head = database.head
    state = head.tables.get(table)
    definition = None if head.schema is None else head.schema.tables.get(table)
    if definition is None and state is not None:
        definition = state.definition
    validator = definition.validator if definition is not None and database.validates(head, table) else None
    return validator.fields if isinstance(validator, ObjectValidator) else None
