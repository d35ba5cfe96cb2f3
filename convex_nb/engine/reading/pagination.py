"""Pages of a query: positions that survive every change of the data, and the size rules of a page."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from convex_nb.engine.reading.planner import Range, passes, read_filtered
from convex_nb.language.errors import InvalidCursorError, InvalidValueError
from convex_nb.language.limits import UNLIMITED
from convex_nb.language.values import size_of

if TYPE_CHECKING:
    from convex_nb.engine.reading.filters import Expression
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

PAGE_SIZE = 20
_LONGEST_PAGE = 8192
AFTER, END = b"\x01", b"\x02"
FINGERPRINT = 12
_CHECK = 4


class Page(TypedDict):
    """What ``paginate`` returns, in the names of the wire."""

    page: list[Document]
    isDone: bool
    continueCursor: str
    splitCursor: str | None
    pageStatus: str | None


class PageOptions(NamedTuple):
    """How much to read and where to begin."""

    num_items: int
    cursor: str | None = None
    end_cursor: str | None = None
    maximum_rows_read: int | None = None
    maximum_bytes_read: int | None = None


class Source(NamedTuple):
    """A query to be paged."""

    range: Range
    filters: tuple[Expression, ...]
    fields: tuple[str, ...]
    """The fields of the index."""
    key_of: Callable[[Document], bytes]
    """A document's key in the index."""

    def fingerprint(self) -> bytes:
        """Tells this query from every other; the same in every process."""
        table, index, lo, hi, reverse = self.range
        texts = (table, index, *self.fields, *map(repr, self.filters))
        parts = (lo, hi, bytes([reverse]), *[text.encode() for text in texts])
        return hashlib.sha256(b"".join([len(part).to_bytes(4) + part for part in parts])).digest()[:FINGERPRINT]


def page_options(options: int | Mapping[str, Any] | None, cursor: str | None) -> PageOptions:
    """The options of a call, given by name or as the wire's dict. Raises ``InvalidValueError``."""
    if isinstance(options, Mapping):
        if cursor is not None:
            raise InvalidValueError("paginate() takes the cursor inside the options, or by name, and not both.")
        known = {"numItems", "cursor", "endCursor", "maximumRowsRead", "maximumBytesRead", "id"}
        if unknown := options.keys() - known:
            raise InvalidValueError(f"paginate() does not know the option {min(unknown)!r}; it takes {sorted(known)}.")
        if "numItems" not in options:
            raise InvalidValueError("paginate() needs numItems, how many documents the first page should have.")
        chosen = PageOptions(
            _whole("numItems", options["numItems"]),
            options.get("cursor"),
            options.get("endCursor"),
            _optional("maximumRowsRead", options.get("maximumRowsRead")),
            _optional("maximumBytesRead", options.get("maximumBytesRead")),
        )
    else:
        chosen = PageOptions(_whole("num_items", PAGE_SIZE if options is None else options), cursor)
    for name, cap in (("maximumRowsRead", chosen.maximum_rows_read), ("maximumBytesRead", chosen.maximum_bytes_read)):
        if cap is not None and cap < 1:
            raise InvalidValueError(f"{name} must be at least 1: a page reads at least one document.", value=cap)
    if chosen.num_items < 1:
        raise InvalidValueError("Must request at least 1 document while paginating.", value=chosen.num_items)
    for name, text in (("cursor", chosen.cursor), ("endCursor", chosen.end_cursor)):
        if text is not None and not isinstance(text, str):
            raise InvalidValueError(
                f"{name} is the continueCursor of an earlier page, or None; got {text!r}.", value=text
            )
    return chosen


def paginate(transaction: Transaction, source: Source, options: PageOptions) -> Page:
    """One page of a query.

    A first run reads ``num_items`` documents that pass and notes in the transaction's journal where it ended; a run
    that finds the journal of an earlier one, or an ``endCursor``, reads everything up to there, so that neighbouring
    pages stay adjacent whatever happens to the documents. ``isDone`` is true only if the end was really met.
    """
    fingerprint = source.fingerprint()
    start, end = begin_page(transaction, options, fingerprint)
    if start == END:
        # The end is a place as well: nothing lies behind it, whatever has been added before it.
        transaction.journal = cursor_of(END, fingerprint)
        return Page(page=[], isDone=True, continueCursor=transaction.journal, splitCursor=None, pageStatus=None)
    reading = _read(transaction, source, options, _between(source.range, start, end), end is not None)
    if reading.complete:
        position = END if end is None else end
    else:
        position = AFTER + source.key_of(reading.looked_at(reading.rows - 1))
    transaction.journal = cursor_of(position, fingerprint)
    split = None
    if reading.rows > 2:
        split = cursor_of(AFTER + source.key_of(reading.looked_at((reading.rows - 1) // 2)), fingerprint)
    return Page(
        page=reading.documents,
        isDone=position == END,
        continueCursor=transaction.journal,
        splitCursor=split,
        pageStatus=reading.status(options),
    )


def begin_page(transaction: Transaction, options: PageOptions, fingerprint: bytes) -> tuple[bytes | None, bytes | None]:
    """The positions behind which a page begins, and at which it has to end if that is settled.

    Raises ``InvalidCursorError``, and ``InvalidValueError`` for the second page of one function.
    """
    if transaction.paginated:
        raise InvalidValueError(
            "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated "
            "query in each function."
        )
    transaction.paginated = True
    start = None if options.cursor is None else position_of(options.cursor, fingerprint)
    return start, _end(transaction.journal, options, fingerprint)


def _end(journal: str | None, options: PageOptions, fingerprint: bytes) -> bytes | None:
    """The position at which the page has to end, if it is settled."""
    if options.end_cursor is not None:
        return position_of(options.end_cursor, fingerprint)
    if journal is None:
        return None
    try:
        return position_of(journal, fingerprint)
    except InvalidCursorError:
        # The code has changed since: this is the first run of another query.
        return None


def _between(whole: Range, start: bytes | None, end: bytes | None) -> Range:
    """The part of a range behind the position ``start``, up to and including the document at ``end``."""
    lo, hi = whole.lo, whole.hi
    if start is not None:
        key = start[1:]
        lo, hi = (lo, min(hi, key)) if whole.reverse else (max(lo, key + b"\x00"), hi)
    if end is not None and end != END:
        key = end[1:]
        lo, hi = (max(lo, key), hi) if whole.reverse else (lo, min(hi, key + b"\x00"))
    return whole._replace(lo=lo, hi=max(lo, hi))


class _Read(NamedTuple):
    """The documents of a page, and how it was read: see `Reading`."""

    documents: list[Document]
    rows: int
    complete: bool
    looked_at: Callable[[int], Document]
    size: int = 0
    """Bytes read, where they are capped."""
    capped: bool = False
    """Whether a cap on rows or bytes ended the page."""

    def status(self, options: PageOptions) -> str | None:
        """Whether the page should or must be split."""
        if self.capped:
            return "SplitRequired"
        shares = (
            (self.rows, options.maximum_rows_read),
            (self.size, options.maximum_bytes_read),
            (len(self.documents), _LONGEST_PAGE),
        )
        near = any(most is not None and 4 * used > 3 * most for used, most in shares)
        return "SplitRecommended" if near else None


def _read(transaction: Transaction, source: Source, options: PageOptions, where: Range, pinned: bool) -> _Read:
    wanted = None if pinned else options.num_items
    if options.maximum_rows_read is not None or options.maximum_bytes_read is not None:
        return _read_capped(transaction, source, options, where, wanted)
    if source.filters:
        return _Read(*read_filtered(transaction, where, source.filters, wanted))
    documents = transaction.read(*where, limit=wanted)
    return _Read(documents, len(documents), len(documents) != wanted, documents.__getitem__)


def _read_capped(
    transaction: Transaction, source: Source, options: PageOptions, where: Range, wanted: int | None
) -> _Read:
    """Row by row, until there are enough documents, or as many rows or bytes as the caps allow."""
    most_rows = UNLIMITED if options.maximum_rows_read is None else options.maximum_rows_read
    most_bytes = UNLIMITED if options.maximum_bytes_read is None else options.maximum_bytes_read
    documents: list[Document] = []
    seen: list[Document] = []
    size = 0
    with closing(transaction.scan(*where)) as scan:
        for document in scan:
            seen.append(document)
            size += size_of(document)
            if passes(source.filters, document):
                documents.append(document)
            if len(documents) == wanted:
                return _Read(documents, len(seen), False, seen.__getitem__, size)
            if len(seen) >= most_rows or size >= most_bytes:
                return _Read(documents, len(seen), False, seen.__getitem__, size, capped=True)
    return _Read(documents, len(seen), True, seen.__getitem__, size)


def cursor_of(position: bytes, fingerprint: bytes) -> str:
    """The text that stands for a position in one query."""
    check = hashlib.sha256(fingerprint + position).digest()[:_CHECK]
    return base64.urlsafe_b64encode(fingerprint + check + position).decode().rstrip("=")


def position_of(cursor: str, fingerprint: bytes) -> bytes:
    """The position at which a cursor stands: ``END``, or ``AFTER`` and a key. Raises ``InvalidCursorError``."""
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        content = b""
    of, rest = content[:FINGERPRINT], content[FINGERPRINT:]
    check, position = rest[:_CHECK], rest[_CHECK:]
    if not position or hashlib.sha256(of + position).digest()[:_CHECK] != check:
        raise InvalidCursorError(
            "InvalidCursor: this is not a cursor. Pass the continueCursor of an earlier page, or None to start.",
            cursor=cursor,
        )
    if of != fingerprint:
        raise InvalidCursorError(
            "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a "
            "different query. A cursor continues the query that gave it: same table, index, range, order, filters.",
            cursor=cursor,
        )
    return position


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1:
        raise InvalidValueError(f"{name} is a whole number, got {value!r}.", value=value)
    return int(value)


def _optional(name: str, value: Any) -> int | None:
    return None if value is None else _whole(name, value)
