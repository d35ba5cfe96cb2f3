"""The text index of one segment: postings of its stretches of rows, each made in a step of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from convex_nb.engine.search.postings import ROWS, Postings
from convex_nb.engine.search.stretches import stretches_of
from convex_nb.engine.search.tokens import LONGEST, words_of
from convex_nb.engine.segments.encoded_text import values_of
from convex_nb.engine.segments.layout import ENCODED
from convex_nb.language.keys import field_at

if TYPE_CHECKING:
    from convex_nb.engine.segments.columns import ArrowArray, Column
    from convex_nb.engine.segments.segment import Segment

BYTES = 1 << 24
"""A stretch has at most so much text, unless a single document has more."""


class TextIndex:
    """The postings of one field of a segment, stretch by stretch, each made when it is first asked for."""

    __slots__ = ("_column", "_inner", "_made", "path", "starts")

    def __init__(self, segment: Segment, path: str) -> None:
        self.path = path
        self._column, self._inner = column_at(segment, path)
        self.starts = stretches_of(segment.num_rows, self._column, ROWS, BYTES)
        """The first row of each stretch, and the number of rows."""
        self._made: list[Postings | None] = [None] * (len(self.starts) - 1)

    @classmethod
    def of(cls, segment: Segment, path: str) -> TextIndex:
        """That of a segment, which keeps it."""
        index = segment.derived.get((cls, path))
        if index is None:
            index = segment.derived.setdefault((cls, path), cls(segment, path))
        return index  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self._made)

    def make(self, number: int) -> Postings:
        """The postings of one stretch. Costs about 0.1 microseconds a byte when they are first asked for."""
        found = self._made[number]
        if found is None:
            # Two threads may both make them; either are right, so no lock.
            start, stop = self.starts[number], self.starts[number + 1]
            found = self._made[number] = Postings(texts_at(self._column, self._inner, start, stop))
        return found

    def unbuilt(self) -> int | None:
        """The first stretch that has no postings yet."""
        return self._made.index(None) if None in self._made else None

    @property
    def indexed(self) -> int:
        """How many rows have postings."""
        ready = [number for number, postings in enumerate(self._made) if postings is not None]
        return sum([self.starts[number + 1] - self.starts[number] for number in ready])

    def check(self, segment: Segment) -> None:
        """Verify what has been made against the documents. Raises ``AssertionError``. Costs O(words)."""
        for number, postings in enumerate(self._made):
            if postings is not None:
                documents = segment.documents(range(self.starts[number], self.starts[number + 1]))
                texts = [field_at(document, self.path) for document in documents]
                expected = {
                    (term.encode(), row, place)
                    for row, text in enumerate(texts)
                    if isinstance(text, str)
                    for place, term in enumerate(words_of(text))
                    if len(term.encode()) <= LONGEST
                }
                assert postings.content() == expected, f"{self.path} of {segment!r}: {postings!r} is not its text"

    @property
    def nbytes(self) -> int:
        """Bytes of what has been made."""
        return sum([postings.nbytes for postings in self._made if postings is not None])


def column_at(segment: Segment, path: str) -> tuple[Column | None, str]:
    """The column that holds a dotted path, and the path inside its values; all values, for the empty path."""
    name, _, inner = path.partition(".")
    column = segment.columns.get(name)
    if column is None:
        return segment.columns.get(""), path
    return (column, inner) if not inner or column.field.kind in ENCODED else (None, "")


def values_at(column: Column, path: str, start: int, stop: int) -> list[Any]:
    """What an encoded column holds at a path, ``UNDEFINED`` where that is nothing. Costs O(rows) slow steps."""
    values = values_of(column.values.slice(start, stop - start).to_pylist())
    return [field_at(value, path) for value in values] if path else values


def texts_at(column: Column | None, path: str, start: int, stop: int) -> ArrowArray:
    """The texts of some rows, null where the value is none."""
    if column is not None and column.field.kind in ("string", "id"):
        return column.values.slice(start, stop - start)
    if column is None or column.field.kind not in ENCODED:
        return pa.nulls(stop - start, pa.string())
    texts = [value if isinstance(value, str) else None for value in values_at(column, path, start, stop)]
    large = sum([len(text) for text in texts if text is not None]) > np.iinfo(np.int32).max // 4
    return pa.array(texts, pa.large_string() if large else pa.string())
