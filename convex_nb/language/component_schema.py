"""The schema of a deployment with components: one, in which their tables have qualified names."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from convex_nb.language.qualified_names import component_of, local_name, qualified
from convex_nb.language.schema import SchemaDefinition, define_schema
from convex_nb.language.validators import (
    AnyValidator,
    ArrayValidator,
    IdValidator,
    ObjectValidator,
    RecordValidator,
    UnionValidator,
    Validator,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from convex_nb.language.schema import TableDefinition


NONE: Final = define_schema({}, schema_validation=False)
"""In force where an application has pushed no schema, and there are components, or were."""


def combined(
    application: SchemaDefinition | None, components: Mapping[str, SchemaDefinition | None]
) -> SchemaDefinition | None:
    """The schema of an application, `None` for none, and of the components at these paths."""
    tables = {
        qualified(path, name): _installed(path, table, checked=schema.schema_validation)
        for path, schema in components.items()
        if schema is not None
        for name, table in schema.tables.items()
    }
    if not tables:
        return application
    base = NONE if application is None else application
    return replace(base, tables=MappingProxyType({**base.tables, **tables}))


def part_of(schema: SchemaDefinition | None, component: str = "") -> SchemaDefinition | None:
    """The schema of one component, or of the application, as it would write it; `None` where it has none."""
    if schema is None:
        return None
    tables = {
        local_name(name): replace(table, validator=with_tables(table.validator, local_name)) if component else table
        for name, table in schema.tables.items()
        if component_of(name) == component
    }
    if component:
        return SchemaDefinition(MappingProxyType(tables)) if tables else None
    if not tables and not schema.schema_validation:
        # An application that has pushed none, and components that have or had one.
        return None
    return schema if len(tables) == len(schema.tables) else replace(schema, tables=MappingProxyType(tables))


def parts_of(schema: SchemaDefinition | None) -> dict[str, SchemaDefinition | None]:
    """The schemas of the components that have one, by path."""
    return {path: part_of(schema, path) for path in _components_in(schema)}


def _components_in(schema: SchemaDefinition | None) -> Iterator[str]:
    names = () if schema is None else schema.tables
    return iter(sorted({component_of(name) for name in names} - {""}))


def _installed(path: str, table: TableDefinition, *, checked: bool) -> TableDefinition:
    if not checked:
        return replace(table, validator=AnyValidator())
    return replace(table, validator=with_tables(table.validator, lambda name: qualified(path, name)))


def with_tables(validator: Validator, rename: Callable[[str], str]) -> Validator:
    """The same validator, in which tables are called otherwise."""
    match validator:
        case IdValidator():
            copy: Validator = IdValidator(rename(validator.table_name))
        case ArrayValidator():
            copy = ArrayValidator(with_tables(validator.element, rename))
        case RecordValidator():
            copy = RecordValidator(with_tables(validator.key, rename), with_tables(validator.value, rename))
        case UnionValidator():
            copy = UnionValidator(*[with_tables(member, rename) for member in validator.members])
        case ObjectValidator():
            copy = ObjectValidator({name: with_tables(field, rename) for name, field in validator.fields.items()})
        case _:
            return validator
    return copy.as_optional(validator.is_optional)
