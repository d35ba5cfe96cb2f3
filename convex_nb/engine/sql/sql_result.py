"""The rows that a SQL statement gave."""

from __future__ import annotations

from datetime import date, datetime, time
from html import escape
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.language.describing import counted
from convex_nb.language.values import Int64

if TYPE_CHECKING:
    import pandas

    from convex_nb.engine.segments.columns import ArrowArray, ArrowTable

_SHOWN: Final = 20
_WHOLE: Final = 2**53


class SqlResult:
    """The rows of one statement at one snapshot; pandas, polars, DuckDB and Arrow take it as it is.

    ``tables`` are the names of the tables that were read, ``timestamp`` the commit at which.
    """

    def __init__(
        self, sql: str, rows: ArrowTable, tables: frozenset[str], timestamp: int, *, is_plan: bool = False
    ) -> None:
        self.sql = sql
        self._is_plan = is_plan
        self.tables = tables
        self.timestamp = timestamp
        self._rows = _without_decimals(rows)

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def __repr__(self) -> str:
        if self._is_plan:
            return "\n".join(self._rows.column(1).to_pylist())
        text = self._head().to_string(index=False) if len(self) else ", ".join(self.columns)
        return f"{text}\n{self._caption()}"

    def _repr_html_(self) -> str:
        if self._is_plan:
            return f"<pre style='line-height: 1.2'>{escape(repr(self))}</pre>"
        return f"{self._head().to_html(index=False)}<p>{escape(self._caption())}</p>"

    def _head(self) -> pandas.DataFrame:
        from convex_nb.engine.reading.columnar import to_frame

        return to_frame(self._rows.slice(0, _SHOWN))

    def _caption(self) -> str:
        shown = f", the first {_SHOWN} shown" if len(self) > _SHOWN else ""
        return f"{counted(len(self), 'row')}{shown}"

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._rows.column_names)

    def arrow(self) -> ArrowTable:
        """The rows as an Arrow table."""
        return self._rows

    def df(self) -> pandas.DataFrame:
        """The rows as a DataFrame; a column ``_creationTime`` that was not computed with is a UTC timestamp."""
        from convex_nb.engine.reading.columnar import to_frame

        return to_frame(self._rows)

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dicts of Python objects."""
        # Older versions of Arrow have no such option, and most tables no maps.
        options = (
            {"maps_as_pydicts": "strict"} if any("map<" in str(type_) for type_ in self._rows.schema.types) else {}
        )
        rows: list[dict[str, Any]] = self._rows.to_pylist(**options)
        return rows

    def values(self) -> list[dict[str, Any]]:
        """The rows as values that a query can return: times become text, whole numbers beyond 2**53 `Int64`."""
        return [{name: _value(item) for name, item in row.items()} for row in self.rows()]

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)


def _without_decimals(table: ArrowTable) -> ArrowTable:
    """DuckDB's sums of whole numbers are decimals of 38 digits: as whole numbers where they fit, else as floats."""
    for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if pa.types.is_decimal(column.type):
            table = table.set_column(place, name, _number(column))
    return table


def _number(column: ArrowArray) -> ArrowArray:
    if column.type.scale == 0:
        try:
            return pc.cast(column, pa.int64())
        except pa.ArrowInvalid:
            pass
    return pc.cast(column, pa.float64())


def _value(item: Any) -> Any:
    if isinstance(item, dict):
        return {str(name): _value(inner) for name, inner in item.items()}
    if isinstance(item, (list, tuple)) and not hasattr(item, "nanoseconds"):
        return [_value(inner) for inner in item]
    if isinstance(item, (datetime, date, time)):
        return item.isoformat()
    if isinstance(item, int) and abs(item) > _WHOLE:
        return Int64(item) if -(2**63) <= item < 2**63 else float(item)
    return item if item is None or isinstance(item, (bool, int, float, str, bytes)) else str(item)
