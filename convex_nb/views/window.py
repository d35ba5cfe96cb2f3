"""The part of a result that a reader looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from convex_nb.language.keys import encode_value
from convex_nb.language.values import UNDEFINED
from convex_nb.views.messages import Kind, SortKey
from convex_nb.views.row_filter import RowFilter

PAGE_ROWS: Final = 50


class Window:
    """A page of rows, sorted by the kernel. Its place is the key of a row and not a number, so that rows that come in
    above do not push it. Costs a page, whatever the result's size, unless the reader sorts or the anchor moves far."""

    def __init__(self, rows: Sequence[Any] = (), *, size: int = PAGE_ROWS) -> None:
        self.size = size
        self.sort: list[SortKey] = []
        self.start = 0
        self.above = 0
        """Rows that came in above the page since the reader left the top."""
        self.filter = RowFilter("")
        self._result: Sequence[Any] = rows
        self._rows: Sequence[Any] = rows
        self._anchor: tuple[str, int] | None = None  # a row's key and its place in the page

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> Sequence[Any]:
        """All rows as the reader has them: filtered and sorted."""
        return self._rows

    @property
    def total(self) -> int:
        """Rows of the result, whatever the filter."""
        return len(self._result)

    def page(self) -> list[Mapping[str, Any]]:
        """Return the rows of the page, each an object."""
        page = self._rows[self.start : self.start + self.size]
        return [row if isinstance(row, Mapping) else {"value": row} for row in page]

    def keys(self) -> list[str]:
        """Return the key of each row of the page: its `_id`, or its place where ids are missing or repeat."""
        page = self._rows[self.start : self.start + self.size]
        keys = [row_key(row) for row in page]
        if None in keys or len(set(keys)) < len(keys):
            return [f"#{place}" for place in range(self.start, self.start + len(page))]
        return keys  # type: ignore[return-value]

    def row(self, key: str) -> Mapping[str, Any] | None:
        """Return the row of the page that has this key."""
        return next((row for shown, row in zip(self.keys(), self.page(), strict=True) if shown == key), None)

    def show(self, result: Sequence[Any]) -> None:
        """Take a new result. The page stays at its anchor, or at the nearest of its rows that is left."""
        before, keys = self.start, self.keys()
        self._result = result
        self._rows = self._arranged(result)
        if self._anchor is None:
            self.start = min(self.start, self._last_start())
            return
        for key, offset in self._candidates(keys):
            place = self._find(key, before + offset)
            if place is not None:
                self.start = max(0, place - offset)
                self._anchor = (key, place - self.start)
                self.above = max(0, self.above + self.start - before)
                return
        self.turn(before)

    def turn(self, start: int) -> None:
        """Show the page that starts at a row; 0 follows the top from then on."""
        self.start = max(0, min(start, self._last_start()))
        self.above = 0
        key = self._keyed(self.start)
        self._anchor = (key, 0) if self.start and key is not None else None

    def anchor(self, key: str) -> None:
        """Keep the row of this key where it is in the page."""
        keys = self.keys()
        if key in keys and not key.startswith("#"):
            self._anchor = (key, keys.index(key))

    def cycle(self, column: str, *, add: bool = False) -> None:
        """Sort by a column: ascending, then descending, then not. `add` keeps the other sort keys. O(n log n)."""
        old = next((key for key in self.sort if key["column"] == column), None)
        new: list[SortKey] = [] if old and old["descending"] else [{"column": column, "descending": old is not None}]
        if add:
            place = self.sort.index(old) if old else len(self.sort)
            self.sort = [*self.sort[:place], *new, *self.sort[place + 1 :]]
        else:
            self.sort = new
        self._rows = self._arranged(self._result)
        self.turn(0)

    def filter_by(self, filter: RowFilter) -> None:
        """Show only the rows that pass. O(n)."""
        self.filter = filter
        self._rows = self._arranged(self._result)
        self.turn(0)

    def _arranged(self, rows: Sequence[Any]) -> Sequence[Any]:
        if self.filter:
            rows = self.filter.rows(rows)
        for key in reversed(self.sort):
            column = key["column"]
            rows = sorted(rows, key=lambda row: encode_value(field(row, column)), reverse=key["descending"])
        return rows

    def _last_start(self) -> int:
        return max(0, (len(self._rows) - 1) // self.size * self.size)

    def _keyed(self, place: int) -> str | None:
        return row_key(self._rows[place]) if place < len(self._rows) else None

    def _candidates(self, keys: list[str]) -> Iterator[tuple[str, int]]:
        """The anchor, then the rows of the old page by their distance from it."""
        assert self._anchor is not None
        key, offset = self._anchor
        yield key, offset
        for place in sorted(range(len(keys)), key=lambda place: abs(place - offset)):
            if place != offset and not keys[place].startswith("#"):
                yield keys[place], place

    def _find(self, key: str, guess: int) -> int | None:
        """Return the place of a key, looked for from `guess` outwards. O(distance), O(n) when it has gone."""
        rows = self._rows
        last = len(rows) - 1
        guess = min(guess, last)
        for distance in range(last + 1):
            low, high = guess - distance, guess + distance
            if low >= 0 and row_key(rows[low]) == key:
                return low
            if high <= last and row_key(rows[high]) == key:
                return high
            if low < 0 and high > last:
                break
        return None


def row_key(row: Any) -> str | None:
    key = field(row, "_id")
    return key if isinstance(key, str) else None


def field(row: Any, name: str) -> Any:
    return row.get(name, UNDEFINED) if isinstance(row, Mapping) else UNDEFINED


def kind_of(value: Any) -> Kind:
    """Return how a result is shown: objects in a list as a table, a scalar as a figure, anything else as a tree."""
    if isinstance(value, (list, tuple)):
        return "table" if not value or (isinstance(value[0], Mapping) and isinstance(value[-1], Mapping)) else "tree"
    return "tree" if isinstance(value, Mapping) else "figure"
