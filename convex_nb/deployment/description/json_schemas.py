"""Tables as JSON Schemas, of the form in which the change feed is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb.language.validator_json import json_schema

if TYPE_CHECKING:
    from convex_nb.language.schema import TableDefinition

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_DELTA: Final = {
    "_ts": {"type": "integer", "description": "the commit, in nanoseconds since the epoch"},
    "_table": {"type": "string"},
    "_deleted": {"type": "boolean", "description": "whether the document was deleted: it has no other fields then"},
}


def json_schemas(tables: Mapping[str, TableDefinition], *, delta: bool) -> dict[str, Any]:
    """Return the JSON Schema of each table's documents; with `delta`, of what the change feed says of them."""
    return {name: {"$schema": DRAFT, **_table(name, table, delta)} for name, table in sorted(tables.items())}


def _table(name: str, table: TableDefinition, delta: bool) -> dict[str, Any]:
    properties = {
        "_id": {"type": "string", "description": f'the id of a document in table "{name}"'},
        "_creationTime": {"type": "number", "description": "milliseconds since the epoch"},
        **(_DELTA if delta else {}),
    }
    return _with(json_schema(table.validator), properties, delta)


def _with(schema: dict[str, Any], system: dict[str, Any], delta: bool) -> dict[str, Any]:
    if "anyOf" in schema:
        return {"anyOf": [_with(each, system, delta) for each in schema["anyOf"]]}
    required = ["_id", "_ts", "_table"] if delta else ["_id", "_creationTime", *schema.get("required", ())]
    properties = {**system, **schema.get("properties", {})}
    return {**schema, "type": "object", "properties": properties, "required": required}
