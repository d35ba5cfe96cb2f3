"""Which rows have which terms, how often and where: the text index of one stretch of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from convex_nb.engine.search.tokens import tokens_of_column
from convex_nb.engine.search.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.segments.columns import ArrowArray

ROWS = 1 << 16
"""A stretch has at most so many rows, so that a row's number fits in two bytes and building one is a short step."""


class Occurrences(NamedTuple):
    """The postings of neighbouring terms: one for each term and row, by term and then by row."""

    rows: NDArray[np.uint16]
    frequencies: NDArray[np.int32]
    start: int
    """The number of the first posting."""


class Postings:
    """Every term of a stretch of texts, with its rows and its places in each; immutable.

    ``lengths`` counts the terms of each row. Numbers are as narrow as they can be: about 8 bytes for each different
    term of a row and 1 to 4 for each word.
    """

    __slots__ = ("_position_starts", "_positions", "_rows", "_starts", "lengths", "texts", "total", "vocabulary")

    def __init__(self, texts: ArrowArray) -> None:
        """Index at most ``ROWS`` texts; null is none. Costs about 0.1 microseconds a word."""
        terms, rows, positions = tokens_of_column(texts)
        self.vocabulary, numbers = Vocabulary.of(terms)
        order = _stable_order(numbers)
        numbers, rows, positions = numbers[order], rows[order], positions[order]
        first = np.ones(len(numbers), np.bool_)
        first[1:] = (numbers[1:] != numbers[:-1]) | (rows[1:] != rows[:-1])
        starts = np.flatnonzero(first)
        self._rows = rows[starts].astype(np.uint16)
        self._starts = _narrow(np.searchsorted(numbers[starts], np.arange(len(self.vocabulary) + 1)))
        self._position_starts = _narrow(np.append(starts, len(numbers)))
        self._positions = _narrow(positions)
        lengths = np.bincount(rows, minlength=len(texts))
        self.lengths = _narrow(lengths)
        self.texts = int(np.count_nonzero(lengths))
        """Rows that have a term."""
        self.total = int(lengths.sum())
        """Terms of all rows."""

    def __repr__(self) -> str:
        return f"Postings({len(self.vocabulary)} terms in {self.texts} of {len(self.lengths)} rows)"

    def numbers(self, term: bytes, *, prefix: bool = False) -> tuple[int, int]:
        """The numbers ``start <= n < stop`` of a term, or of all that begin with it."""
        start = self.vocabulary.place(term)
        if prefix:
            # Text has no byte FF.
            return start, self.vocabulary.place(term + b"\xff")
        found = start < len(self.vocabulary) and self.vocabulary.key(start) == term
        return start, start + found

    def occurrences(self, start: int, stop: int) -> Occurrences:
        """The postings of the terms with these numbers."""
        first, last = int(self._starts[start]), int(self._starts[stop])
        ends = self._position_starts[first : last + 1].astype(np.int32)
        return Occurrences(self._rows[first:last], ends[1:] - ends[:-1], first)

    def counts(self, start: int, stop: int) -> NDArray[np.int64]:
        """How many postings each of the terms with these numbers has."""
        ends = self._starts[start : stop + 1].astype(np.int64)
        return ends[1:] - ends[:-1]

    def positions(self, occurrences: Occurrences, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where in their rows the words of the ``chosen`` postings stand, posting by posting."""
        lengths = occurrences.frequencies[chosen]
        starts = self._position_starts[occurrences.start + chosen].astype(np.int64)
        offsets = np.cumsum(lengths, dtype=np.int64)
        within = np.arange(offsets[-1] if len(offsets) else 0) - np.repeat(offsets - lengths, lengths)
        positions: NDArray[np.int64] = self._positions[np.repeat(starts, lengths) + within].astype(np.int64)
        return positions

    def rows_of(self, term: bytes, *, prefix: bool = False) -> NDArray[np.uint16]:
        """The rows that have a term, or one that begins with it; a row may come several times."""
        return self.occurrences(*self.numbers(term, prefix=prefix)).rows

    def content(self) -> set[tuple[bytes, int, int]]:
        """Each term with its row and its place there. Costs O(words) slow steps."""
        found = set()
        for number in range(len(self.vocabulary)):
            each = self.occurrences(number, number + 1)
            rows = np.repeat(each.rows, each.frequencies).tolist()
            places = self.positions(each, np.arange(len(each.rows))).tolist()
            found |= {(self.vocabulary.key(number), *pair) for pair in zip(rows, places, strict=True)}
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of all of it."""
        arrays = (self._rows, self._starts, self._position_starts, self._positions, self.lengths)
        return self.vocabulary.nbytes + sum([array.nbytes for array in arrays])


def _narrow(numbers: NDArray[Any]) -> NDArray[Any]:
    """The same in the narrowest type that holds them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def _stable_order(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """A stable sort, sixteen bits at a time: NumPy sorts those by counting."""
    order = np.argsort((numbers & 0xFFFF).astype(np.uint16), kind="stable")
    if len(numbers) and int(numbers.max()) > 0xFFFF:
        order = order[np.argsort((numbers >> 16).astype(np.uint16)[order], kind="stable")]
    return order
