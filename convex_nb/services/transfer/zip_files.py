"""The files in a ZIP file: `_storage/documents.jsonl` tells of them, `_storage/<id>` are their bytes.

Those of a component are below `_components/<path>/`, as its tables are.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.files.chunks import CHUNK_BYTES
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.qualified_names import is_component_name
from convex_nb.services.files.content import check_content_type
from convex_nb.services.files.incoming import IncomingFile, components_with_files, stored_files
from convex_nb.services.files.storing import parse_digest

if TYPE_CHECKING:
    from convex_nb.engine.files.file_store import FileStore
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.services.files.stored_file import StoredFile

_BYTES: Final = re.compile(r"^(?:.*/)?_storage/(?P<id>[0-9a-z]+)(?:\.[^/]*)?$")
DOCUMENTS: Final = "_storage/documents.jsonl"
_COMPONENT: Final = re.compile(r"^(?:.*/)?_components/(?P<path>[^_/][^/]*(?:/[^_/][^/]*)*?)/[^/]+/[^/]+$")


def folder_of(component: str) -> str:
    """Where a component's entries are; of the application it is the top."""
    return f"_components/{component}/" if component else ""


def component_of_entry(name: str) -> str:
    """The path of the component that an entry of this name belongs to. Raises `InvalidValueError` for what is none."""
    found = _COMPONENT.match(name)
    if found is None:
        return ""
    path = found["path"]
    if not all(map(is_component_name, path.split("/"))):
        raise InvalidValueError(f"No component is called {path!r}, as {name} has it. Nothing was imported.", value=name)
    return path


def id_of_entry(name: str) -> str | None:
    """The id of the file whose bytes an entry of this name has."""
    found = _BYTES.match(name)
    return None if found is None else found["id"]


class ZipFiles:
    """The files of a ZIP file: a `FileSource`. Raises `InvalidValueError` for what does not fit together."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        entries: Mapping[str, zipfile.ZipInfo],
        documents: Mapping[str, Iterable[Mapping[str, Any]]],
    ) -> None:
        """Of the entries with their bytes, by id, and of the documents that tell of them, by component."""
        self._files: dict[str, IncomingFile] = {}
        told = [(component, *each) for component, all_ in documents.items() for each in enumerate(all_, 1)]
        for component, row, document in told:
            place = f"line {row} of {folder_of(component)}{DOCUMENTS}"
            try:
                file = _file(archive, entries, document, place, component)
            except InvalidValueError as error:
                raise InvalidValueError(f"{place}: {error.reason}", value=document) from None
            if file.id in self._files:
                raise InvalidValueError(f"{place}: the file {file.id} is there twice. Nothing was imported.")
            self._files[file.id] = file
        for id, entry in entries.items():
            if id not in self._files:
                self._files[id] = IncomingFile(
                    *(id, None, None, None, entry.file_size, partial(_read, archive, entry), entry.filename),
                    component_of_entry(entry.filename),
                )

    def __iter__(self) -> Iterator[IncomingFile]:
        return iter(self._files.values())

    def __len__(self) -> int:
        return len(self._files)


def _file(
    archive: zipfile.ZipFile,
    entries: Mapping[str, zipfile.ZipInfo],
    document: Mapping[str, Any],
    place: str,
    component: str,
) -> IncomingFile:
    id, time = document.get("_id"), document.get("_creationTime")
    entry = entries.get(id) if isinstance(id, str) else None
    if not isinstance(id, str) or entry is None:
        raise InvalidValueError(
            f"There is no entry _storage/{id} with the bytes of this file. Nothing was imported. Export with files, or "
            f"take the line out of {DOCUMENTS}.",
            value=id,
        )
    sha256 = document.get("sha256")
    return IncomingFile(
        id,
        float(time) if isinstance(time, (int, float)) else None,
        check_content_type(document.get("contentType")),
        None if sha256 is None else parse_digest(sha256),
        entry.file_size,
        partial(_read, archive, entry),
        place,
        component,
    )


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(entry) as stream:
        while piece := stream.read(CHUNK_BYTES):
            yield piece


def write_files(
    archive: zipfile.ZipFile, new_entry: Callable[[str], zipfile.ZipInfo], snapshot: Snapshot, store: FileStore
) -> None:
    """Write the files of a snapshot to a ZIP file. Has a chunk of one in memory."""
    for component in components_with_files(snapshot):
        _write_files_of(component, archive, new_entry, snapshot, store)


def _write_files_of(
    component: str,
    archive: zipfile.ZipFile,
    new_entry: Callable[[str], zipfile.ZipInfo],
    snapshot: Snapshot,
    store: FileStore,
) -> None:
    folder = folder_of(component)
    files = list(stored_files(snapshot, store, component))
    lines = [json.dumps(_document(file), separators=(",", ":")) + "\n" for file in files]
    if not lines:
        return
    archive.writestr(new_entry(folder + DOCUMENTS), "".join(lines))
    for file in files:
        kind = (file.content_type or "").partition(";")[0].strip()
        entry = new_entry(f"{folder}_storage/{file.id}{mimetypes.guess_extension(kind) or ''}")
        # Most of them are compressed already, and what has grown a thousandfold looks like a trap.
        entry.compress_type = zipfile.ZIP_STORED
        with archive.open(entry, "w", force_zip64=True) as target:
            for data in file.chunks():
                target.write(data)


def _document(file: StoredFile) -> dict[str, Any]:
    document = {
        "_id": file.id,
        "_creationTime": file.creation_time,
        "sha256": base64.b64encode(bytes.fromhex(file.sha256)).decode(),
        "size": file.size,
    }
    return document if file.content_type is None else {**document, "contentType": file.content_type}
