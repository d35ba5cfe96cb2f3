"""Vector search inside a transaction: what it finds, and what that depends on.

The documents of a table have an order by their nearness to a vector. What a search has read of it is where an index
range would have been: everything as near as the last document that it found.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convex_nb.engine.read_set import Interval
from convex_nb.engine.search.keyspace import Keyspace
from convex_nb.engine.search.sources import Source
from convex_nb.engine.search.vector_index import is_vector, units_of
from convex_nb.engine.search.vector_search import checked_search, chosen_vectors, nearest, similarities
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_value, field_at, successor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.engine.search.vector_search import VectorFilterFunction, VectorMatches, VectorSearch
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.transaction import Transaction

_MARGIN: Final = 1e-9
"""Scores that differ by less are taken for the same: the sum for one document need not round as that for many does."""


class VectorKeyspace(Keyspace):
    """The keys that documents have for one vector and one filter: the nearer, the less. Others have none."""

    __slots__ = ("search",)

    search: VectorSearch

    def __new__(cls, search: VectorSearch) -> VectorKeyspace:
        """Of the same vector and filter it is the same name."""
        digest = sha256(search.unit.tobytes() + repr(search.filters).encode()).hexdigest()[:16]
        self = super().__new__(cls, f"{search.definition.name}: near {digest}")
        self.search = search
        return self

    def keys_of(self, document: Mapping[str, Any] | None) -> set[bytes]:
        """The key of a document with a vector that passes the filter."""
        search = self.search
        vector = None if document is None else field_at(document, search.definition.vector_field)
        if document is None or not is_vector(vector, search.definition.dimensions):
            return set()
        if search.filters is not None and not any(
            encode_value(field_at(document, field)) == key for field, key in search.filters
        ):
            return set()
        units = units_of(np.array([vector], np.float64))
        return {_key(similarities(units, search.unit)[0])}

    def touches(self, segment: Segment, lo: bytes, hi: bytes) -> bool:
        """Whether a document of a segment has a key in an interval of this keyspace."""
        scores = [
            similarities(vectors.units[chosen], self.search.unit).max()
            for _, vectors, chosen in chosen_vectors([Source(segment, None)], self.search)
        ]
        return bool(scores) and lo <= _key(max(scores)) < hi


def search_in(
    transaction: Transaction, table: str, index: str, vector: Any, limit: int, filter: VectorFilterFunction | None
) -> VectorMatches:
    """The nearest documents as a transaction sees them, its own writes among them; recorded as a read.

    Costs what ``vector_search`` does. Raises ``IndexNotFoundError`` and ``SearchError``.
    """
    transaction.usage.add_range()
    state = transaction.table_or_new(table)
    search = checked_search(state, index, vector, limit, filter, transaction.database.limits)
    found = nearest(state, search)
    hi = MAX_KEY if len(found) < limit else successor(_key(found[-1]["_score"] - _MARGIN))
    transaction.depend_on([Interval(table, VectorKeyspace(search), MIN_KEY, hi)])
    return found


def _key(score: float) -> bytes:
    return encode_value(-float(score))
