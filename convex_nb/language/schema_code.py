"""A schema as the Python that defines it."""

from __future__ import annotations

from collections.abc import Sequence

from convex_nb.language.schema import SchemaDefinition, TableDefinition
from convex_nb.language.validators import (
    ArrayValidator,
    NullValidator,
    ObjectValidator,
    RecordValidator,
    UnionValidator,
    Validator,
    quoted,
)

_WIDTH = 100


def schema_code(schema: SchemaDefinition) -> str:
    """Return a module that defines an equal schema under the name `schema`."""
    tables = "".join(f"        {quoted(name)}: {table_code(table, 8)},\n" for name, table in schema.tables.items())
    options = "" if schema.schema_validation else "    schema_validation=False,\n"
    if not schema.strict_table_name_types:
        options += "    strict_table_name_types=False,\n"
    mapping = f"    {{\n{tables}    }},\n" if tables else "    {},\n"
    names = ["define_schema"]
    if tables:
        names += ["define_table", "v"] if "v." in tables else ["define_table"]
    if "Int64(" in tables:
        names.insert(0, "Int64")
    return f"from convex_nb import {', '.join(names)}\n\nschema = define_schema(\n{mapping}{options})\n"


def table_code(table: TableDefinition, indent: int = 0) -> str:
    """Return the expression that defines an equal table, for a line that is indented by `indent`."""
    validator = table.validator
    if isinstance(validator, ObjectValidator):
        code = f"define_table({_fields(validator, indent)})"
    else:
        code = f"define_table({_pretty(validator, indent)})"
    calls = [f".index({quoted(index.name)}, {_names(index.fields)}{_staged(index.staged)})" for index in table.indexes]
    calls += [
        f".search_index({quoted(search.name)}, search_field={quoted(search.search_field)}"
        f"{_filters(search.filter_fields)}{_staged(search.staged)})"
        for search in table.search_indexes
    ]
    calls += [
        f".vector_index({quoted(vector.name)}, vector_field={quoted(vector.vector_field)}, "
        f"dimensions={vector.dimensions}{_filters(vector.filter_fields)}{_staged(vector.staged)})"
        for vector in table.vector_indexes
    ]
    return "".join([code, *(f"\n{' ' * indent}{call}" for call in calls)]) if indent else code + "".join(calls)


def _pretty(validator: Validator, indent: int) -> str:
    code = validator.to_code()
    if indent + len(code) <= _WIDTH:
        return code
    if validator.is_optional:
        return f"v.optional({_pretty(validator.as_optional(False), indent)})"
    match validator:
        case ObjectValidator():
            return f"v.object({_fields(validator, indent)})"
        case ArrayValidator():
            return f"v.array({_pretty(validator.element, indent)})"
        case RecordValidator():
            return f"v.record({validator.key.to_code()}, {_pretty(validator.value, indent)})"
        case UnionValidator(members=(first, NullValidator())):
            return f"v.nullable({_pretty(first, indent)})"
        case UnionValidator():
            inner = " " * (indent + 4)
            members = "".join(f"{inner}{_pretty(member, indent + 4)},\n" for member in validator.members)
            return f"v.union(\n{members}{' ' * indent})"
        case _:
            return code


def _fields(validator: ObjectValidator, indent: int) -> str:
    if not validator.fields:
        return "{}"
    inner = " " * (indent + 4)
    lines = [f"{inner}{quoted(name)}: {_pretty(field, indent + 4)},\n" for name, field in validator.fields.items()]
    return f"{{\n{''.join(lines)}{' ' * indent}}}"


def _names(fields: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, fields))}]"


def _filters(fields: Sequence[str]) -> str:
    return f", filter_fields={_names(fields)}" if fields else ""


def _staged(staged: bool) -> str:
    return ", staged=True" if staged else ""
