"""Documents as Arrow tables and DataFrames: no document is made on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from convex_nb.engine.public_columns import public_table
from convex_nb.engine.segment import Segment
from convex_nb.engine.selection import Selection
from convex_nb.engine.table import BY_CREATION_TIME
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray

    from convex_nb.engine.columns import ArrowTable
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document

_NANOSECONDS = 9.2e12
"""Creation times up to here, in milliseconds, are nanoseconds of 64 bits: up to the year 2261."""


def table_to_arrow(state: TableState, fields: Sequence[str] | None = None) -> ArrowTable:
    """All documents in creation order. ``fields`` chooses columns, the system fields included.

    Columns are shared with the storage where nothing was changed since it was written, else copied.
    """
    table = Selection(state, state.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY).to_arrow(fields=fields)
    return empty_columns(state, fields) if table is None else table


def documents_to_arrow(state: TableState, documents: Sequence[Document], fields: Sequence[str] | None) -> ArrowTable:
    """Documents of a table that are in hand, as columns in the order in which they are."""
    if not documents:
        return empty_columns(state, fields)
    table = public_table([(Segment.from_documents(documents, state.name), None)], fields)
    keys = [encode_key(document["_creationTime"], document["_id"]) for document in documents]
    sorted_numbers = sorted(range(len(keys)), key=keys.__getitem__)
    return table.take(pa.array(np.argsort(sorted_numbers)))


def empty_columns(state: TableState, fields: Sequence[str] | None = None) -> ArrowTable:
    """No rows, with the columns that the schema names."""
    from convex_nb.language.schema_arrow import arrow_schema

    if state.definition is not None:
        schema = arrow_schema(state.definition)
    else:
        schema = pa.schema([("_id", pa.string()), ("_creationTime", pa.float64())])
    if fields is not None:
        known = set(schema.names)
        schema = pa.schema([schema.field(name) if name in known else pa.field(name, pa.null()) for name in fields])
    return schema.empty_table()


def to_frame(table: ArrowTable) -> pandas.DataFrame:
    """The DataFrame of public columns.

    ``_creationTime`` becomes a UTC timestamp. Whole numbers and booleans that are not in every row have pandas'
    nullable types, so that they stay what they are; missing text is NaN, missing bytes are None, and a missing float
    is NaN, as a NaN that was stored is.
    """
    import pandas

    if "_creationTime" in table.column_names:
        place = table.column_names.index("_creationTime")
        times = _timestamps(table.column(place).to_numpy())
        table = table.set_column(place, "_creationTime", times)
    frame: pandas.DataFrame = table.to_pandas()
    nullable = {pa.int64(): pandas.Int64Dtype(), pa.bool_(): pandas.BooleanDtype()}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.type in nullable and column.null_count:
            frame[name] = column.to_pandas(types_mapper=nullable.get)
    return frame


def _timestamps(milliseconds: NDArray[np.float64]) -> Any:
    unit, scale = ("ns", 1_000_000) if np.all(np.abs(milliseconds) < _NANOSECONDS) else ("us", 1_000)
    # Whole milliseconds apart from the rest: their product with a million is beyond what a float64 holds exactly.
    whole = np.floor(milliseconds)
    ticks = whole.astype(np.int64) * scale + np.rint((milliseconds - whole) * scale).astype(np.int64)
    return pa.array(ticks, pa.timestamp(unit, tz="UTC"))
