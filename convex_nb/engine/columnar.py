"""Documents as Arrow tables and DataFrames: no document is made on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.public_columns import public_table
from convex_nb.engine.segment import Segment
from convex_nb.engine.selection import Selection
from convex_nb.engine.table import BY_CREATION_TIME
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray

    from convex_nb.engine.columns import ArrowArray, ArrowTable
    from convex_nb.engine.part import Part
    from convex_nb.engine.selection import Rows
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document

ALIVE: Final = "$alive"
"""No field is called so."""

_NANOSECONDS: Final = 9.2e12
"""Milliseconds since the epoch up to here are nanoseconds of 64 bits: the year 2261."""
_MILLISECONDS: Final = 8.64e15
"""Beyond this there are no dates in Convex."""
_BLOCK: Final = 16_384
"""So many numbers at a time stay in the processor's cache, and take no fresh memory."""


def table_to_arrow(state: TableState, fields: Sequence[str] | None = None) -> ArrowTable:
    """All documents in creation order. ``fields`` chooses columns, the system fields included.

    Columns are shared with the storage where nothing was changed since it was written, else copied.
    """
    table = Selection(state, state.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY).to_arrow(fields=fields)
    return empty_columns(state, fields) if table is None else table


def table_with_dead_rows(state: TableState) -> ArrowTable:
    """All documents in any order, columns shared. Where rows are dead a column ``ALIVE`` tells those that are not."""
    parts: list[tuple[Segment, Rows | None]] = [(part.segment, None) for part in state.parts if len(part)]
    masks = [_alive(part) for part in state.parts if len(part)]
    for segment, rows, _ in state.recent_columns.located(state.recent(), state.name):
        parts.append((segment, None if len(rows) == segment.num_rows else rows))
        masks.append(pa.array(np.ones(len(rows), np.bool_)))
    if not parts:
        return empty_columns(state)
    table = public_table(parts)
    return table.append_column(ALIVE, pa.chunked_array(masks)) if any(part.dead[0] for part in state.parts) else table


def _alive(part: Part) -> Any:
    alive = np.ones(part.segment.num_rows, np.bool_)
    alive[part.dead_rows()] = False
    return pa.array(alive)


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

    place = table.schema.get_field_index("_creationTime")
    if place >= 0 and table.column(place).type == pa.float64():
        table = table.set_column(place, "_creationTime", _timestamps(table.column(place)))
    # Mostly columns are shared or copied at once: threads cost more than they bring, above all on a busy machine.
    frame: pandas.DataFrame = table.to_pandas(use_threads=False)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and column.type in (pa.int64(), pa.bool_()):
            nullable = {pa.int64(): pandas.Int64Dtype(), pa.bool_(): pandas.BooleanDtype()}
            frame[name] = column.to_pandas(types_mapper=nullable.get)
    return frame


def _timestamps(milliseconds: ArrowArray) -> ArrowArray:
    """Milliseconds as UTC timestamps, exactly; as they are where one of them is no time."""
    absent = None
    if milliseconds.null_count:
        absent = milliseconds.is_null().to_numpy()
        milliseconds = pc.fill_null(milliseconds, 0.0)
    numbers: NDArray[np.float64] = milliseconds.to_numpy()
    most = max(abs(numbers.min()), abs(numbers.max())) if len(numbers) else 0.0
    # Not less: also true of NaN.
    if not most < _MILLISECONDS:
        return milliseconds
    unit, scale = ("ns", 1_000_000) if most < _NANOSECONDS else ("us", 1_000)
    # Whole milliseconds apart from the rest: their product with a million is beyond what a float64 holds exactly.
    ticks = np.empty(len(numbers), np.int64)
    rests = np.empty(min(len(numbers), _BLOCK))
    rounded = np.empty(len(rests), np.int64)
    for start in range(0, len(numbers), _BLOCK):
        block = numbers[start : start + _BLOCK]
        whole = ticks[start : start + _BLOCK]
        rest = rests[: len(block)]
        whole[:] = block
        np.subtract(block, whole, out=rest)
        rest *= scale
        np.rint(rest, out=rest)
        rounded[: len(block)] = rest
        whole *= scale
        whole += rounded[: len(block)]
    return pa.array(ticks, pa.timestamp(unit, tz="UTC"), mask=absent)
