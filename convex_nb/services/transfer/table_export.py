"""One table as a file that other tools read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from convex_nb.language.errors import InvalidValueError
from convex_nb.services.transfer.exported_fields import ExportedFields, encode_line, pages
from convex_nb.services.transfer.type_shapes import encoded
from convex_nb.services.transfer.zip_export import written_whole

if TYPE_CHECKING:
    import pyarrow

    from convex_nb.engine.table import TableState

Progress = Callable[[int, int], object]


def export_table(state: TableState, path: Path, progress: Progress) -> None:
    """Write the documents of a table, in the order of their creation, in the format that the file's name says.

    JSON lines and JSON keep missing apart from null, `Int64` is text there, and bytes are base64, as in CSV. In columns
    nested values are JSON text. Raises `InvalidValueError` and `StorageError`.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        known = ", ".join(_WRITERS)
        raise InvalidValueError(
            f"{path.name} says no format for a table by its name: nothing was written. There are {known}.",
            value=path.name,
        )
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        write(state, file, progress)


def _write_json_lines(state: TableState, file: BinaryIO, progress: Progress) -> None:
    fields = ExportedFields(pages(state))
    done = 0
    for documents in pages(state):
        lines, _ = fields.lines(documents)
        file.write(("\n".join(lines) + "\n").encode())
        done += len(documents)
        progress(done, len(state))


def _write_json(state: TableState, file: BinaryIO, progress: Progress) -> None:
    fields = ExportedFields(pages(state))
    before = b"[\n"
    done = 0
    for documents in pages(state):
        lines, _ = fields.lines(documents)
        file.write(before + ",\n".join(lines).encode())
        before = b",\n"
        done += len(documents)
        progress(done, len(state))
    file.write(b"[]\n" if not done else b"\n]\n")


def _write_csv(state: TableState, file: BinaryIO, progress: Progress) -> None:
    import pyarrow as pa
    import pyarrow.csv

    table = _columns(state)
    for place, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) or field.type in (pa.binary(), pa.large_binary()):
            table = table.set_column(place, field.name, _texts(table.column(place)))
    pyarrow.csv.write_csv(table, file)
    progress(len(state), len(state))


def _texts(column: Any) -> Any:
    """Nested values as JSON, bytes as base64."""
    import pyarrow as pa

    texts = []
    for value in column.to_pylist():
        plain = None if value is None else encoded(value, ambiguous=False)[0]
        texts.append(plain if plain is None or isinstance(plain, str) else encode_line(plain))
    return pa.array(texts, pa.string())


def _write_parquet(state: TableState, file: BinaryIO, progress: Progress) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(_columns(state), file)
    progress(len(state), len(state))


def _write_arrow(state: TableState, file: BinaryIO, progress: Progress) -> None:
    import pyarrow as pa

    table = _columns(state)
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    progress(len(state), len(state))


def _columns(state: TableState) -> pyarrow.Table:
    from convex_nb.engine.reading.columnar import table_to_arrow

    return table_to_arrow(state)


_WRITERS: Final[dict[str, Callable[[TableState, BinaryIO, Progress], None]]] = {
    ".jsonl": _write_json_lines,
    ".ndjson": _write_json_lines,
    ".json": _write_json,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
}
