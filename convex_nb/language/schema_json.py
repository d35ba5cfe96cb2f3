"""Schemas as JSON, in the form that Convex's own tools exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from convex_nb.language.describing import shorten
from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.qualified_names import component_of
from convex_nb.language.schema import SchemaDefinition, TableDefinition, define_schema, define_table
from convex_nb.language.validator_json import validator_from_json


def schema_to_json(schema: SchemaDefinition) -> dict[str, Any]:
    """Return a schema as a structure that `json.dumps` takes and `schema_from_json` reads back to an equal one."""
    return {
        "tables": [_table_to_json(name, table) for name, table in schema.tables.items()],
        "schemaValidation": schema.schema_validation,
        "strictTableNameTypes": schema.strict_table_name_types,
    }


def _table_to_json(name: str, table: TableDefinition) -> dict[str, Any]:
    return {
        "tableName": name,
        "documentType": table.validator.json,
        "indexes": [
            {"indexDescriptor": index.name, "fields": list(index.fields), "staged": index.staged}
            for index in table.indexes
        ],
        "searchIndexes": [
            {
                "indexDescriptor": index.name,
                "searchField": index.search_field,
                "filterFields": list(index.filter_fields),
                "staged": index.staged,
            }
            for index in table.search_indexes
        ],
        "vectorIndexes": [
            {
                "indexDescriptor": index.name,
                "vectorField": index.vector_field,
                "dimensions": index.dimensions,
                "filterFields": list(index.filter_fields),
                "staged": index.staged,
            }
            for index in table.vector_indexes
        ],
    }


def schema_from_json(form: Any) -> SchemaDefinition:
    """Return the schema that `schema_to_json` wrote. Raises `SchemaDefinitionError`."""
    try:
        tables = {table["tableName"]: _table_from_json(table) for table in form["tables"]}
        application = define_schema(
            {name: table for name, table in tables.items() if not component_of(name)},
            schema_validation=form["schemaValidation"],
            strict_table_name_types=form.get("strictTableNameTypes", True),
        )
        return replace(application, tables=MappingProxyType(tables))
    except SchemaDefinitionError:
        raise
    except (KeyError, TypeError, AttributeError):
        raise SchemaDefinitionError(f"{shorten(repr(form), 200)} is not the JSON form of a schema.") from None


def _table_from_json(form: Mapping[str, Any]) -> TableDefinition:
    table = define_table(validator_from_json(form["documentType"]))
    for index in form["indexes"]:
        table = table.index(index["indexDescriptor"], index["fields"], index.get("staged", False))
    for index in form["searchIndexes"]:
        table = table.search_index(
            index["indexDescriptor"], index["searchField"], index["filterFields"], index.get("staged", False)
        )
    for index in form["vectorIndexes"]:
        table = table.vector_index(
            index["indexDescriptor"],
            index["vectorField"],
            index["dimensions"],
            index["filterFields"],
            index.get("staged", False),
        )
    return table
