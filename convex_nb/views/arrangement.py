"""How a reader has arranged the columns of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from convex_nb.views.messages import Column

NARROWEST: Final = 40
WIDEST: Final = 2000
"""Pixels of a column that was made narrower or wider by hand."""


class Arrangement:
    """The reader's order of columns, which of them are hidden, and the widths given by hand.

    It knows columns by name, so that it outlives updates and new code: one that it has not heard of stands behind the
    column that it follows without it, and is shown.
    """

    def __init__(self) -> None:
        self.order: list[str] = []
        self.hidden: frozenset[str] = frozenset()
        self.widths: dict[str, int] = {}

    def take(self, order: Sequence[Any], hidden: Iterable[Any], widths: Mapping[str, Any]) -> None:
        """Take over how the reader has arranged the columns. What is no name and no width is left out."""
        self.order = [name for name in dict.fromkeys(order) if isinstance(name, str)]
        self.hidden = frozenset(name for name in hidden if isinstance(name, str))
        self.widths = {
            name: round(min(max(width, NARROWEST), WIDEST))
            for name, width in widths.items()
            if isinstance(width, (int, float)) and not isinstance(width, bool)
        }

    def arranged(self, columns: Sequence[Column]) -> list[Column]:
        """Return all columns in the reader's order."""
        known = {column["name"]: column for column in columns}
        names = [name for name in self.order if name in known]
        if names:
            before = None
            for name in known:
                if name not in names:
                    names.insert(0 if before is None else names.index(before) + 1, name)
                before = name
        return [known[name] for name in names or known]

    def shown(self, columns: Sequence[Column]) -> list[Column]:
        """Return the columns that are not hidden, in the reader's order; all of them rather than none."""
        arranged = self.arranged(columns)
        return [column for column in arranged if column["name"] not in self.hidden] or arranged
