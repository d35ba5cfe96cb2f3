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
    from convex_nb.engine.indexes.index import IndexRun
    from convex_nb.engine.indexes.sorted_chunks import SortedChunks
    from convex_nb.engine.part import Part
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.language.documents import Document

SHORT = 512
"""Up to this many documents a read merges key by key; longer ones splice the delta into whole slices."""
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
    if wanted > SHORT:
        largest = max(spans, key=lambda span: span.stop - span.start)
        length = largest.stop - largest.start
        if (rows - length + len(fresh) + hidden) * 4 <= length:
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
    """Whole slices of the largest run, interrupted where another source has a key or one of its own is dead."""
    part, run, start, stop = largest
    dead = part.dead[position].range(run.key(start), run.key(stop - 1) + b"\x00")
    cuts: list[tuple[bytes, Document | None]] = [(key, None) for key, _ in dead]
    cuts += fresh
    for span in spans:
        if span is not largest:
            cuts += [
                (key, segment.document(row))
                for key, segment, row in _alive(span, position, reverse=False)
                if segment is not None
            ]
    # The sort is stable: where an updated document keeps its key, the dead row is passed before it is replaced.
    cuts.sort(key=_first, reverse=reverse)
    documents: list[Document] = []
    for key, document in cuts:
        at = min(stop, max(start, run.bounds(key, MAX_KEY)[0]))
        beyond = at + 1 if document is None else at
        before, left = ((beyond, stop), (start, at)) if reverse else ((start, at), (beyond, stop))
        documents += _slice(Span(part, run, *before), wanted - len(documents), reverse)
        start, stop = left
        if len(documents) == wanted:
            return documents
        if document is not None:
            documents.append(document)
    return documents + _slice(Span(part, run, start, stop), wanted - len(documents), reverse)


def _slice(span: Span, limit: int | None, reverse: bool) -> list[Document]:
    part, run, start, stop = span
    if limit is not None and stop - start > limit:
        start, stop = (stop - limit, stop) if reverse else (start, start + limit)
    documents = part.segment.documents(run.rows(start, stop))
    if reverse:
        documents.reverse()
    return documents


def _alive(span: Span, position: int, reverse: bool) -> Iterator[_Entry]:
    part, run, start, stop = span
    dead = part.dead[position]
    segment = part.segment
    for i in range(stop - 1, start - 1, -1) if reverse else range(start, stop):
        key = run.key(i)
        if not dead or dead.get(key) is None:
            yield key, segment, run.row(i)
