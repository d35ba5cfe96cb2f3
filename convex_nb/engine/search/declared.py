"""Finding the text or vector index that a search names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from convex_nb.language.errors import IndexNotFoundError
from convex_nb.language.schema import SearchIndexDefinition, VectorIndexDefinition

Declared = TypeVar("Declared", SearchIndexDefinition, VectorIndexDefinition)


def declared_index(
    definitions: Sequence[Declared], table: str, name: str, kind: Literal["search_index", "vector_index"]
) -> Declared:
    """The one of this name. Raises ``IndexNotFoundError``, also while it is staged."""
    for definition in definitions:
        if definition.name == name:
            if definition.staged:
                raise IndexNotFoundError(table, name, staged=True)
            return definition
    available = [definition.name for definition in definitions if not definition.staged]
    raise IndexNotFoundError(table, name, available, kind=kind)
