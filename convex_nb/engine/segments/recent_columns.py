"""The Arrow form of documents that are in no segment yet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import is_
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convex_nb.engine.segments.segment import Segment
    from convex_nb.language.documents import Document


class Located(NamedTuple):
    """Some rows of a segment, and which of the documents asked for each of them is."""

    segment: Segment
    rows: NDArray[np.int64]
    numbers: NDArray[np.int64]


class _Batch(NamedTuple):
    documents: Sequence[Document]
    """In row order. Holding them keeps their identities from being given to others."""
    ids: Sequence[int]
    """Their identities."""
    segment: Segment


class _Answer(NamedTuple):
    """What was asked for last, and where it was in each of the batches."""

    documents: Sequence[Document]
    batches: tuple[_Batch, ...]
    found: Sequence[Located]


class RecentColumns:
    """Frozen batches of documents as segments, shared by the states of a table that follow one another.

    Documents are known by identity: one that a commit replaced is simply not asked for again. Batches double in size
    like those of a log-structured tree, so that a table that is read after every commit converts each of its
    documents O(log documents) times.
    """

    __slots__ = ("_answer", "_batches")

    def __init__(self) -> None:
        # Replaced as a whole: threads that race lose some work, nothing else.
        self._batches: tuple[_Batch, ...] = ()
        self._answer = _Answer((), (), ())

    def located(self, documents: Sequence[Document], table: str) -> list[Located]:
        """Where rows of these documents are, converting those that have none.

        Costs O(documents in all batches), and much less where documents have only come since the last time.
        """
        import numpy as np

        from convex_nb.engine.segments.segment import Segment, in_creation_order

        answer, current = self._answer, self._batches
        batches = list(current)
        if current is answer.batches and (come := _come_since(answer, documents)) is not None:
            found = list(answer.found)
            fresh = come
        else:
            numbers = dict(zip(map(id, documents), range(len(documents)), strict=True))
            # No document is in two batches.
            found = [_located(batch, numbers) for batch in batches]
            unknown = np.ones(len(documents), np.bool_)
            for located in found:
                unknown[located.numbers] = False
            fresh = np.flatnonzero(unknown).tolist()
        if fresh:
            missing = [documents[number] for number in fresh]
            numbers = dict(zip(map(id, missing), fresh, strict=True))
            while batches and len(batches[-1].documents) <= 2 * len(missing):
                absorbed, located = batches.pop(), found.pop()
                numbers.update(
                    (absorbed.ids[row], number)
                    for row, number in zip(located.rows.tolist(), located.numbers.tolist(), strict=True)
                )
                # Mostly gone: the rest of them goes too.
                kept = range(len(absorbed.documents))
                missing += [
                    absorbed.documents[row]
                    for row in (kept if 2 * len(located.rows) > len(absorbed.documents) else located.rows.tolist())
                ]
            missing = list(in_creation_order(missing))
            batch = _Batch(missing, list(map(id, missing)), Segment.from_documents(missing, table))
            batches.append(batch)
            found.append(_located(batch, numbers))
            self._batches = current = tuple(batches)
        self._answer = _Answer(tuple(documents), current, found)
        return [located for located in found if len(located.rows)]


def _come_since(answer: _Answer, documents: Sequence[Document]) -> list[int] | None:
    """The numbers of those documents that follow the earlier ones and are in no batch; `None` if that is not all."""
    known = len(answer.documents)
    if known > len(documents) or not all(map(is_, answer.documents, documents)):
        return None
    come = set(map(id, documents[known:]))
    if not all(come.isdisjoint(batch.ids) for batch in answer.batches):
        # They were asked for before that.
        return None
    return list(range(known, len(documents)))


def _located(batch: _Batch, numbers: dict[int, int]) -> Located:
    import numpy as np

    chosen = np.fromiter(map(numbers.get, batch.ids, repeat(-1)), np.int64, len(batch.ids))
    rows = np.flatnonzero(chosen >= 0)
    return Located(batch.segment, rows, chosen[rows])
