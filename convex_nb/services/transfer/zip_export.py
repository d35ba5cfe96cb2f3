"""A whole deployment as a ZIP file, in the format that Convex exports and imports."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convex_nb.engine.system_tables import is_system_table
from convex_nb.language.errors import StorageError
from convex_nb.language.qualified_names import component_of, local_name
from convex_nb.services.transfer.exported_fields import ExportedFields, encode_line, pages
from convex_nb.services.transfer.zip_files import folder_of, write_files

if TYPE_CHECKING:
    from convex_nb.engine.files.file_store import FileStore
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.table import TableState

README: Final = """\
# Tables of a deployment, at one moment

`<table>/documents.jsonl` has a document on each line, in the order of their creation.
`<table>/generated_schema.jsonl` says which of their strings stand for other values: its first line what the fields
hold, each further line what one document holds beside that.
`_tables/documents.jsonl` lists the tables, with the numbers that their ids carry.
`_storage/documents.jsonl` lists the files, if there are any; the bytes of each are `_storage/<id>`.
`_components/<path>/` has the same of each component that has tables.

`dep.import_zip(path)` of convex_nb reads it, and so does `npx convex import`.
"""
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: the same documents make the same bytes."""
_SPOOLED_BYTES: Final = 8 << 20


def export_zip(
    snapshot: Snapshot, path: Path, progress: Callable[[int, int], object], files: FileStore | None = None
) -> None:
    """Write all tables of users to a ZIP file, and the files that `files` has; it has its name once it is complete.

    Memory is bounded by some thousands of documents. Costs some microseconds a document, and what packing them costs.
    Raises `StorageError` where it cannot be written; what had the name before is still there then.
    """
    tables = [state for name, state in sorted(snapshot.tables.items()) if not is_system_table(name)]
    total = sum([len(state) for state in tables])
    done = 0
    with written_whole(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("README.md"), README)
        for component in sorted({"", *[component_of(state.name) for state in tables]}):
            own = [state for state in tables if component_of(state.name) == component]
            numbers = [encode_line({"name": local_name(state.name), "id": state.number}) for state in own]
            entry = _entry(f"{folder_of(component)}_tables/documents.jsonl")
            archive.writestr(entry, "".join([f"{line}\n" for line in numbers]))
        for state in tables:
            for count in _write_table(archive, state):
                done += count
                progress(done, total)
        if files is not None:
            write_files(archive, _entry, snapshot, files)


def _write_table(archive: zipfile.ZipFile, state: TableState) -> Iterator[int]:
    fields = ExportedFields(pages(state))
    folder = folder_of(component_of(state.name)) + local_name(state.name)
    with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as contexts:
        contexts.write(f"{encode_line(fields.shape_text())}\n".encode())
        with archive.open(_entry(f"{folder}/documents.jsonl"), "w", force_zip64=True) as entry:
            for documents in pages(state):
                lines, further = fields.lines(documents)
                entry.write(("\n".join(lines) + "\n").encode())
                if further:
                    contexts.write(("\n".join(further) + "\n").encode())
                yield len(documents)
        contexts.seek(0)
        with archive.open(_entry(f"{folder}/generated_schema.jsonl"), "w", force_zip64=True) as entry:
            while piece := contexts.read(1 << 20):
                entry.write(piece)


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _MOMENT)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give the place to write a file to; it gets its name, in place of what had it, once it is complete.

    Raises `StorageError`; nothing is left of it then.
    """
    place = path.expanduser().absolute()
    if place.is_dir():
        raise StorageError(f"{path} is a folder: nothing was written. Give the name of a file.", path=str(path))
    if not place.parent.is_dir():
        raise StorageError(f"There is no folder {place.parent}: nothing was written.", path=str(path))
    unfinished = place.with_name(f".{place.name}.{os.getpid()}-new")
    try:
        yield unfinished
        unfinished.replace(place)
    except OSError as error:
        raise StorageError(
            f"{path} could not be written ({error.strerror or error}): what it was before is still there.",
            path=str(path),
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
