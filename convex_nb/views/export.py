"""A view's rows as a file for the reader to keep: handed over part by part, when the browser asks for the next."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from convex_nb.deployment.data.results import result_to_arrow
from convex_nb.language.encoding import dumps
from convex_nb.language.values import UNDEFINED
from convex_nb.views.cells import number_text

if TYPE_CHECKING:
    from convex_nb.language.schema import SchemaDefinition

Origin: TypeAlias = "tuple[SchemaDefinition | None, Iterable[str]]"
"""The schema, and the tables that the query read."""

NOWHERE: Final[Origin] = (None, ())
ROWS_PER_PART: Final = 5_000
BYTES_PER_PART: Final = 1 << 20


class Exports:
    """The files that are on their way, one for each page that asked. A part is made when it is asked for."""

    def __init__(self) -> None:
        self._parts: dict[str, Iterator[bytes]] = {}

    def begin(
        self, tab: str, format: str, rows: Sequence[Any], columns: Sequence[str], origin: Origin = NOWHERE
    ) -> None:
        """Begin a file for a page; one that it had begun before is given up."""
        self._parts[tab] = csv_parts(rows, columns) if format == "csv" else parquet_parts(rows, origin)

    def next_part(self, tab: str) -> bytes | None:
        """Return the next part, None after the last."""
        part = next(self._parts.get(tab, iter(())), None)
        if part is None:
            self._parts.pop(tab, None)
        return part


def csv_parts(rows: Sequence[Any], columns: Sequence[str]) -> Iterator[bytes]:
    """Yield rows as CSV in UTF-8, heads first: null and missing are empty, nested values and bytes are JSON."""
    yield _csv([columns])
    for start in range(0, len(rows), ROWS_PER_PART):
        part = rows[start : start + ROWS_PER_PART]
        yield _csv([_csv_cell(_field(row, name)) for name in columns] for row in part)


def parquet_parts(rows: Sequence[Any], origin: Origin = NOWHERE) -> Iterator[bytes]:
    """Yield rows as a Parquet file, in slices; a table's columns are all there, those without a value too."""
    import pyarrow.parquet

    file = io.BytesIO()
    pyarrow.parquet.write_table(result_to_arrow(list(rows), *origin), file)
    content = file.getvalue()
    for start in range(0, len(content), BYTES_PER_PART):
        yield content[start : start + BYTES_PER_PART]


def _csv(lines: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(lines)
    return text.getvalue().encode()


def _csv_cell(value: Any) -> str:
    if value is None or value is UNDEFINED:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    return dumps(value)


def _field(row: Any, name: str) -> Any:
    return row.get(name, UNDEFINED) if isinstance(row, Mapping) else row
