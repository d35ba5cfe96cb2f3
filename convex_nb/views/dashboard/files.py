"""Files: what is stored, how it looks, storing and deleting."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from convex_nb.deployment.files.preview import size_text
from convex_nb.language.errors import InvalidValueError
from convex_nb.views.cells import short_id
from convex_nb.views.dashboard.blocks import Block, Line, bar, button, code, copier, form, grid, picture, words
from convex_nb.views.dashboard.owner import OwnedPage

if TYPE_CHECKING:
    from convex_nb.deployment.files.file import File

SHOWN: Final = 100
PICTURE_MOST: Final = 4 << 20
"""Bytes of a picture that is shown."""
TEXT_MOST: Final = 4000
"""Bytes of a text that are shown."""
_PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml", "image/avif", "image/bmp")


class Files(OwnedPage):
    """The stored files, the newest first."""

    name: ClassVar[str] = "files"

    def follow(self) -> None:
        self.on_commits("_storage")

    def blocks(self) -> Iterable[Block]:
        files = self.owner.files
        yield from self.chooser()
        send = {"name": "file", "label": "Store a file", "kind": "file", "eager": "store"}
        yield form("store", [[send]], [])  # type: ignore[list-item]
        shown = self.memory.get("shown")
        if shown is not None and shown in files:
            yield from self._preview(files[shown])
        newest = islice(reversed(list(files.values())), SHOWN)
        title = f"Files ({len(files):,})" if len(files) <= SHOWN else f"Files ({SHOWN} of {len(files):,})"
        nothing = (
            f"No files yet: store one here, by {self._files_of}.store(...), or by ctx.storage.store(...) in an action."
        )
        heads = ["file", "type", ">size", "sha256", "stored"]
        yield grid("files", title, heads, [_line(file, shown) for file in newest], nothing, "show")

    @property
    def _files_of(self) -> str:
        """What a cell calls the files of the owner."""
        return f"dep.components[{self.component!r}].files" if self.component else "dep.files"

    def _preview(self, file: File) -> Iterable[Block]:
        kind = (file.content_type or "").partition(";")[0].strip().lower()
        buttons = [button("✕ Close", "show", "close the file", key=file.id), copier("Copy id", file.id, "copy the id")]
        yield bar("file bar", [*buttons, button("Delete", "delete", "delete this file", key=file.id, tone="bad")])
        if kind in _PICTURES and file.size <= PICTURE_MOST:
            yield picture("picture", file.id, f"data:{kind};base64,{b64encode(file.read()).decode()}")
        elif kind.startswith("text/") or kind.endswith(("json", "xml", "javascript", "yaml", "sql")):
            more = "" if file.size <= TEXT_MOST else f"\n… {size_text(file.size)} in all"
            text = file.read(0, TEXT_MOST).decode("utf-8", errors="replace")
            yield code("text", f"{file.id}: {kind}", text + more, open=True)
        else:
            yield words("kind", f"{file.id}: {kind or 'no content type'}, {size_text(file.size)}.", "soft")

    def do_store(self, content: Mapping[str, Any]) -> None:
        kind, _, data = content["entries"]["file"].partition(",")
        if not kind:
            raise InvalidValueError(f"Nothing was stored: larger files than 5 MB go by {self._files_of}.store(path).")
        content_type = kind.removeprefix("data:").partition(";")[0] or None
        self.memory["shown"] = str(self.owner.files.store(b64decode(data), content_type=content_type))
        self.say(f"Stored: {self.memory['shown']}.")

    def do_show(self, content: Mapping[str, Any]) -> None:
        self.memory["shown"] = None if content["key"] == self.memory.get("shown") else content["key"]

    def do_delete(self, content: Mapping[str, Any]) -> None:
        id, files = content["key"], self.owner.files

        def delete() -> str:
            files.delete(id)
            return "The file was deleted."

        self.ask(f"Delete the file {id}?", "Delete", id, delete)


def _line(file: File, shown: str | None) -> Line:
    cells: Any = [
        short_id(file.id),
        file.content_type or "",
        size_text(file.size),
        f"{file.sha256[:12]}…",
        {"k": "time", "v": file.creation_time},
    ]
    return {"key": file.id, "cells": cells, "on": file.id == shown}
