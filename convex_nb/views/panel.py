"""What a reader has opened below a view: a document, found by its id, or one value of a row in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from convex_nb.deployment.clients.paginated import Followed
from convex_nb.language.describing import counted
from convex_nb.language.documents import without_system_fields
from convex_nb.language.values import UNDEFINED
from convex_nb.views.cells import as_id, encode_time
from convex_nb.views.editing import Editing
from convex_nb.views.messages import Node, Opened
from convex_nb.views.problem import message_of
from convex_nb.views.tree import tree_of

TEXT_MOST: Final = 100_000
"""Characters of a text that is shown in full."""
BYTES_MOST: Final = 4_096
_BYTES_OF_LINE: Final = 16

Row = Mapping[str, Any]


@dataclass(frozen=True)
class DocumentOf:
    """The document of an id, as it is now."""

    id: str
    query: Followed


@dataclass(frozen=True)
class ValueOf:
    """A value of a row: of the row as the page has it or, when it is no longer there, as it was."""

    key: str
    column: str
    row: Row


class Panel:
    """Documents one after another, as the reader went from id to id, or one value. `find` follows a document; without
    it ids lead nowhere, and only what the view itself has is shown."""

    def __init__(self, find: Callable[[str], Followed] | None = None) -> None:
        self._find = find
        # Replaced as a whole: a view is drawn by one thread while another one takes what its reader does.
        self._trail: tuple[DocumentOf | ValueOf, ...] = ()
        self._shown: tuple[object, ...] = ()

    @property
    def has_jumps(self) -> bool:
        """Whether ids lead to their documents."""
        return self._find is not None

    def take(self, content: Mapping[str, Any], row_of: Callable[[str], Row | None], editing: Editing | None) -> None:
        """Do what the reader asks for: "open", "back" or "shut"."""
        if content["type"] == "back":
            self.back()
        elif content["type"] == "shut":
            self.close()
        elif "id" in content:
            self.open_document(content["id"], onward=content.get("onward", False))
        elif (row := row_of(content["key"])) is not None:
            self.open_cell(row, content["key"], content["column"], editing)

    def open_document(self, id: str, *, onward: bool = False) -> None:
        """Show the document of an id; `onward` keeps what is open now to go back to. O(steps)."""
        if self._find is None:
            return
        before = self._trail if onward else ()
        if not (before and isinstance(before[-1], DocumentOf) and before[-1].id == id):
            self._replace((*before, DocumentOf(id, self._find(id))))

    def open_cell(self, row: Row, key: str, column: str, editing: Editing | None = None) -> None:
        """Show what a cell holds: the document that it names, or its value in full; of what a cell shows in full, its
        row's document."""
        value = row.get(column, UNDEFINED)
        is_small = value is UNDEFINED or value is None or isinstance(value, (bool, int, float))
        id = as_id(row.get("_id") if is_small else value)
        is_edited = editing is not None and editing.text_of(column, value) is not None
        if id is not None and self.has_jumps and not is_edited:
            self.open_document(id)
        else:
            self._replace((ValueOf(key, column, row),))

    def back(self) -> None:
        """Show what was open before."""
        self._replace(self._trail[:-1])

    def close(self) -> None:
        """Show nothing, and follow nothing."""
        self._replace(())

    def _replace(self, trail: tuple[DocumentOf | ValueOf, ...]) -> None:
        old, self._trail = self._trail, trail
        for opened in old:
            if isinstance(opened, DocumentOf) and opened not in trail:
                opened.query.close()

    def has_moved(self) -> bool:
        """Tell whether the document has changed since it was drawn."""
        opened = self._trail[-1] if self._trail else None
        if not isinstance(opened, DocumentOf):
            return False
        now = (opened.query.value, opened.query.error)
        return len(self._shown) != len(now) or any(a is not b for a, b in zip(now, self._shown, strict=True))

    def picture(self, row_of: Callable[[str], Row | None], editing: Editing | None) -> Opened | None:
        """Return what is drawn, None while nothing is open."""
        trail = self._trail
        if not trail:
            return None
        opened, steps = trail[-1], len(trail)
        if isinstance(opened, ValueOf):
            return _value_of(opened, row_of(opened.key) or opened.row, editing)
        document, error = self._shown = (opened.query.value, opened.query.error)
        picture: Opened = {"place": f"{steps} {opened.id}", "title": "document", "id": opened.id, "back": steps > 1}
        if error is not None:
            picture["note"] = message_of(error)
        elif document is None:
            picture["note"] = "There is no document of this id, or no longer."
        else:
            picture["tree"] = _fields_of(document)
            picture["title"] = getattr(document["_id"], "table", None) or picture["title"]
        return picture


def _fields_of(document: Row) -> Node:
    """The fields of a document: own ones first, its time as a time, its id not at all, since it stands above."""
    tree = tree_of(without_system_fields(document))
    if "_creationTime" in document:
        tree["items"].append({"label": "_creationTime", "cell": encode_time(document["_creationTime"])})
    return tree


def _value_of(opened: ValueOf, row: Row, editing: Editing | None) -> Opened:
    key, column = opened.key, opened.column
    value = row.get(column, UNDEFINED)
    picture: Opened = {
        "place": f"{key} {column}",
        "title": column,
        "id": str(row.get("_id", "")),
        "back": False,
    }
    entry = None if editing is None or "_id" not in row else editing.text_of(column, value)
    if entry is not None and len(entry) <= TEXT_MOST:
        picture |= {"text": entry, "edit": {"key": key, "column": column, **editing.fields[column]}}  # type: ignore[union-attr]
    elif isinstance(value, str):
        picture["text"] = value[:TEXT_MOST]
        if len(value) > TEXT_MOST:
            picture["note"] = f"the first {TEXT_MOST:,} of {len(value):,} characters"
    elif isinstance(value, bytes):
        picture["text"] = "\n".join(
            value[start : start + _BYTES_OF_LINE].hex(" ")
            for start in range(0, min(len(value), BYTES_MOST), _BYTES_OF_LINE)
        )
        shown = f"the first {BYTES_MOST:,} of " if len(value) > BYTES_MOST else ""
        picture["note"] = f"{shown}{counted(len(value), 'byte')}"
    else:
        picture["tree"] = tree_of(value)
    return picture
