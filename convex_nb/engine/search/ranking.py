"""Which documents a text search finds, best first: BM25 over the whole snapshot, and a little for words close together.

Scores depend on the documents alone, never on how they lie in segments: every figure is a whole number until the one
formula at the end, and terms are added up in the order of the query.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.search.filter_values import FilterValues
from convex_nb.engine.search.proximity import proximity
from convex_nb.engine.search.sources import Source, sources_of
from convex_nb.engine.search.text_index import TextIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.search.postings import Postings
    from convex_nb.engine.search.text_search import TextSearch
    from convex_nb.engine.segments.columns import ArrowArray
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document

    Numbers = NDArray[np.int64]
    Scores = NDArray[np.float64]

K1: Final = 1.2
B: Final = 0.75
PREFIX: Final = 0.5
"""What a word counts that only begins with the last term."""
PROXIMITY: Final = 0.1
"""What two neighbouring terms count that stand side by side; at a distance of n words, an nth of it."""
_SPARSE: Final = 8


class Place(NamedTuple):
    """Where a document stands in the order of a search: best first, then newest, then by id, descending."""

    score: float
    time: float
    id: str

    def before(self, other: Place) -> bool:
        """Whether it comes earlier in the results."""
        return tuple(self) > tuple(other)


class Hit(NamedTuple):
    """A document that was found."""

    place: Place
    source: Source
    row: int


class Matches:
    """The rows of one stretch that are found, and the postings of each term there."""

    __slots__ = ("base", "occurrences", "places", "postings", "rows", "scores", "source", "spans", "weights")

    def __init__(self, source: Source, postings: Postings, base: int, spans: Sequence[tuple[int, int]]) -> None:
        self.source = source
        self.postings = postings
        self.base = base
        """The row of the segment at which the stretch begins."""
        self.spans = spans
        """Of each term, the numbers of it, or of all that begin with it."""
        self.occurrences = [postings.occurrences(*span) for span in spans]
        self.rows: Numbers = np.zeros(0, np.int64)
        self.scores: Scores = np.zeros(0)
        self.places: list[tuple[Numbers, Numbers]] = []
        self.weights: Scores = np.zeros(0)
        """Of each word that begins with the last term, what it counts."""

    def alive(self) -> NDArray[np.bool_] | None:
        """Which rows of the stretch count."""
        alive = self.source.alive
        return None if alive is None else alive[self.base : self.base + len(self.postings.lengths)]

    def find(self, kept: NDArray[np.bool_] | None) -> None:
        """Choose the rows: those of any term that are ``kept``. Of each term, which postings, and at which of them."""
        chosen = [
            np.arange(len(each.rows)) if kept is None else np.flatnonzero(kept[each.rows]) for each in self.occurrences
        ]
        rows = [each.rows[numbers] for each, numbers in zip(self.occurrences, chosen, strict=True)]
        together = np.concatenate(rows)
        if len(together) * _SPARSE < len(self.postings.lengths):
            self.rows = np.unique(together).astype(np.int64)
            self.places = [
                (numbers, np.searchsorted(self.rows, of_term)) for numbers, of_term in zip(chosen, rows, strict=True)
            ]
        else:
            marked = np.zeros(len(self.postings.lengths), np.bool_)
            marked[together] = True
            self.rows = np.flatnonzero(marked)
            place_of = np.cumsum(marked) - 1
            self.places = [(numbers, place_of[of_term]) for numbers, of_term in zip(chosen, rows, strict=True)]


class Ranking:
    """The statistics of a search at one snapshot, and its matches with their scores, proximity not counted yet."""

    def __init__(self, state: TableState, search: TextSearch) -> None:
        """Costs O(stretches) and a few passes over the postings of the terms."""
        self.search = search
        self.documents = 0
        """Documents that have text."""
        self.words = 0
        """All their words."""
        self.frequencies: list[int] = [0] * len(search.terms)
        """Documents that have each term, the last of which counts only as a whole word."""
        self.expansions: ArrowArray = pa.array([], pa.large_binary())
        """The words that begin with the last term."""
        self._matches = list(self._found(state)) if search.terms else []
        self._average = self.words / self.documents if self.documents else 1.0
        self._score()

    def __len__(self) -> int:
        return sum([len(matches.rows) for matches in self._matches])

    def _found(self, state: TableState) -> Iterator[Matches]:
        terms = [term.encode() for term in self.search.terms]
        for source in sources_of(state):
            index = TextIndex.of(source.segment, self.search.definition.search_field)
            for number in range(len(index)):
                postings = index.make(number)
                last = len(terms) - 1
                spans = [postings.numbers(term, prefix=at == last) for at, term in enumerate(terms)]
                matches = Matches(source, postings, index.starts[number], spans)
                alive = matches.alive()
                lengths = postings.lengths if alive is None else postings.lengths[alive]
                self.documents += postings.texts if alive is None else int(np.count_nonzero(lengths))
                self.words += postings.total if alive is None else int(lengths.sum(dtype=np.int64))
                if any(start < stop for start, stop in spans):
                    yield matches

    def _score(self) -> None:
        self._count_terms()
        for matches in self._matches:
            matches.find(self._kept(matches))
            matches.scores = np.zeros(len(matches.rows))
            for number in range(len(self.search.terms)):
                for places, contributions in self.contributions(matches, number):
                    matches.scores[places] += contributions

    def _kept(self, matches: Matches) -> NDArray[np.bool_] | None:
        kept = matches.alive()
        stop = matches.base + len(matches.postings.lengths)
        for field, _, key in self.search.filters:
            values = FilterValues.of(matches.source.segment, field)
            equal = values.numbers[matches.base : stop] == values.vocabulary.find(key)
            kept = equal if kept is None else kept & equal
        return kept

    def _count_terms(self) -> None:
        """Count the documents of each term, over all that are alive, whatever they are filtered by."""
        slices: list[pa.Array] = []
        counts: list[Numbers] = []
        for matches in self._matches:
            alive = matches.alive()
            for number, (span, occurrences) in enumerate(zip(matches.spans, matches.occurrences, strict=True)):
                start, stop = span
                if number < len(self.search.terms) - 1:
                    rows = occurrences.rows
                    self.frequencies[number] += len(rows) if alive is None else int(np.count_nonzero(alive[rows]))
                    continue
                of_each = matches.postings.counts(start, stop)
                if alive is not None:
                    term_of = np.repeat(np.arange(stop - start), of_each)
                    of_each = np.bincount(term_of[alive[occurrences.rows]], minlength=stop - start)
                slices.append(matches.postings.vocabulary.keys.slice(start, stop - start))
                counts.append(of_each)
        if not slices:
            return
        encoded = pa.concat_arrays([each.cast(pa.large_binary()) for each in slices]).dictionary_encode()
        numbers = encoded.indices.to_numpy(zero_copy_only=False)
        totals = np.bincount(numbers, weights=np.concatenate(counts), minlength=len(encoded.dictionary))
        self.expansions = encoded.dictionary
        weights = self._idf(totals.astype(np.int64)) * PREFIX
        whole = pc.index(self.expansions, self.search.terms[-1].encode()).as_py()
        if whole >= 0:
            self.frequencies[-1] = int(totals[whole])
            weights[whole] /= PREFIX
        stops = np.cumsum([len(each) for each in slices]).tolist()
        for matches, each, stop in zip(self._matches, slices, stops, strict=True):
            matches.weights = weights[numbers[stop - len(each) : stop]]

    def _idf(self, frequencies: Numbers) -> Scores:
        distinct, places = np.unique(frequencies, return_inverse=True)
        return np.array([self.idf(frequency) for frequency in distinct.tolist()])[places]

    def idf(self, frequency: int) -> float:
        """How much a term says that so many documents have."""
        return math.log(1 + (self.documents - frequency + 0.5) / (frequency + 0.5))

    def contributions(self, matches: Matches, number: int) -> Iterator[tuple[Numbers, Scores]]:
        """What one term adds to the scores of which of the rows."""
        occurrences, (chosen, places) = matches.occurrences[number], matches.places[number]
        if not len(chosen):
            return
        often = occurrences.frequencies[chosen].astype(np.float64)
        lengths = matches.postings.lengths[occurrences.rows[chosen]].astype(np.float64)
        share = often * (K1 + 1) / (often + K1 * (1 - B + B * lengths / self._average))
        if number < len(self.search.terms) - 1:
            yield places, self.idf(self.frequencies[number]) * share
            return
        start, stop = matches.spans[number]
        of_each = np.repeat(matches.weights, matches.postings.counts(start, stop))[chosen]
        # A document counts the best of its words that begin with the term.
        best = np.zeros(len(matches.rows))
        np.maximum.at(best, places, of_each * share)
        reached = np.flatnonzero(best)
        yield reached, best[reached]

    def located(self, hit: Hit) -> tuple[Matches, int]:
        """The stretch that a hit is in, and its number among the rows that are found there."""
        for matches in self._matches:
            if matches.source is hit.source:
                number = int(np.searchsorted(matches.rows, hit.row - matches.base))
                if number < len(matches.rows) and matches.rows[number] == hit.row - matches.base:
                    return matches, number
        raise AssertionError(f"{hit} is not among what {self.search} finds")

    def place_now(self, place: Place) -> Place:
        """Where the document of an earlier place stands now: scores move with every commit. If it is gone, there."""
        for matches in self._matches:
            row = matches.source.segment.find(place.id) - matches.base
            number = int(np.searchsorted(matches.rows, row))
            if number < len(matches.rows) and matches.rows[number] == row:
                closeness = proximity(matches, np.array([number]))
                score = float((matches.scores[number : number + 1] + PROXIMITY * closeness)[0])
                return Place(score, place.time, place.id)
        return place

    def hits(self, limit: int, after: Place | None = None, upto: Place | None = None) -> list[Hit]:
        """The first ``limit`` documents that come ``after`` one place and not behind another."""
        if not limit or not self._matches:
            return []
        # A little more than it can be, for what is lost in adding.
        most = PROXIMITY * (len(self.search.terms) - 1) * (1 + 1e-9)
        chosen = [np.arange(len(matches.rows)) for matches in self._matches]
        if after is not None:
            # Closeness adds to a score: what is better without it than the place comes before it.
            chosen = [
                numbers[matches.scores[numbers] <= after.score]
                for numbers, matches in zip(chosen, self._matches, strict=True)
            ]
        least = self._threshold(chosen, limit, math.inf if after is None else after.score - most)
        found: list[tuple[Scores, NDArray[np.float64], Numbers, Matches]] = []
        for numbers, matches in zip(chosen, self._matches, strict=True):
            numbers = numbers[matches.scores[numbers] + most >= least]
            if not len(numbers):
                continue
            scores = matches.scores[numbers]
            if most:
                scores = scores + PROXIMITY * proximity(matches, numbers)
            rows = matches.rows[numbers] + matches.base
            found.append((scores, matches.source.times[rows], rows, matches))
        return _best(found, limit, after, upto)

    def _threshold(self, chosen: Sequence[Numbers], limit: int, below: float) -> float:
        """A score that the ``limit`` best of those reach that surely come after the place."""
        scores = np.concatenate(
            [matches.scores[numbers] for matches, numbers in zip(self._matches, chosen, strict=True)]
        )
        if below < math.inf:
            scores = scores[scores < below]
        return float(np.partition(scores, len(scores) - limit)[len(scores) - limit]) if len(scores) > limit else 0.0


def _best(
    found: Sequence[tuple[Scores, NDArray[np.float64], Numbers, Matches]],
    limit: int,
    after: Place | None,
    upto: Place | None,
) -> list[Hit]:
    if not found:
        return []
    scores = np.concatenate([each[0] for each in found])
    times = np.concatenate([each[1] for each in found])
    rows = np.concatenate([each[2] for each in found])
    sources = np.repeat(np.arange(len(found)), [len(each[0]) for each in found])
    kept = np.ones(len(scores), np.bool_)
    if after is not None:
        kept &= (scores < after.score) | ((scores == after.score) & (times <= after.time))
    if upto is not None:
        kept &= (scores > upto.score) | ((scores == upto.score) & (times >= upto.time))
    order = np.flatnonzero(kept)
    order = order[np.lexsort((-times[order], -scores[order]))]
    hits: list[Hit] = []
    for number in order.tolist():
        score, time = float(scores[number]), float(times[number])
        if len(hits) >= limit and (hits[-1].place.score, hits[-1].place.time) != (score, time):
            break
        source = found[sources[number]][3].source
        row = int(rows[number])
        hit = Hit(Place(score, time, source.id(row)), source, row)
        if (after is None or after.before(hit.place)) and (upto is None or not upto.before(hit.place)):
            hits.append(hit)
    # Documents of one moment are told apart by their ids.
    hits.sort(key=lambda hit: hit.place, reverse=True)
    return hits[:limit]


def documents_of(hits: Sequence[Hit]) -> list[Document]:
    """The documents that were found, in their order."""
    documents: list[Document | None] = [None] * len(hits)
    by_source: dict[int, list[int]] = {}
    for place, hit in enumerate(hits):
        by_source.setdefault(id(hit.source), []).append(place)
    for places in by_source.values():
        found = hits[places[0]].source.documents([hits[place].row for place in places])
        for place, document in zip(places, found, strict=True):
            documents[place] = document
    return documents  # type: ignore[return-value]


def documents_in_batches(hits: Sequence[Hit]) -> Iterator[Document]:
    """The same, decoded some at a time: whoever reads them may stop early."""
    start, size = 0, 32
    while start < len(hits):
        yield from documents_of(hits[start : start + size])
        start, size = start + size, size * 4
