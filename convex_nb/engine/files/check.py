"""Every invariant of the stored files, verified on demand."""

from __future__ import annotations

from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING

from convex_nb.engine.files.collection import FILES
from convex_nb.engine.namespaces import tables_called
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.errors import StorageCorruptError, StorageError
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.language.documents import Document


def check_files(database: Database) -> None:
    """Verify that every file has its bytes, and they are those that its document tells of.

    Raises ``AssertionError``. Reads every file.
    """
    entries = {entry["file"]: entry for entry in _documents(database, FILES)}
    files = _documents(database, "_storage")
    assert entries.keys() == {file["_id"] for file in files}, f"{FILES} tells of {list(entries)}, _storage of {files}"
    assert len({entry["token"] for entry in entries.values()}) == len(entries), f"tokens are not unique: {entries}"
    # Files of the same content share their bytes.
    for number, size, digest in {(entries[f["_id"]]["number"], f["size"], f["sha256"]) for f in files}:
        found = sha256()
        try:
            for data in database.files.read(number, size):
                found.update(data)
        except (StorageError, StorageCorruptError) as error:
            raise AssertionError(f"the {size} bytes with the sha256 {digest} cannot be read: {error}") from error
        assert found.hexdigest() == digest, f"the bytes of {number} have the digest {found.hexdigest()}, not {digest}"


def _documents(database: Database, table: str) -> list[Document]:
    """Those of the application and of all components."""
    tables = database.head.tables
    states = [tables[name] for name in tables_called(table, tables)]
    scans = [state.scan(state.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY, reverse=False) for state in states]
    return list(chain.from_iterable(scans))
