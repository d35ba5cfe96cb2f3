"""JSON Schemas in the dialect of OpenAPI 3.0, which most generators read: it has no type null and no constants."""

from __future__ import annotations

from typing import Any, Final

_TYPES: Final[dict[type, str]] = {str: "string", bool: "boolean", int: "number", float: "number"}
NULL: Final = {"type": "string", "nullable": True, "enum": [None]}
"""What takes null and nothing else: `nullable` adds to a type."""


def dialect(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what `json_schema` gave as OpenAPI 3.0 writes it. The names of a record's fields are lost."""
    if schema.get("type") == "null" or ("const" in schema and schema["const"] is None):
        return NULL
    written: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "const":
                written |= {"type": _TYPES.get(type(value), "object"), "enum": [value]}
            case "enum":
                written |= _enumeration(value)
            case "contentEncoding":
                written["format"] = "byte"
            case "properties":
                written[key] = {name: dialect(each) for name, each in value.items()}
            case "anyOf":
                written |= _union([dialect(each) for each in value])
            case "items" | "additionalProperties" | "not":
                written[key] = dialect(value) if isinstance(value, dict) else value
            case "propertyNames":
                pass
            case _:
                written[key] = value
    return written


def _enumeration(values: list[Any]) -> dict[str, Any]:
    types = {_TYPES.get(type(value)) for value in values if value is not None}
    kind = {"type": types.pop()} if len(types) == 1 and None not in types else {}
    return {**kind, **({"nullable": True} if None in values else {}), "enum": values}


def _union(members: list[dict[str, Any]]) -> dict[str, Any]:
    others = [each for each in members if each is not NULL]
    if len(others) == 1 < len(members) and "type" in others[0]:
        given = {"enum": [*others[0]["enum"], None]} if "enum" in others[0] else {}
        return {**others[0], "nullable": True, **given}
    return {"anyOf": members}
