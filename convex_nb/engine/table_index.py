"""The indexes of a table: their names, their fields, and the keys of documents in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from convex_nb.language.keys import key_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.language.documents import Document
    from convex_nb.language.schema import TableDefinition

BY_ID: Final = "by_id"
BY_CREATION_TIME: Final = "by_creation_time"


class TableIndex(NamedTuple):
    """An index of a table: its name, its fields and the function that makes a document's full key."""

    name: str
    fields: tuple[str, ...]
    key_of: Callable[[Document], bytes]


def table_indexes(definition: TableDefinition | None) -> tuple[TableIndex, ...]:
    """The indexes of a table, the two automatic ones first."""
    indexes = [
        TableIndex(BY_ID, ("_id",), key_function(("_id",))),
        TableIndex(BY_CREATION_TIME, ("_creationTime",), key_function(("_creationTime",))),
    ]
    if definition is not None:
        indexes.extend(
            TableIndex(index.name, index.fields, key_function(index.fields))
            for index in definition.indexes
            if not index.staged
        )
    return tuple(indexes)
