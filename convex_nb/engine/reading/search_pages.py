"""Pages of a text search: a page begins behind a score, a creation time and an id."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING

from convex_nb.engine.reading.pagination import AFTER, END, FINGERPRINT, Page, PageOptions, begin_page, cursor_of
from convex_nb.engine.reading.planner import passes
from convex_nb.engine.search.ranking import Place, documents_in_batches

if TYPE_CHECKING:
    from convex_nb.engine.reading.filters import Expression
    from convex_nb.engine.search.ranking import Hit, Ranking
    from convex_nb.engine.search.text_search import TextSearch
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

_numbers = Struct(">dd")


def paginate_search(
    transaction: Transaction,
    search: TextSearch,
    filters: Sequence[Expression],
    options: PageOptions,
    ranking: Ranking,
) -> Page:
    """One page of a search, as ``paginate`` does it for a range.

    It begins and ends at documents, wherever these stand by now; where one is gone, at the score that it had. It looks
    at ``limits.search_results`` documents at most and is shorter where the filters drop many of them.
    """
    fingerprint = _fingerprint(search, filters)
    start, end = begin_page(transaction, options, fingerprint)
    if start == END:
        transaction.journal = cursor_of(END, fingerprint)
        return Page(page=[], isDone=True, continueCursor=transaction.journal, splitCursor=None, pageStatus=None)
    pinned = end is not None
    most = transaction.database.limits.search_results if not pinned else len(ranking)
    if options.maximum_rows_read is not None:
        most = min(most, options.maximum_rows_read)
    after = None if start is None else ranking.place_now(_place(start))
    upto = None if end is None or end == END else ranking.place_now(_place(end))
    hits = ranking.hits(most + 1, after, upto)
    page: list[Document] = []
    looked = 0
    for document in documents_in_batches(hits[:most]):
        transaction.usage.add_read((document,), 1)
        looked += 1
        if passes(filters, document):
            page.append(document)
            if not pinned and len(page) == options.num_items:
                break
    capped = len(hits) > most and looked == most
    if looked < len(hits) or (not pinned and len(page) == options.num_items):
        position = _position(hits[looked - 1])
    else:
        position = END if end is None else end
    transaction.journal = cursor_of(position, fingerprint)
    return Page(
        page=page,
        isDone=position == END,
        continueCursor=transaction.journal,
        splitCursor=cursor_of(_position(hits[(looked - 1) // 2]), fingerprint) if looked > 2 else None,
        pageStatus="SplitRequired" if capped and options.maximum_rows_read is not None else None,
    )


def _fingerprint(search: TextSearch, filters: Sequence[Expression]) -> bytes:
    texts = [search.table, search.definition.name, search.definition.search_field, *search.terms]
    parts = [text.encode() for text in texts]
    for field, _, key in search.filters:
        parts += [field.encode(), key]
    parts += [repr(expression).encode() for expression in filters]
    return hashlib.sha256(b"".join([len(part).to_bytes(4) + part for part in parts])).digest()[:FINGERPRINT]


def _position(hit: Hit) -> bytes:
    place = hit.place
    return AFTER + _numbers.pack(place.score, place.time) + place.id.encode()


def _place(position: bytes) -> Place:
    score, time = _numbers.unpack_from(position, 1)
    return Place(score, time, position[1 + _numbers.size :].decode())
