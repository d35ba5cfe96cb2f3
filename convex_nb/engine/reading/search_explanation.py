"""What ``explain()`` tells of a text search: what it looks for, what each word counts, and what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from convex_nb.engine.reading.shown import Shown
from convex_nb.engine.search.proximity import proximity
from convex_nb.engine.search.ranking import PROXIMITY
from convex_nb.language.describing import counted

if TYPE_CHECKING:
    from convex_nb.engine.reading.filters import Expression
    from convex_nb.engine.search.ranking import Hit, Matches, Ranking

SHOWN = 10
"""Documents whose scores are told."""


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """One word of the search."""

    text: str
    prefix: bool
    """Whether words that begin with it are found as well: so it is for the last one."""
    documents: int
    """Documents that have it as a whole word."""
    weight: float
    """How much it says: its inverse document frequency."""
    words: int
    """Different words that it finds."""

    def __str__(self) -> str:
        documents = counted(self.documents, "document")
        begin = f", {self.words:,} word{' begins' if self.words == 1 else 's begin'} with it" if self.prefix else ""
        return f"{self.text}{'*' if self.prefix else ''} ({documents}, weight {self.weight:.2f}{begin})"


@dataclass(frozen=True, slots=True)
class ScoredDocument:
    """One of the documents found, and where its score comes from."""

    id: str
    score: float
    terms: dict[str, float]
    """What each of the terms that it has adds."""
    proximity: float
    """What its words add by standing close together."""

    def __str__(self) -> str:
        parts = [f"{term} {part:.2f}" for term, part in self.terms.items()]
        return f"{self.id}: {self.score:.2f} = " + " + ".join(
            [*parts, *([f"proximity {self.proximity:.2f}"] if self.proximity else [])]
        )


@dataclass(frozen=True, slots=True, repr=False)
class SearchExplanation(Shown):
    """What a text search looks for and finds now."""

    table: str
    index: str
    field: str
    terms: tuple[SearchTerm, ...]
    equalities: tuple[tuple[str, Any], ...]
    """The filter fields and the values that they must have."""
    filters: tuple[str, ...]
    """The conditions of ``.filter``, which look at the documents found one by one."""
    documents: int
    """Documents that have text."""
    average_length: float
    """Their words, on the average."""
    matches: int
    """Documents that have one of the terms and pass the equalities."""
    best: tuple[ScoredDocument, ...]
    """The first ones, before ``filters``."""
    call: str = "collect()"
    """The method that reads."""
    path: Literal["search"] = "search"

    def of_call(self, call: str) -> SearchExplanation:
        """The same for another reading method."""
        return replace(self, call=call)

    def _lines(self) -> list[tuple[str, str]]:
        return [
            ("table", self.table),
            ("index", f"{self.index}, text of {self.field}"),
            *[("term", str(term)) for term in self.terms],
            *[("equal", f"{field!r} == {value!r}") for field, value in self.equalities],
            *[("filter", condition) for condition in self.filters],
            *([("read", self.call)] if self.call != "collect()" else []),
            (
                "rows",
                f"{self.matches:,} found among {self.documents:,} with {self.average_length:.1f} words on the average"
                if self.terms
                else "the text has no word, so nothing is found",
            ),
            *[("score", str(scored)) for scored in self.best],
        ]


def explain_search(ranking: Ranking, filters: Sequence[Expression]) -> SearchExplanation:
    """How a search ranks. Costs what reading it costs."""
    search = ranking.search
    last = len(search.terms) - 1
    return SearchExplanation(
        search.table,
        search.definition.name,
        search.definition.search_field,
        tuple(
            [
                SearchTerm(
                    term,
                    number == last,
                    ranking.frequencies[number],
                    ranking.idf(ranking.frequencies[number]),
                    len(ranking.expansions) if number == last else int(ranking.frequencies[number] > 0),
                )
                for number, term in enumerate(search.terms)
            ]
        ),
        tuple([(field, value) for field, value, _ in search.filters]),
        tuple(map(repr, filters)),
        ranking.documents,
        ranking.words / max(1, ranking.documents),
        len(ranking),
        tuple([_scored(ranking, hit) for hit in ranking.hits(SHOWN)]),
    )


def _scored(ranking: Ranking, hit: Hit) -> ScoredDocument:
    matches, number = ranking.located(hit)
    terms: dict[str, float] = {}
    for at, term in enumerate(ranking.search.terms):
        name = f"{term}*" if at == len(ranking.search.terms) - 1 else term
        for places, contributions in ranking.contributions(matches, at):
            found = np.flatnonzero(places == number)
            if len(found):
                terms[name] = terms.get(name, 0.0) + float(contributions[found[0]])
    return ScoredDocument(hit.place.id, hit.place.score, terms, _closeness(matches, number))


def _closeness(matches: Matches, number: int) -> float:
    return PROXIMITY * float(proximity(matches, np.array([number]))[0])
