"""What a function has returned, by columns: of the types that the same values have in a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from convex_nb.language.documents import Document

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from convex_nb.language.schema import SchemaDefinition, TableDefinition


def result_to_arrow(value: Any, schema: SchemaDefinition | None = None, tables: Iterable[str] = ()) -> pyarrow.Table:
    """Return a result as an Arrow table: a column for each field of a list of objects, `value` of anything else.

    Documents as they are in a table have the columns of `dep.table(name).arrow()`; so has an empty list of a function
    that reads one table, `tables`. Missing and null are both null. Costs O(n).
    """
    import pyarrow

    from convex_nb.engine.segments.layout import MISSING
    from convex_nb.engine.segments.shapes import NOTHING, Shape, array_of, declared_columns, settled, shape_of

    rows: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(row, Mapping) for row in rows):
        return pyarrow.table({"value": array_of(rows, settled(NOTHING, [shape_of(rows)]))})
    table = _table_of(rows, tables)
    definition: TableDefinition | None = None if table is None or schema is None else schema.tables.get(table)
    declared: dict[str, Shape] = {}
    if definition is not None:
        declared = {"_id": Shape("string"), "_creationTime": Shape("float"), **declared_columns(definition)}
    columns = {}
    for name in dict.fromkeys(chain(declared, chain.from_iterable(rows))):
        values = [row.get(name, MISSING) for row in rows]
        told = declared.get(name, NOTHING)
        columns[name] = array_of(values, settled(told, [shape_of(values, told)]))
    return pyarrow.table(columns)


def result_to_frame(value: Any, schema: SchemaDefinition | None = None, tables: Iterable[str] = ()) -> pandas.DataFrame:
    """Return the same as a DataFrame, with the types of `dep.table(name).df()`. Costs O(n)."""
    from convex_nb.engine.reading.columnar import to_frame

    return to_frame(result_to_arrow(value, schema, tables))


def _table_of(rows: Sequence[Mapping[str, Any]], tables: Iterable[str]) -> str | None:
    """The table whose documents these are; a changed copy of one is a plain object."""
    names: set[str | None]
    if not rows:
        names = set(tables)
    elif set(map(type, rows)) == {Document}:
        names = {getattr(row.get("_id"), "table", None) for row in rows}
    else:
        return None
    return names.pop() if len(names) == 1 else None
