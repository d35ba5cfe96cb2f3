"""What a view shows of its result: a page of a table's rows, or the one figure or tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convex_nb.views.arrangement import Arrangement
from convex_nb.views.cells import cell_text, encode_cell
from convex_nb.views.columns import Columns, cells_of
from convex_nb.views.messages import Cell, Column, Kind, Node, Row, TableHead
from convex_nb.views.result_sheet import sheet_of_rows
from convex_nb.views.row_filter import RowFilter
from convex_nb.views.sheet import Heading, Sheet
from convex_nb.views.tree import tree_of
from convex_nb.views.window import Window, kind_of


class Contents:
    """A result as its reader sees it. `hints` tells the columns that the schema gives to rows like these. Not locked:
    its owner calls it under the owner's lock."""

    def __init__(self, window: Window, hints: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, str]]) -> None:
        self.window = window
        self.kind: Kind = "table"
        self.body: Cell | Node = None
        """Of a figure or a tree, what is drawn."""
        self._hints = hints
        self._value: Any = None
        self._columns = Columns()
        self._arrangement = Arrangement()
        self._encoded: dict[str, tuple[Any, Row]] = {}
        self._encoded_columns: list[Column] = []

    @property
    def names(self) -> Sequence[str]:
        """The columns that there are."""
        return self._columns.names

    def take(self, value: Any) -> None:
        """Show a new result. Costs the page of it."""
        self._value = value
        self.kind = kind_of(value)
        if self.kind == "table":
            was_empty = not self.window.total
            self.window.show(value)
            if was_empty or not value:
                self._columns = Columns(self._hints(self.window.page()[:1]))
        else:
            self.body = encode_cell(value) if self.kind == "figure" else tree_of(value)

    def forget_columns(self) -> None:
        """Another function may give other ones."""
        self._columns = Columns()

    def do(self, request: Mapping[str, Any]) -> bool:
        """Do what the reader asks of the table, if that is what is asked; tell whether there is something to draw."""
        window = self.window
        match request["type"]:
            case "anchor":
                window.anchor(request["key"])
                return False
            case "page":
                window.turn(request["start"])
            case "filter":
                window.filter_by(RowFilter(request["text"], self._columns.names))
            case "sort":
                window.cycle(request["column"], add=request["add"])
            case "arrange":
                self._arrangement.take(request["order"], request["hidden"], request["widths"])
            case _:
                return False
        return True

    def drawn(self) -> tuple[TableHead, list[Row]]:
        """Return what is said about the rows, and those of the page; a figure or a tree has none."""
        window, is_table = self.window, self.kind == "table"
        page = window.page() if is_table else []
        arranged = self._arrangement.arranged(self._columns.widen(page))
        columns = self._arrangement.shown(arranged)
        head: TableHead = {
            "kind": self.kind,
            "rows": len(window) if is_table else 1,
            "total": window.total if is_table else 1,
            "filter": window.filter.text,
            "columns": columns if is_table else [],
            "fields": [column["name"] for column in arranged] if is_table else [],
            "widths": self._arrangement.widths,
            "sort": list(window.sort),
            "start": window.start,
            "size": window.size,
            "above": window.above,
        }
        return head, self._rows(page, columns) if is_table else []

    def sheet(self, rows: int, **saved: Any) -> Sheet:
        """Return the first rows of the page as a static table; `saved` is what the table says around them."""
        if self.kind != "table":
            return Sheet([Heading("value")], [[cell_text(self._value)]], **saved)
        page = self.window.page()[:rows]
        columns = self._columns.widen(page)
        return sheet_of_rows(page, self._arrangement.shown(columns), len(self.window), len(columns), **saved)

    def _rows(self, page: Sequence[Any], columns: list[Column]) -> list[Row]:
        # Results share their documents: one that is the same object needs no second look.
        known = self._encoded if columns == self._encoded_columns else {}
        encoded: dict[str, tuple[Any, Row]] = {}
        for key, row in zip(self.window.keys(), page, strict=True):
            old = known.get(key)
            encoded[key] = old if old is not None and old[0] is row else (row, (key, cells_of(row, columns)))
        self._encoded, self._encoded_columns = encoded, columns
        return [row for _, row in encoded.values()]
