"""Whether the fields that indexes list can exist in the documents, and can have the type that the index needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.validators import (
    AnyValidator,
    ArrayValidator,
    IdValidator,
    LiteralValidator,
    NumberValidator,
    ObjectValidator,
    RecordValidator,
    StringValidator,
    UnionValidator,
    Validator,
)

if TYPE_CHECKING:
    from convex_nb.language.schema import SearchIndexDefinition, TableDefinition, VectorIndexDefinition


def check_index_references(name: str, table: TableDefinition) -> None:
    """Raise `SchemaDefinitionError` for the first index of table `name` that no document could ever be found by."""
    for index in table.indexes:
        for path in index.fields:
            _found(name, index.name, table.validator, path)
    for search in table.search_indexes:
        if not any(map(_may_be_text, _found(name, search.name, table.validator, search.search_field))):
            raise _invalid(name, search.name, search.search_field, f"the field `{search.search_field}` is not a string")
    for vector in table.vector_indexes:
        if not any(map(_may_be_vector, _found(name, vector.name, table.validator, vector.vector_field))):
            reason = f"the field `{vector.vector_field}` is not an array of numbers (`v.array(v.float64())`)"
            raise _invalid(name, vector.name, vector.vector_field, reason)
    filtered: tuple[SearchIndexDefinition | VectorIndexDefinition, ...] = (*table.search_indexes, *table.vector_indexes)
    for definition in filtered:
        for path in definition.filter_fields:
            _found(name, definition.name, table.validator, path)


def _found(table: str, index: str, documents: Validator, path: str) -> list[Validator]:
    found = list(_validators_at(documents, path.split(".")))
    if not found:
        raise _invalid(table, index, path, f"it references the field `{path}`, which no document of the table can have")
    return found


def _invalid(table: str, index: str, path: str, reason: str) -> SchemaDefinitionError:
    return SchemaDefinitionError(
        f'In table "{table}" the index "{index}" is invalid because {reason}.', table=table, index=index, field=path
    )


def _validators_at(validator: Validator, path: list[str]) -> Iterator[Validator]:
    """Yield the validators of what a path may lead to; none if it leads nowhere."""
    match validator:
        case UnionValidator():
            for member in validator.members:
                yield from _validators_at(member, path)
        case AnyValidator():
            yield validator
        case _ if not path:
            yield validator
        case ObjectValidator() if path[0] in validator.fields:
            yield from _validators_at(validator.fields[path[0]], path[1:])
        case RecordValidator():
            yield from _validators_at(validator.value, path[1:])
        case _:
            return


def _may_be_text(validator: Validator) -> bool:
    if isinstance(validator, LiteralValidator):
        return isinstance(validator.value, str)
    return isinstance(validator, (AnyValidator, StringValidator, IdValidator))


def _may_be_vector(validator: Validator) -> bool:
    if isinstance(validator, ArrayValidator):
        members = validator.element.members if isinstance(validator.element, UnionValidator) else (validator.element,)
        return any(isinstance(member, (AnyValidator, NumberValidator)) for member in members)
    return isinstance(validator, AnyValidator)
