"""Reading a range of an index: the runs of all parts and the recent documents, in one order."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from convex_nb.language.keys import MAX_KEY

if TYPE_CHECKING:
    from convex_nb.engine.indexes.index import IndexRun, Rows
    from convex_nb.engine.indexes.sorted_chunks import SortedChunks
    from convex_nb.engine.part import Part
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.language.documents import Document

SHORT = 512
"""Up to this many documents a read merges key by key; longer ones splice the rest into what one run has in whole."""
WORTHWHILE = 8
"""A piece of one run that is shorter than this is not worth finding its end by search."""

_first = itemgetter(0)
_Entry = tuple[bytes, "Segment | None", Any]


class Span(NamedTuple):
    """The rows of one part's run that lie in the range."""

    part: Part
    run: IndexRun
    start: int
    stop: int


def merged_read(
    parts: Sequence[Part],
    live: SortedChunks[Document],
    position: int,
    lo: bytes,
    hi: bytes,
    limit: int | None,
    reverse: bool,
) -> list[Document]:
    """The first ``limit`` documents (all, for ``None``) with a key in ``lo <= key < hi``, in order."""
    spans: list[Span] = []
    rows = hidden = 0
    for part in parts:
        run = part.run(position)
        start, stop = run.bounds(lo, hi)
        if start < stop:
            dead = part.dead[position].count(lo, hi) if part.dead[0] else 0
            if limit is not None and stop - start > limit + dead:
                # So many of one run are enough, even if all of its dead come first.
                start, stop = (stop - limit - dead, stop) if reverse else (start, start + limit + dead)
            spans.append(Span(part, run, start, stop))
            rows += stop - start
            hidden += dead
    fresh = list(islice(live.range(lo, hi, reverse), limit)) if live else []
    if not spans:
        return [document for _, document in fresh]
    if len(spans) == 1 and not fresh and not hidden:
        return _slice(spans[0], limit, reverse)
    wanted = rows + len(fresh) if limit is None else min(limit, rows + len(fresh))
    if wanted > SHORT and hidden <= wanted * WORTHWHILE:
        largest = max(spans, key=lambda span: span.stop - span.start)
        length = largest.stop - largest.start
        if (rows - length + len(fresh)) * 4 <= length:
            return _splice(position, largest, spans, fresh, wanted, reverse)
    if hidden:
        return _merge_alive(position, spans, fresh, wanted, reverse)
    return _merge(spans, fresh, wanted, reverse)


def _merge(spans: list[Span], fresh: list[tuple[bytes, Document]], wanted: int, reverse: bool) -> list[Document]:
    """Where nothing is dead: long stretches of one source in one piece, then key by key what is interleaved."""
    documents: list[Document] = []
    while spans:
        heads = sorted([(_head(span, reverse), place) for place, span in enumerate(spans)], reverse=reverse)
        key, place = heads[0]
        earlier = _count_before(fresh, key, reverse)
        if earlier:
            documents += [document for _, document in fresh[: wanted - len(documents)][:earlier]]
            fresh = fresh[earlier:]
        left = wanted - len(documents)
        if not left:
            return documents
        rivals = [head for head, _ in heads[1:2]] + [head for head, _ in fresh[:1]]
        if not rivals:
            return documents + _slice(spans[place], left, reverse)
        piece, rest = _cut(spans[place], max(rivals) if reverse else min(rivals), left, reverse)
        documents += _slice(piece, left, reverse)
        if len(documents) == wanted:
            return documents
        spans[place : place + 1] = [rest] if rest.start < rest.stop else []
        if piece.stop - piece.start < WORTHWHILE:
            break
    return documents + _merge_sorted(spans, fresh, wanted - len(documents), reverse)


def _head(span: Span, reverse: bool) -> bytes:
    return span.run.key(span.stop - 1 if reverse else span.start)


def _count_before(fresh: list[tuple[bytes, Document]], key: bytes, reverse: bool) -> int:
    if not fresh or ((fresh[0][0] < key) if reverse else (fresh[0][0] > key)):
        return 0
    if reverse:
        return next((place for place, (each, _) in enumerate(fresh) if each < key), len(fresh))
    return bisect_left(fresh, key, key=_first)


def _cut(span: Span, rival: bytes, wanted: int, reverse: bool) -> tuple[Span, Span]:
    """The rows whose keys come before ``rival`` (at least ``wanted`` of them, if there are), and the others."""
    part, run, start, stop = span
    if stop - start > wanted:
        # One look may save the search: everything that is wanted comes first.
        last = run.key(stop - wanted if reverse else start + wanted - 1)
        if (last > rival) if reverse else (last < rival):
            at = stop - wanted if reverse else start + wanted
            pieces = Span(part, run, start, at), Span(part, run, at, stop)
            return pieces[::-1] if reverse else pieces
    if reverse:
        at = min(stop, max(start, run.bounds(rival + b"\x00", MAX_KEY)[0]))
        return Span(part, run, at, stop), Span(part, run, start, at)
    at = min(stop, max(start, run.bounds(rival, MAX_KEY)[0]))
    return Span(part, run, start, at), Span(part, run, at, stop)


def _merge_sorted(spans: list[Span], fresh: list[tuple[bytes, Document]], wanted: int, reverse: bool) -> list[Document]:
    """Key by key: all keys that can be among the answer in one list. Timsort finds the sorted stretches."""
    entries: list[_Entry] = [(key, None, document) for key, document in fresh]
    for part, run, start, stop in spans:
        if stop - start > wanted:
            start, stop = (stop - wanted, stop) if reverse else (start, start + wanted)
        rows = run.rows(start, stop).tolist()
        entries += zip(run.keys(start, stop), repeat(part.segment), rows, strict=False)
    entries.sort(key=_first, reverse=reverse)
    return _decoded(islice(entries, wanted))


def _merge_alive(
    position: int, spans: list[Span], fresh: list[tuple[bytes, Document]], wanted: int, reverse: bool
) -> list[Document]:
    """Key by key, the dead skipped on the way, until enough are there."""
    streams: list[Iterator[_Entry]] = [_alive(span, position, reverse) for span in spans]
    streams.append(iter([(key, None, document) for key, document in fresh]))
    return _decoded(islice(heapq.merge(*streams, key=_first, reverse=reverse), wanted))


def _decoded(entries: Iterable[_Entry]) -> list[Document]:
    return [entry if segment is None else segment.document(entry) for _, segment, entry in entries]


def _splice(
    position: int, largest: Span, spans: list[Span], fresh: list[tuple[bytes, Document]], wanted: int, reverse: bool
) -> list[Document]:
    """Whole slices of what counts of the largest run, interrupted where another source has a key."""
    part, run, start, stop = largest
    rows = run.rows(start, stop)
    kept = part.kept(position, run.key(start), run.key(stop - 1) + b"\x00", rows)
    if kept is not None:
        rows = rows[kept]
    cuts = list(fresh)
    for span in spans:
        if span is not largest:
            cuts += [
                (key, segment.document(row))
                for key, segment, row in _alive(span, position, reverse=False)
                if segment is not None
            ]
    cuts.sort(key=_first, reverse=reverse)
    documents: list[Document] = []
    first, last = 0, len(rows)
    for key, document in cuts:
        at = min(stop, max(start, run.position(key))) - start
        if kept is not None:
            at = int(kept.searchsorted(at))
        piece = rows[at:last] if reverse else rows[first:at]
        first, last = (first, at) if reverse else (at, last)
        documents += _decode(part.segment, piece, wanted - len(documents), reverse)
        if len(documents) == wanted:
            return documents
        documents.append(document)
    return documents + _decode(part.segment, rows[first:last], wanted - len(documents), reverse)


def _slice(span: Span, limit: int | None, reverse: bool) -> list[Document]:
    return _decode(span.part.segment, span.run.rows(span.start, span.stop), limit, reverse)


def _decode(segment: Segment, rows: Rows, limit: int | None, reverse: bool) -> list[Document]:
    """The first documents of rows in order, the last ones for ``reverse``."""
    if limit is not None and len(rows) > limit:
        rows = rows[len(rows) - limit :] if reverse else rows[:limit]
    documents = segment.documents(rows)
    if reverse:
        documents.reverse()
    return documents


def _alive(span: Span, position: int, reverse: bool) -> Iterator[_Entry]:
    part, run, start, stop = span
    segment, key_at, row_at = part.segment, run.key, run.row
    dead = part.dead[position]
    left, passed = stop - start, 0
    while left:
        i = left + start - 1 if reverse else stop - left
        key = key_at(i)
        if dead and dead.get(key) is not None:
            passed += 1
            left -= 1
            if passed == WORTHWHILE:
                left -= _stretch(run, dead, i, left, reverse)
                passed = 0
        else:
            passed = 0
            left -= 1
            yield key, segment, row_at(i)


def _stretch(run: IndexRun, dead: SortedChunks[int], beside: int, most: int, reverse: bool) -> int:
    """How many rows after one, ``most`` at most, are dead before the next that is not. Costs O(log n) counts.

    A queue buries its rows from one end: to pass them one by one would cost each read all that was ever taken.
    """
    low, high = 0, WORTHWHILE

    def reaches(length: int) -> bool:
        # Only keys of the run are dead, so as many dead as there are rows are all of them.
        near, far = (beside - low - 1, beside - length) if reverse else (beside + low + 1, beside + length)
        return dead.count(run.key(min(near, far)), run.key(max(near, far)) + b"\x00") == length - low

    while high <= most and reaches(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if reaches(middle):
            low = middle
        else:
            high = middle
    return low
