"""Documents of a table by the values of some of their fields, whether or not an index is of these fields."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING

from convex_nb.engine.read_set import Interval
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.keys import MAX_KEY, MIN_KEY, key_function, successor

if TYPE_CHECKING:
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document

_first = itemgetter(0)


class KeyLookup:
    """Finds the documents of one state of a table.

    Where no index is of the fields, segments are sorted by them once, and keep that for the next time: O(rows log
    rows). Recent documents are looked through once. After that a question costs O(segments x log rows).
    """

    def __init__(self, state: TableState, fields: tuple[str, ...]) -> None:
        self._state = state
        self._fields = fields
        places = [place for place, index in enumerate(state.indexes) if index.fields == fields]
        self._position = places[0] if places else None
        key_of = key_function(fields)
        self._recent: list[tuple[bytes, Document]] = []
        if self._position is None:
            self._recent = sorted([(key_of(document), document) for document in state.recent()], key=_first)

    def find(self, key: bytes) -> list[Document]:
        """The documents whose values have this `encode_key`, in no order."""
        lo, hi = key, successor(key)
        if self._position is not None:
            return self._state.read(self._position, lo, hi, None, reverse=False)
        found: list[Document] = []
        for part in self._state.parts:
            run = part.prepared_run(self._fields)
            for row in run.rows(*run.bounds(lo, hi)).tolist():
                document = part.segment.document(row)
                if part.dead[0].get(self._state.indexes[0].key_of(document)) is None:
                    found.append(document)
        start, stop = (bisect_left(self._recent, bound, key=_first) for bound in (lo, hi))
        return found + [document for _, document in self._recent[start:stop]]

    def interval(self, key: bytes) -> Interval:
        """What an answer depends on: all of the table, where no index tells more."""
        if self._position is None:
            return Interval(self._state.name, BY_CREATION_TIME, MIN_KEY, MAX_KEY)
        return Interval(self._state.name, self._state.indexes[self._position].name, key, successor(key))
