"""A result as a table of columns, for pandas, Arrow and whoever takes Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convex_nb.language.values import UNDEFINED, Id, Int64

if TYPE_CHECKING:
    import pandas
    import pyarrow


def columns_of_result(value: Any) -> dict[str, list[Any]]:
    """Return a result by columns, missing fields as None; what is no list of objects has one, `value`. O(n)."""
    rows: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        return {"value": list(rows)} if rows else {}
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return {name: [row.get(name) for row in rows] for name in names}


def to_pandas(value: Any) -> pandas.DataFrame:
    """Return a result as a DataFrame. O(n)."""
    import pandas

    return pandas.DataFrame({name: _plain(column) for name, column in columns_of_result(value).items()})


def to_arrow(value: Any) -> pyarrow.Table:
    """Return a result as an Arrow table; a column whose values have no common Arrow type becomes JSON text. O(n)."""
    import pyarrow

    return pyarrow.table({name: _arrow_column(column) for name, column in columns_of_result(value).items()})


def _plain(column: list[Any]) -> list[Any]:
    # Frames know `str` and `int`; subclasses would make them guess `object`.
    kinds = set(map(type, column))
    if Id in kinds:
        return [str(item) if isinstance(item, Id) else item for item in column]
    if kinds == {Int64}:
        return list(map(int, column))
    return column


def _arrow_column(column: list[Any]) -> pyarrow.Array:
    import pyarrow

    try:
        return pyarrow.array(_plain(column))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
        from convex_nb.language.encoding import dumps

        return pyarrow.array([None if item is None or item is UNDEFINED else dumps(item) for item in column])
