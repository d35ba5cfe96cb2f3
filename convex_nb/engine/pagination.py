"""Pages of a query: positions that survive every change of the data, and the size rules of a page."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from convex_nb.language.errors import InvalidCursorError, InvalidValueError
from convex_nb.language.values import size_of

if TYPE_CHECKING:
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

PAGE_SIZE = 20
_LONGEST_PAGE = 8192
_AFTER, _END = b"\x01", b"\x02"
_FINGERPRINT = 12


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
    """A query to be paged: its interval, its direction, its filter, and how a document's key is made."""

    table: str
    index_name: str
    lo: bytes
    hi: bytes
    reverse: bool
    key_of: Callable[[Document], bytes] | None
    passes: Callable[[Document], bool] | None
    shape: str

    def fingerprint(self) -> bytes:
        """Tells this query from every other; the same in every process."""
        names = (self.table.encode(), self.index_name.encode(), self.shape.encode())
        parts = (*names, self.lo, self.hi, bytes([self.reverse]))
        return hashlib.sha256(b"".join([len(part).to_bytes(4) + part for part in parts])).digest()[:_FINGERPRINT]


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
    if transaction.paginated:
        raise InvalidValueError(
            "This query or mutation function ran multiple paginated queries. "
            "Only a single paginated query is supported in each function."
        )
    transaction.paginated = True
    fingerprint = source.fingerprint()
    lo, hi = source.lo, source.hi
    end = options.end_cursor if options.end_cursor is not None else transaction.journal
    if options.cursor is not None:
        start = _decode(options.cursor, fingerprint)
        if start is None:
            # The end is a place as well: nothing lies behind it, whatever has been added before it.
            return _finished(transaction, [], _encode(None, fingerprint), True, None, None)
        lo, hi = (lo, min(hi, start)) if source.reverse else (max(lo, start + b"\x00"), hi)
    pinned = end is not None
    if end is not None:
        stop = _decode(end, fingerprint)
        if stop is not None:
            lo, hi = (max(lo, stop), hi) if source.reverse else (lo, min(hi, stop + b"\x00"))
    else:
        stop = None
    reading = _Reading(transaction, source, options, lo, hi, None if pinned else options.num_items)
    if reading.stopped_by_limit or not reading.exhausted:
        last = reading.last_key()
        continue_cursor = _encode(last, fingerprint)
    else:
        continue_cursor = end if end is not None else _encode(None, fingerprint)
    done = reading.exhausted and not reading.stopped_by_limit and (not pinned or stop is None)
    split = reading.middle_key()
    return _finished(
        transaction,
        reading.documents,
        continue_cursor,
        done,
        None if split is None else _encode(split, fingerprint),
        reading.status(),
    )


def _finished(
    transaction: Transaction, documents: list[Document], cursor: str, done: bool, split: str | None, status: str | None
) -> Page:
    transaction.journal = cursor
    return Page(page=documents, isDone=done, continueCursor=cursor, splitCursor=split, pageStatus=status)


class _Reading:
    """The documents of one page as they are read, and why the reading ended."""

    def __init__(
        self, transaction: Transaction, source: Source, options: PageOptions, lo: bytes, hi: bytes, wanted: int | None
    ) -> None:
        self._source = source
        self._options = options
        self.documents: list[Document] = []
        self.rows = 0
        self.bytes = 0
        self.exhausted = False
        self.stopped_by_limit = False
        self._seen: list[Document] = []
        most_rows = options.maximum_rows_read
        most_bytes = options.maximum_bytes_read
        plain = source.passes is None and most_rows is None and most_bytes is None
        if plain:
            self.documents = transaction.read(source.table, source.index_name, lo, hi, source.reverse, wanted)
            self._seen = self.documents
            self.rows = len(self.documents)
            self.exhausted = wanted is None or self.rows < wanted
            return
        scan = transaction.scan(source.table, source.index_name, lo, hi, source.reverse)
        try:
            for document in scan:
                self._seen.append(document)
                self.rows += 1
                if source.passes is None or source.passes(document):
                    self.documents.append(document)
                if most_bytes is not None:
                    self.bytes += size_of(document)
                if wanted is not None and len(self.documents) == wanted:
                    return
                if (most_rows is not None and self.rows >= most_rows) or (
                    most_bytes is not None and self.bytes >= most_bytes
                ):
                    self.stopped_by_limit = True
                    return
            self.exhausted = True
        finally:
            scan.close()

    def last_key(self) -> bytes:
        assert self._source.key_of is not None
        return self._source.key_of(self._seen[-1])

    def middle_key(self) -> bytes | None:
        if len(self._seen) <= 2:
            return None
        assert self._source.key_of is not None
        return self._source.key_of(self._seen[(len(self._seen) - 1) // 2])

    def status(self) -> str | None:
        if self.stopped_by_limit:
            return "SplitRequired"
        options = self._options
        near = (
            (options.maximum_rows_read is not None and self.rows * 4 > options.maximum_rows_read * 3)
            or (options.maximum_bytes_read is not None and self.bytes * 4 > options.maximum_bytes_read * 3)
            or len(self.documents) * 4 > _LONGEST_PAGE * 3
        )
        return "SplitRecommended" if near else None


def _encode(key: bytes | None, fingerprint: bytes) -> str:
    position = _END if key is None else _AFTER + key
    check = hashlib.sha256(fingerprint + position).digest()[:4]
    return base64.urlsafe_b64encode(fingerprint + check + position).decode().rstrip("=")


def _decode(cursor: str, fingerprint: bytes) -> bytes | None:
    """The key after which a cursor stands, ``None`` for the end. Raises ``InvalidCursorError``."""
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        content = b""
    of, check, position = content[:_FINGERPRINT], content[_FINGERPRINT : _FINGERPRINT + 4], content[_FINGERPRINT + 4 :]
    if not position or hashlib.sha256(of + position).digest()[:4] != check or position[:1] not in (_AFTER, _END):
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
    return None if position == _END else position[1:]


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise InvalidValueError(f"{name} is a whole number, got {value!r}.", value=value)
    return int(value)


def _optional(name: str, value: Any) -> int | None:
    return None if value is None else _whole(name, value)
