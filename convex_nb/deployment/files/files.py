"""Files from outside of functions: what `dep.files` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from convex_nb.deployment.files.file import File
from convex_nb.deployment.files.preview import size_text
from convex_nb.deployment.jobs.moments import moment, to_times
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.errors import InvalidIdError
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.qualified_names import qualified
from convex_nb.services.files.file_table import TABLE, delete_file, find_file, find_file_by_token
from convex_nb.services.files.storing import store_file
from convex_nb.services.files.urls import token_of
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    import pandas

    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.language.documents import Document
    from convex_nb.language.values import Id
    from convex_nb.services.files.file_table import FileRecord
    from convex_nb.services.files.urls import FileUrls

SOURCE: Final = "files"
"""What others that conflict with storing or deleting a file are told."""
SHOWN: Final = 20


class StoredFiles(Mapping[str, File]):
    """Files by id, in the order in which they were stored, as of a moment in the past or of the newest commit."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], database: Database, urls: FileUrls, component: str = ""
    ) -> None:
        self._snapshot = snapshot
        self._component = component
        self._table = qualified(component, TABLE)
        self._database = database
        self._urls = urls

    def __getitem__(self, id: str) -> File:
        try:
            record = find_file(self._database.begin(self._snapshot(), writable=False), id, "get", self._component)
        except InvalidIdError as error:
            raise KeyError(str(error)) from None
        if record is None:
            raise KeyError(f"There is no file {id}: it was never stored or has been deleted.")
        return self._file(record)

    def __iter__(self) -> Iterator[str]:
        return iter([document["_id"] for document in self._documents()])

    def __len__(self) -> int:
        return len(self._snapshot().tables.get(self._table, ()))

    def __repr__(self) -> str:
        rows = ["  ".join(row) for row in self._rows()]
        return "\n".join(rows + self._more()) or "no files"

    def _repr_html_(self) -> str:
        head = "".join([f"<th>{name}</th>" for name in ("file", "type", "size", "sha256", "stored (UTC)")])
        rows = "".join(
            ["<tr>" + "".join([f"<td>{escape(text)}</td>" for text in row]) + "</tr>" for row in self._rows()]
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        return table + "".join([f"<p>{escape(line)}</p>" for line in self._more()]) or "<p>no files</p>"

    def df(self) -> pandas.DataFrame:
        """The files as a DataFrame: `id`, `content_type`, `size`, `sha256`, `stored` (UTC)."""
        import pandas as pd

        rows = [
            (each["_id"], each.get("contentType"), each["size"], each["sha256"], each["_creationTime"])
            for each in self._documents()
        ]
        frame = pd.DataFrame(rows, columns=["id", "content_type", "size", "sha256", "stored"])
        return to_times(frame, "stored")

    def _file(self, record: FileRecord) -> File:
        return File(record, self._database.files, self._urls, self._database.limits)

    def _documents(self) -> Iterator[Document]:
        state = self._snapshot().tables.get(self._table)
        if state is not None:
            yield from state.scan(state.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY, False)

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                each["_id"],
                each.get("contentType", ""),
                size_text(each["size"]),
                f"{each['sha256'][:12]}…",
                moment(each["_creationTime"]),
            )
            for each in islice(self._documents(), SHOWN)
        ]

    def _more(self) -> list[str]:
        more = len(self) - SHOWN
        return [f"and {more:,} more; all: .df()"] if more > 0 else []


class Files(StoredFiles):
    """The stored files by id, as of the newest commit whenever it is asked; `store` and `delete` change them.

    Functions have them as `ctx.storage`.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        database: Database,
        urls: FileUrls,
        after_commit: Callable[[], object],
        moved: Callable[[], object],
        component: str = "",
    ) -> None:
        super().__init__(snapshot, database, urls, component)
        self._after_commit = after_commit
        self._moved = moved

    def store(self, data: Any, *, sha256: str | bytes | None = None, content_type: str | None = None) -> Id:
        """Store a file and return its id: see `ctx.storage.store`."""
        return self._store(data, sha256, content_type, self._component)

    def _store(self, data: Any, sha256: str | bytes | None, content_type: str | None, component: str) -> Id:
        self._snapshot()
        id = store_file(self._database, data, SOURCE, content_type=content_type, sha256=sha256, component=component)
        self._after_commit()
        return id

    def delete(self, id: str) -> None:
        """Delete a file. Raises `DocumentNotFoundError` if there is none, and `InvalidIdError`."""
        self._snapshot()
        write_system(self._database, lambda writer: delete_file(writer, id), SOURCE, self._component)
        self._after_commit()

    def upload(self, url: str, data: Any, content_type: str | None = None, *, sha256: str | bytes | None = None) -> Id:
        """Send a file to a URL that `ctx.storage.generate_upload_url()` gave, as a client of a server would.

        Returns its id. Raises `UploadTokenError`, and what `store` raises.
        """
        return self.accept_upload(token_of(url), data, content_type, sha256)

    # -- for servers ---------------------------------------------------------------------------------------------

    @property
    def url_base(self) -> str | None:
        """What URLs of files begin with while a server answers them, such as `http://127.0.0.1:3210`; `None` without.

        `<base>/api/storage/<token>` is a file, `POST <base>/api/storage/upload?token=<token>` an upload. Queries that
        gave out URLs run again when it changes.
        """
        return self._urls.base

    @url_base.setter
    def url_base(self, base: str | None) -> None:
        if self._urls.base != base:
            self._urls.base = base
            self._moved()

    def by_token(self, token: str) -> File | None:
        """The file whose URL has this token; `None` if there is none, or not any more."""
        record = find_file_by_token(self._database.begin(self._snapshot(), writable=False), token)
        return None if record is None else self._file(record)

    def accept_upload(
        self, token: str, data: Any, content_type: str | None = None, digest: str | bytes | None = None
    ) -> Id:
        """Store what somebody sends to an upload URL with this token; its id.

        `data` is a binary stream, an iterator of bytes, or bytes; `digest` the header `Digest`. Raises
        `UploadTokenError`, whose `code` is the reference's, before anything is read; `InvalidValueError` for a digest
        that is wrong; `StorageError`.
        """
        component = self.check_upload(token)
        return self._store(data, digest, content_type, component)

    def check_upload(self, token: str) -> str:
        """Return the path of the component that the file will belong to, `""` for the application.

        Raises `UploadTokenError` for a token of an upload URL that is not one, or not any more.
        """
        self._snapshot()
        return self._urls.check_upload(token, self._database.clock.now_ns() / 1_000_000)
