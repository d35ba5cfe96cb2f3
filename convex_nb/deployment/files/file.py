"""One file from outside of functions: what `dep.files[id]` gives."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convex_nb.deployment.files.preview import preview_html
from convex_nb.services.files.stored_file import StoredFile
from convex_nb.services.transfer.zip_export import written_whole

if TYPE_CHECKING:
    from convex_nb.engine.files.file_store import FileStore
    from convex_nb.language.limits import Limits
    from convex_nb.services.files.file_table import FileRecord
    from convex_nb.services.files.urls import FileUrls


class File(StoredFile):
    """A file, which a notebook shows: images, sound, films and PDF as what they are, text as text."""

    def __init__(self, record: FileRecord, files: FileStore, urls: FileUrls, limits: Limits) -> None:
        super().__init__(record, files)
        self._urls = urls
        self._limits = limits

    @property
    def url(self) -> str:
        """What `ctx.storage.get_url` gives. Raises `LimitError` for a large file without a server."""
        return self._urls.of_file(self, self._record.token, self._limits)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write it to a file of its own, which has its name once it is complete. Raises `StorageError`."""
        place = Path(path).expanduser()
        with written_whole(place) as unfinished, unfinished.open("wb") as target:
            for data in self.chunks():
                target.write(data)
        return place

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:  # noqa: ARG002
        return {"text/plain": repr(self), "text/html": preview_html(self)}
