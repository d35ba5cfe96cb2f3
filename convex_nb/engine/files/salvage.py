"""What is left of the stored files in a damaged database."""

from __future__ import annotations

from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING

from convex_nb.engine.files.collection import FILES
from convex_nb.engine.namespaces import managed_by, tables_called
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.errors import StorageCorruptError, StorageError
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.language.documents import Document


def drop_lost_files(database: Database) -> list[str]:
    """Delete the documents of files whose bytes cannot be read any more; a sentence for each. Reads every file."""
    lost: list[str] = []
    entries = {entry["file"]: entry for entry in _documents(database, FILES)}
    transaction = database.begin()
    for file in _documents(database, "_storage"):
        entry = entries.pop(file["_id"], None)
        if entry is not None and _is_whole(database, file, entry):
            continue
        lost.append(f"The stored file {file['_id']} ({file['size']:,} bytes): they do not verify.")
        for document in filter(None, (file, entry)):
            transaction.delete(document["_id"], None, managed_by(""))
    for entry in entries.values():
        transaction.delete(entry["_id"], None, managed_by(""))
    database.commit(transaction, "repair")
    return lost


def _is_whole(database: Database, file: Document, entry: Document) -> bool:
    found = sha256()
    try:
        for data in database.files.read(entry["number"], file["size"]):
            found.update(data)
    except (StorageError, StorageCorruptError):
        return False
    return bool(found.hexdigest() == file["sha256"])


def _documents(database: Database, table: str) -> list[Document]:
    """Those of the application and of all components."""
    tables = database.head.tables
    states = [tables[name] for name in tables_called(table, tables)]
    scans = [state.scan(state.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY, reverse=False) for state in states]
    return list(chain.from_iterable(scans))
