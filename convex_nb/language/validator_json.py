"""Validators from their JSON form, and JSON Schema from validators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convex_nb.language.describing import describe
from convex_nb.language.encoding import from_json, to_json, to_plain_json
from convex_nb.language.errors import InvalidValueError, SchemaDefinitionError
from convex_nb.language.limits import Limits
from convex_nb.language.validators import (
    AnyValidator,
    ArrayValidator,
    BooleanValidator,
    BytesValidator,
    IdValidator,
    Int64Validator,
    LiteralValidator,
    NullValidator,
    NumberValidator,
    ObjectValidator,
    RecordValidator,
    StringValidator,
    UnionValidator,
    Validator,
    WholeNumberValidator,
)

_ATOMS: dict[str, type[Validator]] = {
    "string": StringValidator,
    "number": NumberValidator,
    "bigint": Int64Validator,
    "boolean": BooleanValidator,
    "null": NullValidator,
    "bytes": BytesValidator,
    "any": AnyValidator,
}
_MOST_LEVELS = Limits.convex().value_nesting


def validator_from_json(form: Any) -> Validator:
    """Return the validator whose `.json` is `form`. Raises `SchemaDefinitionError`."""
    return _read(form, 0)


def _read(form: Any, depth: int) -> Validator:
    if not isinstance(form, Mapping) or depth > 2 * _MOST_LEVELS:
        raise _bad(form)
    kind = form.get("type")
    if isinstance(kind, str) and kind in _ATOMS:
        return _ATOMS[kind]()
    inner = form.get("value")
    match kind:
        case "id":
            return IdValidator(form.get("tableName"))  # type: ignore[arg-type]
        case "literal":
            try:
                return LiteralValidator(from_json(inner))
            except InvalidValueError:
                raise _bad(form) from None
        case "array":
            return ArrayValidator(_read(inner, depth + 1))
        case "union" if isinstance(inner, (list, tuple)):
            return UnionValidator(*[_read(member, depth + 1) for member in inner])
        case "record":
            return RecordValidator(_read(form.get("keys"), depth + 1), _read_field(form.get("values"), depth + 1))
        case "object" if isinstance(inner, Mapping):
            return ObjectValidator({name: _read_field(field, depth + 1) for name, field in inner.items()})
        case _:
            raise _bad(form)


def _read_field(form: Any, depth: int) -> Validator:
    if not isinstance(form, Mapping) or "fieldType" not in form:
        raise _bad(form)
    return _read(form["fieldType"], depth).as_optional(bool(form.get("optional", False)))


def _bad(form: Any) -> SchemaDefinitionError:
    return SchemaDefinitionError(f"{describe(form, 200)} is not the JSON form of a validator.")


def json_schema(validator: Validator, *, lossless: bool = False) -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) of the lossy, or the lossless, JSON form of the values that it accepts."""

    def inner(validator: Validator) -> dict[str, Any]:
        return json_schema(validator, lossless=lossless)

    match validator:
        case StringValidator():
            return {"type": "string"}
        case WholeNumberValidator():
            return {"type": "integer"}
        case NumberValidator():
            return {"type": "number"}
        case Int64Validator() if lossless:
            return _tagged("$integer", "a 64-bit integer: base64 of its 8 bytes, the lowest first")
        case Int64Validator():
            return {"type": "string", "pattern": "^-?[0-9]{1,19}$", "description": "a 64-bit integer"}
        case BooleanValidator():
            return {"type": "boolean"}
        case NullValidator():
            return {"type": "null"}
        case BytesValidator() if lossless:
            return _tagged("$bytes", "base64")
        case BytesValidator():
            return {"type": "string", "contentEncoding": "base64"}
        case IdValidator():
            return {"type": "string", "description": f'the id of a document in table "{validator.table_name}"'}
        case LiteralValidator():
            return {"const": to_json(validator.value) if lossless else to_plain_json(validator.value)}
        case ArrayValidator():
            return {"type": "array", "items": inner(validator.element)}
        case RecordValidator():
            return {
                "type": "object",
                "propertyNames": inner(validator.key),
                "additionalProperties": inner(validator.value),
            }
        case ObjectValidator():
            required = [name for name, field in validator.fields.items() if not field.is_optional]
            return {
                "type": "object",
                "properties": {name: inner(field) for name, field in validator.fields.items()},
                **({"required": required} if required else {}),
                "additionalProperties": False,
            }
        case UnionValidator(members=()):
            return {"not": {}}
        case UnionValidator():
            if all(isinstance(member, LiteralValidator) for member in validator.members):
                return {"enum": [inner(member)["const"] for member in validator.members]}
            return {"anyOf": [inner(member) for member in validator.members]}
        case _:
            return {}


def _tagged(tag: str, description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {tag: {"type": "string", "description": description}},
        "required": [tag],
        "additionalProperties": False,
    }
