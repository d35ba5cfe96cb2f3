"""A whole frame inserted inside a transaction: a column at a time, beside what else it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convex_nb.engine.bulk.bulk import segment_from_arrow
from convex_nb.engine.bulk.import_frames import frame_to_arrow
from convex_nb.engine.part import Part
from convex_nb.language.errors import ReadOnlyError
from convex_nb.language.values import Id

if TYPE_CHECKING:
    from convex_nb.engine.transaction import Transaction


def insert_frame(transaction: Transaction, table: str, frame: Any) -> list[Id]:
    """Insert the rows of a frame; their ids in the same order.

    Raises `SchemaValidationError` and `InvalidValueError` naming the first ten offending rows, and `LimitError`. Costs
    about a microsecond a row and index.
    """
    if not transaction.writable:
        raise ReadOnlyError(f"a query cannot write to the table {table!r}: nothing was written. Use a mutation.")
    rows = frame_to_arrow(frame)
    if not rows.num_rows:
        return []
    database, state = transaction.database, transaction.table_or_new(table)
    segment = segment_from_arrow(
        rows,
        table_name=table,
        table_number=state.number,
        creation_time=database.mint.creation_times(rows.num_rows),
        random=database.random_bytes,
        definition=state.definition if database.validates(transaction.snapshot, state.name) else None,
        tables=database.table_names,
    )
    transaction.usage.add_rows(segment.num_rows, segment.nbytes)
    transaction.add_part(table, Part.build(segment, state.indexes))
    return [Id(id, table) for id in segment.columns["_id"].values.to_pylist()]
