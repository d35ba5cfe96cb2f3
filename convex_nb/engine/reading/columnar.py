"""Documents as Arrow tables and DataFrames: no document is made on the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from convex_nb.engine.reading.selection import Selection
from convex_nb.engine.segments.public_columns import Chosen, columns_of, field_names, public_column, public_table
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.segments.shapes import declared_columns
from convex_nb.engine.segments.timestamps import timestamps
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray

    from convex_nb.engine.segments.columns import ArrowArray, ArrowTable
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


class TableColumns:
    """All documents of a table at one snapshot as columns, in any order; each is made when it is first asked for."""

    __slots__ = ("_alive", "_columns", "_declared", "_made", "_parts")

    def __init__(self, state: TableState) -> None:
        """Costs O(recent and dead documents)."""
        alive = [part for part in state.parts if len(part)]
        parts = [Chosen(part.segment, dead=np.array(part.dead_rows()) if part.dead[0] else None) for part in alive]
        masks = [_alive(part) for part in parts]
        for segment, rows, _ in state.recent_columns.located(state.recent(), state.name):
            parts.append(Chosen(segment, None if len(rows) == segment.num_rows else rows))
            masks.append(np.ones(len(rows), np.bool_))
        self._parts = parts
        # Without the dead rows every column would have to be copied; a mask costs whoever scans them little.
        self._alive = pa.chunked_array(masks, pa.bool_()) if any(part.dead is not None for part in parts) else None
        self._columns = [columns_of(part.segment, None) for part in parts]
        self._declared = declared_columns(state.definition)
        self._made: dict[str, ArrowArray | None] = {}

    @classmethod
    def of(cls, state: TableState) -> TableColumns:
        """Those of a state of a table, which keeps them."""
        if state.columns is None:
            # Two threads may both make them; either are right, so no lock.
            state.columns = cls(state)
        return state.columns

    def table(self, names: Collection[str] | None = None) -> ArrowTable:
        """The columns as an Arrow table, those whose names in lower case are among ``names`` at least.

        Where rows are dead a column ``ALIVE`` tells those that are not. Has at least one column.
        """
        fields = list(field_names(self._columns, self._declared))
        if names is not None and len({field.lower() for field in fields}) == len(fields):
            # Where names differ in case only SQL gives some of them other names.
            fields = [field for field in fields if field.lower() in names] or ["_id"]
        found = {field: column for field in fields if (column := self._column(field)) is not None}
        return pa.table(found if self._alive is None else found | {ALIVE: self._alive})

    def _column(self, field: str) -> ArrowArray | None:
        if field not in self._made:
            held = [each.get(field) for each in self._columns]
            self._made[field] = public_column(field, self._parts, held, self._declared)
        return self._made[field]


def _alive(part: Chosen) -> NDArray[np.bool_]:
    alive = np.ones(part.segment.num_rows, np.bool_)
    if part.dead is not None:
        alive[part.dead] = False
    return alive


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
