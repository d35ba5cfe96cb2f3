"""A ZIP file that this, or Convex itself, exported: read table by table, put in place in one commit."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from convex_nb.engine.bulk.offenders import MOST, ImportedValuesError, Offender
from convex_nb.engine.names import check_table_name
from convex_nb.engine.system_tables import is_system_table
from convex_nb.language.errors import ConvexNbError, InvalidValueError
from convex_nb.language.qualified_names import qualified
from convex_nb.services.transfer import source
from convex_nb.services.transfer.input_file import MissingFileError
from convex_nb.services.transfer.json_source import parsed_object
from convex_nb.services.transfer.tables_import import Content, ZipMode as ZipMode
from convex_nb.services.transfer.type_shapes import UNKNOWN, Shape, decoded, parse_shape
from convex_nb.services.transfer.zip_files import ZipFiles, component_of_entry, id_of_entry

MOST_LINE_BYTES: Final = 16 << 20
"""A document has at most a megabyte, each byte of which JSON may write as six."""
_BOMB_BYTES: Final = 1 << 29
_BOMB_RATIO: Final = 250
"""So many times smaller than its content no file of documents is that has grown beyond `_BOMB_BYTES`."""
_ENTRY: Final = re.compile(r"^(?:.*/)?(?P<table>[^/]+)/(?P<what>documents|generated_schema)\.jsonl$")


class ZipTable(source.RowByRow):
    """The documents of one table in a ZIP file: a `Source`."""

    def __init__(self, archive: zipfile.ZipFile, table: str, entry: zipfile.ZipInfo) -> None:
        self.table = table
        self.schema: zipfile.ZipInfo | None = None
        self._archive = archive
        self._entry = entry
        self._shape = UNKNOWN
        self._contexts: dict[str, Any] = {}

    def batches(self) -> Iterator[list[Mapping[str, Any]]]:
        """Its documents, with the types that the generated schema says."""
        self._read_schema()
        made: list[Mapping[str, Any]] = []
        offenders: list[Offender] = []
        decoded_fields = {} if self._shape.unknown else _not_plain(self._shape)
        for row, line in enumerate(self._lines(self._entry)):
            try:
                made.append(self._document(line, decoded_fields))
            except InvalidValueError as error:
                path = error.path.removeprefix(".")
                offenders.append(Offender(row, path, error.reason, error.value, "", self.place(row)))
                if len(offenders) == MOST:
                    break
            if len(made) == source.BATCH_ROWS:
                yield made
                made = []
        if offenders:
            raise ImportedValuesError(self.table, offenders)
        if made:
            yield made

    def place(self, row: int) -> str:
        """The line that a document is on."""
        return f"line {row + 1} of {self._entry.filename}"

    def first_id(self) -> str | None:
        """The id of the first document, if it has one."""
        for line in self._lines(self._entry):
            try:
                id = parsed_object(line).get("_id")
            except InvalidValueError:
                return None
            return id if isinstance(id, str) else None
        return None

    def _document(self, line: bytes, decoded_fields: Mapping[str, Shape]) -> Mapping[str, Any]:
        form = parsed_object(line)
        context = self._contexts.get(str(form.get("_id"))) if self._contexts else None
        if context is not None:
            return decoded(form, self._shape, context)  # type: ignore[no-any-return]
        if decoded_fields:
            form = {
                name: decoded(value, decoded_fields[name]) if name in decoded_fields else value
                for name, value in form.items()
            }
        return form

    def _read_schema(self) -> None:
        if self.schema is None:
            return
        self._contexts = {}
        for number, line in enumerate(self._lines(self.schema), 1):
            try:
                if number == 1:
                    text = _parsed_text(line)
                    self._shape = UNKNOWN if text == "never" else parse_shape(text)
                else:
                    self._contexts.update(parsed_object(line))
            except InvalidValueError as error:
                raise InvalidValueError(
                    f"Line {number} of {self.schema.filename}: {error.reason} Nothing was imported.",
                    path=error.path,
                    value=error.value,
                ) from None

    def _lines(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        with reading(entry.filename), self._archive.open(entry) as stream:
            number = 0
            while line := stream.readline(MOST_LINE_BYTES + 1):
                number += 1
                if len(line) > MOST_LINE_BYTES:
                    raise InvalidValueError(
                        f"Line {number} of {entry.filename} has more than {MOST_LINE_BYTES >> 20} MiB, which no "
                        "document has. Nothing was imported.",
                        value=entry.filename,
                    )
                yield line


def _parsed_text(line: bytes) -> str:
    import json

    try:
        text = json.loads(line)
    except ValueError:
        text = None
    if not isinstance(text, str):
        raise InvalidValueError("This is not the types of a table: a text in JSON.", value=line[:80])
    return text


def _not_plain(shape: Shape) -> dict[str, Shape]:
    return {name: field for name, field in shape.fields.items() if not field.is_plain}


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Say of a ZIP file that cannot be read what that means."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InvalidValueError(
            f"{name} is not a whole ZIP file, or it is damaged; it may have been cut short. Nothing was imported. "
            f"({error})",
            value=name,
        ) from None
    except (NotImplementedError, RuntimeError) as error:
        if isinstance(error, ConvexNbError):
            raise
        raise InvalidValueError(f"{name} cannot be unpacked ({error}). Nothing was imported.", value=name) from None


@contextmanager
def opened_zip(file: Path | BinaryIO, name: str) -> Iterator[Content]:
    """Open a ZIP file and look at what is in it. Raises `InvalidValueError` for what is no export."""
    if isinstance(file, Path) and not file.is_file():
        raise MissingFileError(f"There is no file {file}: nothing was imported.", value=str(file))
    with reading(name):
        archive = zipfile.ZipFile(file)
    with archive:
        yield _content(archive, name)


def _content(archive: zipfile.ZipFile, name: str) -> Content:
    tables: dict[str, ZipTable] = {}
    schemas: dict[str, zipfile.ZipInfo] = {}
    numbers: dict[str, int] = {}
    seen: set[str] = set()
    contents: dict[str, zipfile.ZipInfo] = {}
    files: dict[str, ZipTable] = {}
    for entry in archive.infolist():
        _check_entry(entry, name, seen)
        found = _ENTRY.match(entry.filename)
        if found is None:
            id = id_of_entry(entry.filename)
            if id is not None:
                contents[id] = entry
            continue
        table, component = found["table"], component_of_entry(entry.filename)
        if table == "_tables":
            own = _numbers(ZipTable(archive, table, entry))
            numbers |= {qualified(component, name): number for name, number in own.items()}
        elif table == "_storage":
            if found["what"] == "documents":
                files[component] = ZipTable(archive, table, entry)
        elif is_system_table(table):
            if entry.file_size:
                raise InvalidValueError(
                    f"{name} holds the system table {table!r}, which cannot be imported: nothing was. Take that entry "
                    "out.",
                    value=table,
                )
        elif found["what"] == "documents":
            name_of_table = qualified(component, check_table_name(table))
            tables[name_of_table] = ZipTable(archive, name_of_table, entry)
        else:
            schemas[qualified(component, table)] = entry
    for table, entry in schemas.items():
        if table in tables:
            tables[table].schema = entry
    if not tables and not any(path.endswith("_tables/documents.jsonl") for path in seen):
        raise InvalidValueError(
            f"{name} holds no `<table>/documents.jsonl`: it is not what `dep.export(path)` writes, and nothing was "
            "imported.",
            value=name,
        )
    documents = {
        component: [document for batch in table.batches() for document in batch] for component, table in files.items()
    }
    return Content(dict(sorted(tables.items())), numbers, ZipFiles(archive, contents, documents))


def _check_entry(entry: zipfile.ZipInfo, name: str, seen: set[str]) -> None:
    path = entry.filename
    fault = ""
    if path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path) or ":" in path.split("/")[0]:
        fault = "has a name that leads elsewhere"
    elif path in seen:
        fault = "is there twice"
    elif entry.flag_bits & 1:
        fault = "is encrypted"
    elif entry.file_size > _BOMB_BYTES and entry.file_size > _BOMB_RATIO * entry.compress_size:
        fault = f"unpacks to {entry.file_size >> 20:,} MiB from {entry.compress_size >> 10:,} KiB, as no documents do"
    if fault:
        raise InvalidValueError(f"{name}: the entry {path!r} {fault}. Nothing was imported.", value=path)
    seen.add(path)


def _numbers(tables: ZipTable) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in tables.batches():
        for row in batch:
            table, number = row.get("name"), row.get("id")
            if isinstance(table, str) and type(number) in (int, float) and not is_system_table(table):
                found[table] = int(number)  # type: ignore[arg-type]
    return found
