"""The documents that tell of files: one in `_storage`, which all may read, and one in `_files`, which has the rest.

Both are written in one commit, after the bytes that they tell of. Files of the same content share their bytes.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.engine.files.collection import FILES
from convex_nb.engine.namespaces import managed_by, tables_called
from convex_nb.language.describing import shorten
from convex_nb.language.errors import DocumentNotFoundError, InvalidIdError, StorageCorruptError
from convex_nb.language.keys import encode_key, successor
from convex_nb.language.qualified_names import component_of, qualified

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.files.file_store import FileWriter
    from convex_nb.engine.reading.system_reader import SystemWriter
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document
    from convex_nb.language.values import Id

TABLE: Final = "_storage"


class FileRecord(NamedTuple):
    """All that is known of a file."""

    id: str
    creation_time: float
    """Milliseconds since the epoch."""
    size: int
    """Bytes."""
    sha256: str
    """Of its bytes, in hexadecimal digits."""
    content_type: str | None
    """What it was stored as, if that was said."""
    number: int
    """Where its bytes are."""
    token: str
    """What its URL has in it: nobody can guess it."""


def find_file(transaction: Transaction, id: str, operation: str, component: str = "") -> FileRecord | None:
    """The file with this id, recorded as read either way.

    Raises `InvalidIdError` for what is no id of a file of the application, or of this component.
    """
    check_storage_id(transaction.database, id, operation, component)
    document = transaction.get(id, None, managed_by(""))
    if document is None:
        return None
    key = encode_key(id)
    entries = transaction.read(qualified(component, FILES), "by_file", key, successor(key))
    if not entries:
        raise StorageCorruptError(f"Nothing says where the bytes of the file {id} are.")
    return record_of(document, entries[0])


def find_file_by_token(transaction: Transaction, token: str) -> FileRecord | None:
    """The file whose URL has this token."""
    key = encode_key(token)
    for table in tables_called(FILES, transaction.snapshot.tables):
        for entry in transaction.read(table, "by_token", key, successor(key)):
            return find_file(transaction, entry["file"], "get", component_of(table))
    return None


def record_of(document: Document, entry: Document) -> FileRecord:
    """What the two documents of a file say."""
    return FileRecord(
        document["_id"],
        document["_creationTime"],
        int(document["size"]),
        document["sha256"],
        document.get("contentType"),
        entry["number"],
        entry["token"],
    )


def add_file(writer: SystemWriter, content: FileWriter, content_type: str | None) -> Id:
    """Add a file whose bytes were all written to `content`; its id."""
    number = number_for(writer, content)
    fields: dict[str, Any] = {"sha256": content.sha256, "size": content.size}
    if content_type is not None:
        fields["contentType"] = content_type
    id = writer.insert(TABLE, fields)
    writer.insert(FILES, {"file": id, "number": number, "token": new_token(writer.database)})
    return id


def number_for(writer: SystemWriter, content: FileWriter) -> int:
    """Where the bytes of a new file are: if there is a file of the same ones, where those are."""
    for twin in writer.query(TABLE).with_index("by_sha256", sha256=content.sha256).take(1):
        for entry in writer.query(FILES).with_index("by_file", file=twin["_id"]).take(1):
            return int(entry["number"])
    return content.flush()


def new_token(database: Database) -> str:
    """A random UUID."""
    return str(uuid.UUID(bytes=database.random_bytes(16), version=4))


def delete_file(writer: SystemWriter, id: str) -> None:
    """Remove a file. Raises `DocumentNotFoundError` and `InvalidIdError`."""
    check_storage_id(writer.database, id, "delete", writer.namespace.component)
    if writer.get(id) is None:
        raise DocumentNotFoundError(
            f"storage id {id} not found: the file was never stored or has been deleted. Nothing was deleted.",
            document_id=id,
            table=TABLE,
        )
    writer.delete(id)
    for entry in writer.query(FILES).with_index("by_file", file=id).collect():
        writer.delete(entry["_id"])


def check_storage_id(database: Database, id: object, operation: str, component: str = "") -> None:
    """Raise `InvalidIdError` for what is not the id of a file of this component, whether or not there is one."""
    table = database.register.named_by(id)
    if table != qualified(component, TABLE):
        shown = f'an Id<"{table}">' if table is not None else shorten(repr(id), 80)
        raise InvalidIdError(
            f"Invalid argument `storageId` for `storage.{operation}`: expected the id of a file, as `store` and "
            f"uploads give, got {shown}.",
            id=id if isinstance(id, str) else repr(id),
            table=TABLE,
        )
