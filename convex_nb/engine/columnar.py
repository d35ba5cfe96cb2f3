"""A table, or a range of one of its indexes, as an Arrow table: no document is made on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.public_columns import public_table
from convex_nb.engine.segment import Segment

if TYPE_CHECKING:
    from convex_nb.engine.columns import ArrowTable
    from convex_nb.engine.table import TableState

SYSTEM_COLUMNS = ("_id", "_creationTime")


def table_to_arrow(state: TableState, fields: Sequence[str] | None = None) -> ArrowTable:
    """All documents in creation order. ``fields`` chooses columns, the system fields included.

    Columns are shared with the storage where nothing was changed since it was written, else copied.
    """
    sources: list[tuple[Segment, Any]] = [(part.segment, part.alive_rows()) for part in state.parts if len(part)]
    recent = state.recent()
    if recent:
        sources.append((Segment.from_documents(recent, state.name), None))
    if not sources:
        return empty_columns(state, fields)
    if len(sources) == 1:
        return public_table(sources, fields)
    wanted = None if fields is None else list(dict.fromkeys((*fields, *SYSTEM_COLUMNS)))
    table = public_table(sources, wanted)
    times = table.column("_creationTime").to_numpy()
    if not bool(np.all(times[:-1] < times[1:])):
        table = table.take(pc.sort_indices(table, [("_creationTime", "ascending"), ("_id", "ascending")]))
    return table if fields is None else table.select(list(fields))


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
