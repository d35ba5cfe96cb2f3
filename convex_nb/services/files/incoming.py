"""Files that come with their ids, out of an export, a backup or the past: those that are missing are added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from convex_nb.engine.files.collection import FILES
from convex_nb.engine.namespaces import tables_called
from convex_nb.engine.reading.system_reader import SystemWriter
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.errors import InvalidIdError, InvalidValueError
from convex_nb.language.ids import decode_id
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.qualified_names import component_of, qualified
from convex_nb.services.files.file_table import TABLE, new_token, number_for, record_of
from convex_nb.services.files.stored_file import StoredFile

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.files.file_store import FileStore, FileWriter
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.transaction import Transaction


class IncomingFile(NamedTuple):
    """One of them; what is not known is `None`."""

    id: str
    creation_time: float | None
    content_type: str | None
    sha256: str | None
    """In hexadecimal digits."""
    size: int | None
    chunks: Callable[[], Iterable[bytes]]
    """Reads its bytes, from the beginning."""
    place: str
    """Where it is, for messages."""
    component: str = ""
    """The path of the component that it belongs to."""


class FileSource(Protocol):
    """Files that come together; can be gone through several times."""

    def __iter__(self) -> Iterator[IncomingFile]: ...

    def __len__(self) -> int: ...


class SnapshotFiles:
    """The files of a snapshot, whose bytes `store` has."""

    def __init__(self, snapshot: Snapshot, store: FileStore) -> None:
        self._snapshot = snapshot
        self._store = store

    def __iter__(self) -> Iterator[IncomingFile]:
        for component in components_with_files(self._snapshot):
            for file in stored_files(self._snapshot, self._store, component):
                place = f"the file {file.id}"
                yield IncomingFile(
                    *(file.id, file.creation_time, file.content_type, file.sha256, file.size, file.chunks, place),
                    component,
                )

    def __len__(self) -> int:
        tables = self._snapshot.tables
        return sum([len(tables[name]) for name in tables_called(TABLE, tables)])


def components_with_files(snapshot: Snapshot) -> list[str]:
    """The paths of the components that have files, `""` for the application, in order."""
    return sorted([component_of(name) for name in tables_called(TABLE, snapshot.tables)])


def stored_files(snapshot: Snapshot, store: FileStore, component: str = "") -> Iterator[StoredFile]:
    """The files of a component in a snapshot, or of the application, in the order in which they were stored."""
    documents = snapshot.table(qualified(component, TABLE))
    entries = snapshot.table(qualified(component, FILES))
    if documents is None or entries is None:
        return
    by_file = {
        entry["file"]: entry for entry in entries.scan(entries.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY, False)
    }
    for document in documents.scan(documents.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY, False):
        yield StoredFile(record_of(document, by_file[document["_id"]]), store)


class Arrived(NamedTuple):
    """A file whose bytes are here, on the way to a commit."""

    file: IncomingFile
    content: FileWriter


def table_numbers_of(files: FileSource) -> dict[str, int]:
    """The number that the ids of the files of each component carry, by its path. Raises `InvalidIdError`."""
    numbers: dict[str, int] = {}
    for file in files:
        try:
            number = decode_id(file.id)[0]
        except InvalidIdError as error:
            raise InvalidIdError(f"{file.place}: {error} Nothing was imported.", id=file.id, table=TABLE) from None
        if numbers.setdefault(file.component, number) != number:
            raise InvalidIdError(
                f"{file.place}: the id {file.id} is not of the same table as those before it. Nothing was imported.",
                id=file.id,
                table=TABLE,
            )
    return numbers


@contextmanager
def arriving(database: Database, files: FileSource) -> Iterator[list[Arrived]]:
    """Take over the bytes of the files that are not there yet; whoever commits `add_files` inside of this keeps them.

    Raises `InvalidValueError` for bytes that are not those that were told.
    """
    head = database.head
    with ExitStack() as stack:
        arrived: list[Arrived] = []
        for file in files:
            state = head.table(qualified(file.component, TABLE))
            if state is not None and state.owns(file.id):
                continue
            content = stack.enter_context(database.files.writing())
            for piece in file.chunks():
                content.write(piece)
            # Not kept in memory until the commit: there may be thousands.
            content.flush()
            if file.sha256 not in (None, content.sha256) or file.size not in (None, content.size):
                raise InvalidValueError(
                    f"{file.place} is damaged: it has {content.size:,} bytes with the sha256 {content.sha256}, and "
                    f"should have {file.size:,} with {file.sha256}. Nothing was imported.",
                    value=file.id,
                )
            arrived.append(Arrived(file, content))
        yield arrived


def add_files(transaction: Transaction, arrived: list[Arrived]) -> None:
    """Add those files that are not there yet, with their ids and creation times."""
    for file, content in arrived:
        writer = SystemWriter(transaction, file.component)
        if writer.get(file.id) is not None:
            continue
        number = number_for(writer, content)
        fields: dict[str, Any] = {"sha256": content.sha256, "size": content.size}
        if file.content_type is not None:
            fields["contentType"] = file.content_type
        time = writer.database.mint.creation_time() if file.creation_time is None else file.creation_time
        transaction.put(qualified(file.component, TABLE), {"_id": file.id, "_creationTime": time, **fields})
        writer.insert(FILES, {"file": file.id, "number": number, "token": new_token(writer.database)})
