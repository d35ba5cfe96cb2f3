"""Whole tables from outside: frames, Arrow tables and files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from convex_nb.engine.bulk import segment_from_arrow
from convex_nb.engine.committer import Conflict
from convex_nb.engine.offenders import ImportedRowsError, ImportedValuesError
from convex_nb.engine.part import Part
from convex_nb.engine.segment import Segment
from convex_nb.engine.table import BY_CREATION_TIME
from convex_nb.language.errors import InvalidValueError, describe
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    import pyarrow

    from convex_nb.engine.database import Database
    from convex_nb.engine.table import TableState
    from convex_nb.language.schema import TableDefinition

Mode: TypeAlias = Literal["append", "replace"]
Nulls: TypeAlias = Literal["missing", "null"]
Progress: TypeAlias = Callable[[int, int], object]
"""Called with how many rows are done and how many there are."""

BATCH: Final = 65_536
"""Rows between two reports of progress."""


def as_arrow(data: Any) -> pyarrow.Table:
    """Return a frame (pandas, polars, or anything that speaks Arrow), or the content of a CSV or Parquet file."""
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    if isinstance(data, (str, PathLike)):
        return _read_file(Path(data))
    if type(data).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(data, preserve_index=False)
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    raise InvalidValueError(
        "import_table takes a DataFrame, an Arrow table, or the path of a CSV or Parquet file, and nothing was "
        f"imported of {describe(data, 80)}. Write `pandas.DataFrame(rows)` for a list of dicts, or `db.insert_many` in "
        "a mutation.",
        value=data,
    )


def _read_file(path: Path) -> pyarrow.Table:
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path)
    if name.endswith((".csv", ".csv.gz", ".csv.bz2", ".tsv", ".tsv.gz")):
        import pyarrow.csv

        separator = "\t" if ".tsv" in name else ","
        return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=separator))
    raise InvalidValueError(
        f"{str(path)!r} is not a CSV or Parquet file by its name, and nothing was imported. Read it with pandas or "
        "polars, and import the frame.",
        value=str(path),
    )


def import_rows(
    database: Database,
    table: str,
    rows: pyarrow.Table,
    mode: Mode,
    nulls: Nulls,
    progress: Progress | None,
) -> None:
    """Add the rows of an Arrow table to `table` as one commit, in place of what it holds where `mode` is "replace".

    Raises `SchemaValidationError` and `InvalidValueError` naming the first ten offending rows; nothing is imported
    then.
    """
    while True:
        head = database.head
        state = head.table(table) or database.new_table(table, head.catalog)
        definition = state.definition if database.validates(head) else None
        segments = list(_segments(database, state, definition, rows, nulls, progress))
        transaction = database.begin(head)
        if segments:
            segment = segments[0] if len(segments) == 1 else Segment.concat([(each, None) for each in segments])
            transaction.add_part(table, Part.build(segment, state.indexes), replace=mode == "replace")
        elif mode == "replace":
            for document in transaction.read(table, BY_CREATION_TIME, MIN_KEY, MAX_KEY):
                transaction.delete(document["_id"], table)
        try:
            database.commit(transaction, "import")
        except Conflict:
            # Another schema was pushed meanwhile: the rows have to fit that one.
            continue
        break
    if progress is not None:
        progress(rows.num_rows, rows.num_rows)


def _segments(
    database: Database,
    state: TableState,
    definition: TableDefinition | None,
    rows: pyarrow.Table,
    nulls: Nulls,
    progress: Progress | None,
) -> Iterator[Segment]:
    first = database.creation_times(rows.num_rows)
    for start in range(0, rows.num_rows, BATCH):
        if progress is not None:
            progress(start, rows.num_rows)
        try:
            yield segment_from_arrow(
                rows.slice(start, BATCH),
                table_name=state.name,
                table_number=state.number,
                # Reserved times are evenly spaced, so the sum is exact.
                creation_time=first + start * math.ulp(first),
                random=database.random_bytes,
                definition=definition,
                tables=database.table_names,
                nulls=nulls,
            )
        except (ImportedRowsError, ImportedValuesError) as error:
            offenders = [each._replace(row=each.row + start) for each in error.offenders]
            raise type(error)(state.name, offenders) from None
