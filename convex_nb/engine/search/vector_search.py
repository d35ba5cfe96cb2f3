"""Which documents have the vectors nearest to one: an exact scan, cosine similarity, filters first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np

from convex_nb.engine.search.declared import declared_index
from convex_nb.engine.search.filter_values import FilterValues
from convex_nb.engine.search.sources import Source, sources_of
from convex_nb.engine.search.text_search import filter_key
from convex_nb.engine.search.vector_index import VectorIndex, Vectors, is_vector, units_of
from convex_nb.language.errors import SearchError
from convex_nb.language.values import Id, to_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.table import TableState
    from convex_nb.language.limits import Limits
    from convex_nb.language.schema import VectorIndexDefinition

    Numbers = NDArray[np.int64]

_BLOCK = 4096


class VectorMatch(TypedDict):
    """One result of a vector search."""

    _id: Id
    _score: float


class VectorMatches(list[VectorMatch]):
    """The results, nearest first. A list that may be awaited as well, as async actions are used to."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, VectorMatches]:
        """The list itself, at once."""
        yield from ()
        return self


class VectorFilter(NamedTuple):
    """Filter fields and the values of which one must be had."""

    equalities: tuple[tuple[str, Any], ...]


class VectorFilterBuilder:
    """The `q` of a vector search's filter: `eq`, and `or_` of them."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            hint = ""
            if name in ("and_", "and"):
                hint = " A vector search cannot ask for two things at once: look at the other one where you load them."
            raise AttributeError(
                f"A vector search's filter has no {name!r}, only eq and or_.{hint}", name=name, obj=self
            )

    def eq(self, field: str, value: Any) -> VectorFilter:
        """A filter field equals ``value``; ``UNDEFINED`` for documents that lack it."""
        return VectorFilter(((field, value),))

    def or_(self, *filters: VectorFilter) -> VectorFilter:
        """One of the filters holds."""
        for each in filters:
            if not isinstance(each, VectorFilter):
                raise SearchError(f"q.or_ takes q.eq(field, value) and the like, got {each!r}.")
        return VectorFilter(tuple([equality for each in filters for equality in each.equalities]))


VectorFilterFunction = Callable[[VectorFilterBuilder], VectorFilter]


def vector_search(
    state: TableState,
    name: str,
    vector: Any,
    limit: int,
    filter: VectorFilterFunction | None,
    limits: Limits,
) -> VectorMatches:
    """The ``limit`` documents whose vectors are nearest to ``vector``, by cosine similarity, ties by id.

    Costs a product of all vectors, about 0.1 nanoseconds a number; vectors that are new are read first. Raises
    ``IndexNotFoundError`` and ``SearchError``.
    """
    return nearest(state, checked_search(state, name, vector, limit, filter, limits))


class VectorSearch(NamedTuple):
    """What is looked for in which index."""

    definition: VectorIndexDefinition
    unit: NDArray[np.float32]
    """The vector, of length one."""
    limit: int
    filters: Sequence[tuple[str, bytes]] | None
    """The fields and the keys of which a document must have one; ``None`` for all documents."""


def checked_search(
    state: TableState,
    name: str,
    vector: Any,
    limit: int,
    filter: VectorFilterFunction | None,
    limits: Limits,
) -> VectorSearch:
    """What is looked for. Raises ``IndexNotFoundError`` and ``SearchError``."""
    definition = vector_index(state, name)
    where = f"{state.name}.{name}"
    asked = _checked_vector(vector, definition, where)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= limits.vector_results:
        raise SearchError(
            f"The limit of a vector search is a whole number from 1 to {limits.vector_results}, got {limit!r}; "
            f"{where} was not searched.",
            table=state.name,
            index=name,
        )
    return VectorSearch(definition, asked, limit, _checked_filter(filter, definition, where, limits))


def nearest(state: TableState, search: VectorSearch) -> VectorMatches:
    """The documents of a table that a search finds."""
    found = [
        _Stretch(source, vectors, chosen, _products(vectors, chosen, search.unit))
        for source, vectors, chosen in chosen_vectors(sources_of(state), search)
    ]
    return _nearest(found, search.unit, search.limit, state.name)


def vector_index(state: TableState, name: str) -> VectorIndexDefinition:
    """A vector index of a table. Raises ``IndexNotFoundError``."""
    definitions = () if state.definition is None else state.definition.vector_indexes
    return declared_index(definitions, state.name, name, "vector_index")


def _checked_vector(vector: Any, definition: VectorIndexDefinition, where: str) -> NDArray[np.float32]:
    value = to_value(vector.tolist() if isinstance(vector, np.ndarray) else vector)
    if not is_vector(value, definition.dimensions):
        what = f"one of {len(value)}" if isinstance(value, list) else type(vector).__name__
        if isinstance(value, list) and len(value) == definition.dimensions:
            what = "other values among them"
        table, _, index = where.partition(".")
        raise SearchError(
            f"{where} is searched with a list of {definition.dimensions} finite numbers, got {what}.",
            table=table,
            index=index,
            field=definition.vector_field,
        )
    unit: NDArray[np.float32] = units_of(np.array([value], np.float64))[0]
    return unit


def _checked_filter(
    filter: VectorFilterFunction | None, definition: VectorIndexDefinition, where: str, limits: Limits
) -> list[tuple[str, bytes]] | None:
    """The fields and the keys of which a document must have one; ``None`` for all documents."""
    if filter is None:
        return None
    table, _, index = where.partition(".")
    if not callable(filter):
        raise SearchError(
            f"The filter of {where} is a function, like `lambda q: q.eq(field, value)`; got {filter!r}.",
            table=table,
            index=index,
        )
    written = filter(VectorFilterBuilder())
    if not isinstance(written, VectorFilter):
        raise SearchError(
            f"The filter of {where} returned {written!r} and not q.eq(field, value) or q.or_(...).",
            table=table,
            index=index,
        )
    if len(written.equalities) > limits.vector_filters:
        raise SearchError(
            f"The filter of {where} has too many conditions. Max: {limits.vector_filters} "
            f"Actual: {len(written.equalities)}.",
            table=table,
            index=index,
        )
    return [(field, filter_key(where, definition.filter_fields, field, value)) for field, value in written.equalities]


class _Stretch(NamedTuple):
    source: Source
    vectors: Vectors
    chosen: Numbers
    """The numbers of the vectors that count."""
    products: NDArray[np.float32]
    """Of each of them, about its similarity."""


def chosen_vectors(
    sources: Sequence[Source], search: VectorSearch
) -> Generator[tuple[Source, Vectors, Numbers], None, None]:
    """The vectors that a search is among, and the numbers of those that pass its filter."""
    for source in sources:
        index = VectorIndex.of(source.segment, search.definition.vector_field, search.definition.dimensions)
        kept = source.alive
        if search.filters is not None:
            passing = np.zeros(source.segment.num_rows, np.bool_)
            for field, key in search.filters:
                passing |= FilterValues.of(source.segment, field).equal(key)
            kept = passing if kept is None else kept & passing
        for number in range(len(index)):
            vectors = index.make(number)
            chosen = np.arange(len(vectors.rows)) if kept is None else np.flatnonzero(kept[vectors.rows])
            if len(chosen):
                yield source, vectors, chosen


def _products(vectors: Vectors, chosen: Numbers, asked: NDArray[np.float32]) -> NDArray[np.float32]:
    # To copy a part of the vectors costs several times what multiplying them does. Not by `@`: that asks the threads of
    # BLAS, who bring nothing here, since memory is what it waits for, and on a busy machine are late.
    few = 4 * len(chosen) < len(vectors.rows)
    products: NDArray[np.float32] = np.einsum("ij,j->i", vectors.units[chosen] if few else vectors.units, asked)
    return products if few else products[chosen]


def _nearest(found: Sequence[_Stretch], asked: NDArray[np.float32], limit: int, table: str) -> VectorMatches:
    if not found:
        return VectorMatches()
    products = np.concatenate([each.products for each in found])
    least = -np.inf
    if len(products) > limit:
        # What single precision can lose in a sum of so many numbers, on either side.
        margin = 2.0 * (len(asked) + 4) * 2.0**-24
        least = np.partition(products, len(products) - limit)[len(products) - limit] - margin
    matches: list[tuple[float, str]] = []
    for each in found:
        near = np.flatnonzero(each.products >= least)
        for start in range(0, len(near), _BLOCK):
            numbers = each.chosen[near[start : start + _BLOCK]]
            scores = similarities(each.vectors.units[numbers], asked)
            rows = each.vectors.rows[numbers].tolist()
            matches += [(-score, each.source.id(row)) for score, row in zip(scores.tolist(), rows, strict=True)]
    matches.sort()
    return VectorMatches([{"_id": Id(id, table), "_score": -score + 0.0} for score, id in matches[:limit]])


def similarities(units: NDArray[np.float32], asked: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosines of the angles, from -1 to 1: exactly these for equal and opposite vectors, 0 where one is zero."""
    rows, one = units.astype(np.float64), asked.astype(np.float64)
    # One sum of one shape for all three, so that equal vectors have equal sums.
    products, squares = (rows * one).sum(axis=1), (rows * rows).sum(axis=1)
    lengths = np.sqrt(squares * (one[np.newaxis] * one).sum(axis=1))
    cosines: NDArray[np.float64] = np.divide(products, lengths, out=np.zeros(len(rows)), where=lengths > 0)
    return np.clip(cosines, -1.0, 1.0)
