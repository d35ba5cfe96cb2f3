"""What the searches of a table need of its segments: made ahead of them, counted, verified, and let go of."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb.language.schema import SearchIndexDefinition

if TYPE_CHECKING:
    from convex_nb.engine.search.text_index import TextIndex
    from convex_nb.engine.search.vector_index import VectorIndex
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.table import TableState
    from convex_nb.language.schema import TableDefinition, VectorIndexDefinition

    Definition: TypeAlias = SearchIndexDefinition | VectorIndexDefinition


def search_definitions(definition: TableDefinition | None, *, staged: bool | None = None) -> Iterator[Definition]:
    """The text and vector indexes of a table: those that are staged, those that are not, or all."""
    if definition is not None:
        of_both: tuple[Definition, ...] = (*definition.search_indexes, *definition.vector_indexes)
        for each in of_both:
            if staged is None or each.staged is staged:
                yield each


def searched_field(definition: Definition) -> str:
    """The field that an index is about, its filter fields apart."""
    return definition.search_field if isinstance(definition, SearchIndexDefinition) else definition.vector_field


def index_of(segment: Segment, definition: Definition) -> TextIndex | VectorIndex:
    """What searches of an index look into, perhaps not made yet."""
    from convex_nb.engine.search.text_index import TextIndex
    from convex_nb.engine.search.vector_index import VectorIndex

    if isinstance(definition, SearchIndexDefinition):
        return TextIndex.of(segment, definition.search_field)
    return VectorIndex.of(segment, definition.vector_field, definition.dimensions)


def preparing_searches(
    segment: Segment, definition: TableDefinition | None, *, staged: bool = True
) -> Generator[None, None, None]:
    """Make what the searches of a segment need, in steps of some tenths of a second at most; of staged indexes too."""
    from convex_nb.engine.search.filter_values import FilterValues

    for each in search_definitions(definition, staged=None if staged else False):
        index = index_of(segment, each)
        while (number := index.unbuilt()) is not None:
            index.make(number)
            yield
        for field in each.filter_fields:
            if (FilterValues, field) not in segment.derived:
                FilterValues.of(segment, field)
                yield


def prepare_searches(segment: Segment, definition: TableDefinition | None) -> None:
    """The same at once, for the indexes that can be searched. Costs O(rows)."""
    for _ in preparing_searches(segment, definition, staged=False):
        pass


def lacks_searches(segment: Segment, definition: TableDefinition | None) -> bool:
    """Whether something is missing that searches of a segment need."""
    from convex_nb.engine.search.filter_values import FilterValues

    return any(
        index_of(segment, each).unbuilt() is not None
        or any((FilterValues, field) not in segment.derived for field in each.filter_fields)
        for each in search_definitions(definition)
    )


def forget_searches(state: TableState) -> None:
    """Let go of what no index of the table needs any more. A search of the past makes it again."""
    from convex_nb.engine.search.filter_values import FilterValues
    from convex_nb.engine.search.text_index import TextIndex
    from convex_nb.engine.search.vector_index import VectorIndex

    needed: set[Any] = set()
    for each in search_definitions(state.definition):
        needed |= {(FilterValues, field) for field in each.filter_fields}
        if isinstance(each, SearchIndexDefinition):
            needed.add((TextIndex, each.search_field))
        else:
            needed.add((VectorIndex, each.vector_field, each.dimensions))
    for part in state.parts:
        for key in tuple(part.segment.derived):
            if isinstance(key, tuple) and key not in needed:
                part.segment.derived.pop(key, None)


def indexed_rows(state: TableState, definition: Definition) -> int:
    """How many rows of the segments an index has been made of."""
    return sum([index_of(part.segment, definition).indexed for part in state.parts])


def check_searches(state: TableState) -> None:
    """Verify that what has been made of each segment says what its documents say. Costs O(documents)."""
    from convex_nb.engine.search.text_index import TextIndex
    from convex_nb.engine.search.vector_index import VectorIndex

    for part in state.parts:
        for made in tuple(part.segment.derived.values()):
            if isinstance(made, (TextIndex, VectorIndex)):
                made.check(part.segment)
