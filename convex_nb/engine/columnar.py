"""Documents as Arrow tables and DataFrames: no document is made on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from convex_nb.engine.public_columns import Chosen, public_table
from convex_nb.engine.segment import Segment
from convex_nb.engine.selection import Selection
from convex_nb.engine.shapes import declared_columns
from convex_nb.engine.table import BY_CREATION_TIME
from convex_nb.engine.timestamps import timestamps
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key

if TYPE_CHECKING:
    import pandas

    from convex_nb.engine.columns import ArrowTable
    from convex_nb.engine.part import Part
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document

ALIVE: Final = "$alive"
"""No field is called so."""


def table_to_arrow(state: TableState, fields: Sequence[str] | None = None, *, times: bool = False) -> ArrowTable:
    """All documents in creation order. ``fields`` chooses columns, the system fields included.

    Columns are shared with the storage where nothing was changed since it was written, else copied.
    """
    whole = Selection(state, state.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY)
    return whole.to_arrow(fields=fields, times=times)


def table_with_dead_rows(state: TableState, fields: Sequence[str] | None = None) -> ArrowTable:
    """All documents in any order, columns shared. Where rows are dead a column ``ALIVE`` tells those that are not."""
    alive = [part for part in state.parts if len(part)]
    parts = [Chosen(part.segment, dead=np.array(part.dead_rows()) if part.dead[0] else None) for part in alive]
    masks = [_alive(part) for part in alive]
    for segment, rows, _ in state.recent_columns.located(state.recent(), state.name):
        parts.append(Chosen(segment, None if len(rows) == segment.num_rows else rows))
        masks.append(pa.array(np.ones(len(rows), np.bool_)))
    table = public_table(parts, fields, declared_columns(state.definition))
    return (
        table.append_column(ALIVE, pa.chunked_array(masks)) if any(part.dead is not None for part in parts) else table
    )


def _alive(part: Part) -> Any:
    alive = np.ones(part.segment.num_rows, np.bool_)
    alive[part.dead_rows()] = False
    return pa.array(alive)


def documents_to_arrow(
    state: TableState, documents: Sequence[Document], fields: Sequence[str] | None = None, *, times: bool = False
) -> ArrowTable:
    """Documents of a table that are in hand, as columns in the order in which they are."""
    parts = [Chosen(Segment.from_documents(documents, state.name))] if documents else []
    table = public_table(parts, fields, declared_columns(state.definition), times=times)
    keys = [encode_key(document["_creationTime"], document["_id"]) for document in documents]
    sorted_numbers = sorted(range(len(keys)), key=keys.__getitem__)
    return table.take(pa.array(np.argsort(sorted_numbers)))


def to_frame(table: ArrowTable) -> pandas.DataFrame:
    """The DataFrame of public columns.

    ``_creationTime`` becomes a UTC timestamp. Whole numbers and booleans that are not in every row have pandas'
    nullable types, so that they stay what they are; missing text is NaN, missing bytes are None, and a missing float
    is NaN, as a NaN that was stored is. Lists are numpy arrays, and objects are dicts.
    """
    import pandas

    place = table.schema.get_field_index("_creationTime")
    if place >= 0 and table.column(place).type == pa.float64():
        table = table.set_column(place, "_creationTime", timestamps(table.column(place)))
    # Mostly columns are shared or copied at once: threads cost more than they bring, above all on a busy machine.
    frame: pandas.DataFrame = table.to_pandas(
        use_threads=False,
        maps_as_pydicts="strict",
        # Whole numbers in a list stay whole beside a null.
        integer_object_nulls=any(pa.types.is_nested(type_) for type_ in table.schema.types),
    )
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and column.type in (pa.int64(), pa.bool_()):
            nullable = {pa.int64(): pandas.Int64Dtype(), pa.bool_(): pandas.BooleanDtype()}
            frame[name] = column.to_pandas(types_mapper=nullable.get)
    return frame
