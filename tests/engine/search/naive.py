"""What searches should find, said naively: every document is scored by itself, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from convex_nb.language.keys import field_at
from convex_nb.language.ordering import compare_values

WORDS = ("a", "ab", "abc", "b", "bé", "c", "Ça", "x" * 32, "x" * 33)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).flatmap(
    lambda words: st.sampled_from([" ", "-", ", ", "\u2009"]).map(lambda between: between.join(words))
)
ODD = st.sampled_from([None, 1, ["a"], "İstanbul a", "A_b c'd", "\U0001d400bc", "e\u0301a b"])
FILTERS = st.sampled_from([None, 1, 1.0, True, "a", ["a"], {"d": 1}])
DOCUMENTS = st.fixed_dictionaries({}, optional={"text": TEXTS | TEXTS | TEXTS | ODD, "f": FILTERS, "g": FILTERS})

Equalities = Sequence[tuple[str, Any]]


def words(text: str) -> list[str]:
    """The words of a text, letter by letter."""
    found: list[str] = []
    inside = False
    for letter in text:
        if letter.isalnum():
            found[-1:] = [found[-1] + letter] if inside else [*found[-1:], letter]
        inside = letter.isalnum()
    return [word.lower() for word in found]


def places(text: Any) -> list[tuple[str, int]]:
    """The terms of a text and where they stand."""
    found = enumerate(words(text)) if isinstance(text, str) else ()
    return [(word, place) for place, word in found if len(word.encode()) <= 32]


def passes(document: Mapping[str, Any], equalities: Equalities) -> bool:
    """Whether a document has these values."""
    return all(compare_values(field_at(document, field), value) == 0 for field, value in equalities)


def search(
    documents: Iterable[Any], text: str, equalities: Equalities = (), field: str = "text"
) -> list[tuple[float, Any]]:
    """The documents that a search finds with their scores, in order."""
    documents = list(documents)
    terms = [word for word, _ in places(text)][:16]
    texts = [places(field_at(document, field)) for document in documents]
    held = [each for each in texts if each]
    average = sum(map(len, held)) / max(1, len(held))

    def bm25(word: str, of: list[tuple[str, int]]) -> float:
        often = float([each for each, _ in of].count(word))
        having = sum(any(each == word for each, _ in other) for other in held)
        idf = math.log(1 + (len(held) - having + 0.5) / (having + 0.5))
        return idf * (often * 2.2 / (often + 1.2 * (1 - 0.75 + 0.75 * len(of) / average)))

    found = []
    for document, of in zip(documents, texts, strict=True):
        own = {word for word, _ in of}
        score = 0.0
        for term in terms[:-1]:
            if term in own:
                score += bm25(term, of)
        if terms:
            of_prefix = [
                bm25(word, of) * (1 if word == terms[-1] else 0.5) for word in own if word.startswith(terms[-1])
            ]
            score += max(of_prefix, default=0.0)
        if score and passes(document, equalities):
            found.append((score + 0.1 * _closeness(terms, of), document))
    found.sort(key=lambda each: (each[0], each[1]["_creationTime"], each[1]["_id"]), reverse=True)
    return found


def _closeness(terms: Sequence[str], of: list[tuple[str, int]]) -> float:
    def stands(number: int) -> list[int]:
        term, last = terms[number], number == len(terms) - 1
        return [place for word, place in of if word == term or (last and word.startswith(term))]

    total = 0.0
    for number in range(len(terms) - 1):
        distances = [abs(a - b) for a in stands(number) for b in stands(number + 1) if a != b]
        total += 1 / min(distances) if distances else 0.0
    return total


def is_found_by(document: Any, text: str, equalities: Equalities) -> bool:
    """Whether a document is among what a search finds."""
    if document is None or not passes(document, equalities):
        return False
    terms = [word for word, _ in places(text)][:16]
    own = {word for word, _ in places(document.get("text"))}
    return not own.isdisjoint(terms[:-1]) or any(word.startswith(terms[-1]) for word in own if terms)
