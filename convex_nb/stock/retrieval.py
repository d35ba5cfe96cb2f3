"""Finding texts by their words and by what they mean: vectors of lengths that are indexed, words, rankings."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from convex_nb import InvalidValueError
from convex_nb.stock.awaited import result_of

if TYPE_CHECKING:
    from convex_nb.language.schema import TableDefinition

Embed: TypeAlias = Callable[[list[str]], Any]
DIMENSIONS: Final = (256, 768, 1536, 3072)
"""The lengths of vectors that are indexed."""

_REFUSED: Final = 5
"""How many texts may be refused at one time: where there are more, it is not for what they say."""

_WORDS: Final = 16
"""How many words a text search looks for."""

_FUSION: Final = 60
"""How little it matters whether something is found first or second: the usual constant of reciprocal rank fusion."""


def with_vector_indexes(table: TableDefinition, filter_fields: Sequence[str]) -> TableDefinition:
    """A table whose field `vector` is indexed, for vectors of any model."""
    for length in DIMENSIONS:
        table = table.vector_index(
            index_of([0.0] * length), vector_field="vector", dimensions=length, filter_fields=list(filter_fields)
        )
    return table


def index_of(vector: Sequence[float]) -> str:
    """The name of the index for vectors of this length."""
    return f"by_{len(vector)}"


def embedded(embed: Embed, texts: Sequence[str]) -> list[list[float]]:
    """A vector for each text, of a length that is indexed. Raises `InvalidValueError`, and what `embed` raises."""
    vectors = [[float(number) for number in vector] for vector in result_of(embed(list(texts)))]
    if len(vectors) != len(texts):
        raise InvalidValueError(
            f"`embed` gets a list of texts and returns a vector for each: {len(vectors)} came for {len(texts)}. None "
            "was kept.",
            value=vectors,
        )
    return [_padded(vector) for vector in vectors]


def embedded_or_refused(embed: Embed, texts: Sequence[str]) -> list[list[float] | Exception]:
    """A vector for each text, or what `embed` raises for that text alone. Raises `InvalidValueError`, as `embedded`.

    The last texts have neither where the ones before them were refused five times.
    """
    found: list[list[float] | Exception] = []
    refused = 0
    parts = [list(texts)]
    while parts and refused < _REFUSED:
        part = parts.pop()
        try:
            found += embedded(embed, part)
        except InvalidValueError:
            raise
        except Exception as error:
            if len(part) == 1:
                found.append(error)
                refused += 1
            else:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
    return found


def words_of(text: str) -> str:
    """What to search for, of a text that may be long; nothing where it has no words."""
    # Long words are rare ones, mostly. The longest is the last, of which beginnings are found too.
    return " ".join(sorted(dict.fromkeys(re.findall(r"\w+", text.lower())), key=len)[-_WORDS:])


def fused(rankings: Iterable[Iterable[str]]) -> list[str]:
    """What is in any of some rankings, best first: near the top of one is good, near that of several is better."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, each in enumerate(ranking):
            scores[each] = scores.get(each, 0) + 1 / (_FUSION + rank)
    return sorted(scores, key=lambda each: (-scores[each], each))


def _padded(vector: list[float]) -> list[float]:
    # Zeros change no angle, so that a few indexes are enough for vectors of any length.
    length = next((dimensions for dimensions in DIMENSIONS if len(vector) <= dimensions), None)
    if length is None or not vector or not all(map(math.isfinite, vector)):
        raise InvalidValueError(
            f"A vector has from 1 to {DIMENSIONS[-1]} finite numbers, unlike one of {len(vector)} that `embed` "
            "returned. None was kept.",
            value=vector,
        )
    return [*vector, *[0.0] * (length - len(vector))]
