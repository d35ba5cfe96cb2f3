"""What a search depends on, as intervals of keys: terms, behind the values of the fields that it was filtered by."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convex_nb.engine.search.tokens import terms_of
from convex_nb.language.keys import encode_value, field_at, successor

if TYPE_CHECKING:
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.write import Write

_LENGTH = 4


class Keyspace(str):
    """The keys that documents have for a kind of search.

    It is a name of an index as read sets have them, and computes the keys itself: a commit has none of them, since
    almost nobody asks.
    """

    __slots__ = ()

    @abstractmethod
    def keys_of(self, document: Mapping[str, Any] | None) -> set[bytes]:
        """The keys of a document, none of ``None``."""

    def changed_keys(self, write: Write) -> set[bytes]:
        """The keys of a document before and after a write."""
        return self.keys_of(write.old) | self.keys_of(write.new)

    @abstractmethod
    def touches(self, segment: Segment, lo: bytes, hi: bytes) -> bool:
        """Whether a document of a segment has a key in an interval of this keyspace."""


class TermKeyspace(Keyspace):
    """The keys that documents have for searches of one field that are filtered by the same fields.

    A document has one for each different term: the values that it is filtered by, then the term.
    """

    __slots__ = ("field", "filter_fields")

    field: str
    filter_fields: tuple[str, ...]

    def __new__(cls, index: str, field: str, filter_fields: Iterable[str]) -> TermKeyspace:
        """Filter fields count in alphabetical order."""
        ordered = tuple(sorted(filter_fields))
        by = f" and {', '.join(ordered)}" if ordered else ""
        self = super().__new__(cls, f"{index}: terms of {field}{by}")
        self.field = field
        self.filter_fields = ordered
        return self

    def interval(self, term: str, filters: Mapping[str, bytes], *, prefix: bool) -> tuple[bytes, bytes]:
        """``lo <= key < hi`` of a term, or of all that begin with it, under these keys of the filter fields."""
        lo = _prefix([filters[field] for field in self.filter_fields]) + term.encode()
        if not prefix:
            lo += b"\x00"
        return lo, successor(lo)

    def keys_of(self, document: Mapping[str, Any] | None) -> set[bytes]:
        """The keys of a document, none of ``None``."""
        text = None if document is None else field_at(document, self.field)
        if document is None or not isinstance(text, str):
            return set()
        prefix = _prefix([encode_value(field_at(document, field)) for field in self.filter_fields])
        return {prefix + term.encode() + b"\x00" for term in terms_of(text)}

    def touches(self, segment: Segment, lo: bytes, hi: bytes) -> bool:  # noqa: ARG002 (a term ends it)
        """Whether a document of a segment has a key in an interval of this keyspace."""
        from convex_nb.engine.search.filter_values import FilterValues
        from convex_nb.engine.search.text_index import TextIndex

        keys, term = _parts(lo, len(self.filter_fields))
        prefix = not term.endswith(b"\x00")
        values = [FilterValues.of(segment, field) for field in self.filter_fields]
        index = TextIndex.of(segment, self.field)
        for number in range(len(index)):
            rows = index.make(number).rows_of(term.removesuffix(b"\x00"), prefix=prefix)
            for of_field, key in zip(values, keys, strict=True):
                rows = rows[
                    of_field.numbers[index.starts[number] + rows.astype("int64")] == of_field.vocabulary.find(key)
                ]
            if len(rows):
                return True
        return False


def _prefix(keys: Sequence[bytes]) -> bytes:
    return b"".join([len(key).to_bytes(_LENGTH) + key for key in keys])


def _parts(lo: bytes, fields: int) -> tuple[list[bytes], bytes]:
    keys = []
    for _ in range(fields):
        length = int.from_bytes(lo[:_LENGTH])
        keys.append(lo[_LENGTH : _LENGTH + length])
        lo = lo[_LENGTH + length :]
    return keys, lo
