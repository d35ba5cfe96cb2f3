"""`ctx.storage`: files, for each kind of function as much as it may do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from convex_nb.engine.reading.system_reader import SystemWriter
from convex_nb.functions.execution import running
from convex_nb.language.errors import ReadOnlyError
from convex_nb.services.files.file_table import delete_file, find_file
from convex_nb.services.files.stored_file import StoredFile
from convex_nb.services.files.storing import store_file
from convex_nb.services.files.urls import NONCE_BYTES
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.transaction import Transaction
    from convex_nb.functions.execution import Execution
    from convex_nb.language.values import Id
    from convex_nb.services.files.file_table import FileRecord
    from convex_nb.services.files.urls import FileUrls

T = TypeVar("T")

_HINTS: Final = {
    "store": " Bytes are stored in an action, or from outside with `dep.files.store(...)`; a mutation notes the id.",
    "get": " The bytes of a file are read in an action; here there are `get_url` and `ctx.db.system.get`.",
    "delete": " A query only reads; mutations and actions delete.",
    "generate_upload_url": " A query only reads; mutations and actions give out upload URLs.",
    "getUrl": " It is called `get_url`.",
    "getMetadata": " It is called `get_metadata`.",
    "generateUploadUrl": " It is called `generate_upload_url`.",
}


class StorageReader:
    """Files, for queries: what is known of them. Whoever asks depends on the answer like on any document."""

    __slots__ = ("_after_commit", "_component", "_execution", "_urls")

    def __init__(self, execution: Execution, urls: FileUrls, after_commit: Callable[[], object]) -> None:
        self._execution = execution
        self._component = execution.component
        self._urls = urls
        self._after_commit = after_commit

    def __repr__(self) -> str:
        return f"the files, for {self._execution.path!r}"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"ctx.storage has no {name!r} here.{_HINTS.get(name, '')}", name=name, obj=self)

    def get_url(self, storage_id: str) -> str | None:
        """The URL of a file, good until it is deleted; `None` if there is none. Whoever has it may read the file.

        Without a server it is a `data:` URL with the whole file in it. Raises `InvalidIdError`, and `LimitError` for a
        large file without a server.
        """
        record = self._find(storage_id, "getUrl")
        if record is None:
            return None
        database = self._execution.runner.database
        return self._urls.of_file(self._file(record), record.token, database.limits)

    def get_metadata(self, storage_id: str) -> dict[str, Any] | None:
        """`storageId`, `sha256`, `size` and `contentType` of a file; `None` if there is none.

        The same is in `ctx.db.system.get("_storage", id)`. Raises `InvalidIdError`.
        """
        record = self._find(storage_id, "getMetadata")
        if record is None:
            return None
        return {
            "storageId": record.id,
            "sha256": record.sha256,
            "size": record.size,
            "contentType": record.content_type,
        }

    def _file(self, record: FileRecord) -> StoredFile:
        return StoredFile(record, self._execution.runner.database.files, self._execution.count_file_read)

    def _find(self, storage_id: str, operation: str) -> FileRecord | None:
        return find_file(self._transaction(), storage_id, operation, self._component)

    def _transaction(self) -> Transaction:
        execution = self._execution
        if execution.transaction is None:
            return execution.runner.database.begin(writable=False)
        if running.get() is not execution:
            raise ReadOnlyError(
                "The call that this `ctx.storage` belongs to is over: nothing was read or written. Use the context "
                "inside the function that it was given to."
            )
        return execution.transaction


class StorageWriter(StorageReader):
    """Files, for mutations: what they change is a part of the transaction."""

    __slots__ = ()

    def generate_upload_url(self) -> str:
        """A URL that files can be sent to for an hour, any number of them, each of which is stored.

        `POST` the bytes there with their `Content-Type`; the answer is `{"storageId": ...}`. Without a server:
        `dep.files.upload(url, data)`.
        """
        execution = self._execution
        if execution.transaction is None:
            now_ms = execution.runner.clock.now_ns() / 1_000_000
        else:
            self._transaction()
            now_ms = execution.now_ms
        return self._urls.new_upload(now_ms, execution.random.getrandbits(8 * NONCE_BYTES), self._component)

    def delete(self, storage_id: str) -> None:
        """Delete a file. Raises `DocumentNotFoundError` if there is none, and `InvalidIdError`."""
        self._write(lambda writer: delete_file(writer, storage_id))

    def _write(self, change: Callable[[SystemWriter], T]) -> T:
        execution = self._execution
        if execution.transaction is not None:
            return change(SystemWriter(self._transaction(), self._component))
        with execution.operation():
            value = write_system(execution.runner.database, change, execution.path, self._component)
        self._after_commit()
        return value


class ActionStorage(StorageWriter):
    """Files, for actions: all that can be done with them. What an action does is done at once, and for good."""

    __slots__ = ()

    def get(self, storage_id: str) -> StoredFile | None:
        """A file, to read its bytes; `None` if there is none. Raises `InvalidIdError`."""
        record = self._find(storage_id, "get")
        return None if record is None else self._file(record)

    def store(self, data: Any, *, sha256: str | bytes | None = None, content_type: str | None = None) -> Id:
        """Store a file; its id.

        `data` is bytes, a path, an open binary file, an iterator of bytes, the value of a FileUpload widget, a PIL
        image, a Matplotlib figure (as PNG), a frame or Arrow table (as Parquet), or another stored file. The type of a
        file is told by its name, unless `content_type` says it; that of bytes is not known. With `sha256` the bytes
        have to have this digest. Raises `InvalidValueError` and `StorageError`; nothing is stored then.
        """
        execution = self._execution
        with execution.operation():
            id = store_file(
                execution.runner.database,
                data,
                execution.path,
                content_type=content_type,
                sha256=sha256,
                count=execution.count_file_written,
                component=self._component,
            )
        self._after_commit()
        return id


class StorageService:
    """Gives functions their files; `after_commit` is called where an action has committed."""

    def __init__(self, urls: FileUrls, after_commit: Callable[[], object]) -> None:
        self.urls = urls
        self._after_commit = after_commit

    def bind(self, execution: Execution, /) -> Storages:
        """What the contexts of one call choose from."""
        return Storages(execution, self.urls, self._after_commit)


class Storages:
    """`ctx.storage` of one call, for each kind of context: a mutation's queries only read."""

    __slots__ = ("action", "mutation", "query")

    def __init__(self, execution: Execution, urls: FileUrls, after_commit: Callable[[], object]) -> None:
        self.query = StorageReader(execution, urls, after_commit)
        self.mutation = StorageWriter(execution, urls, after_commit)
        self.action = ActionStorage(execution, urls, after_commit)
