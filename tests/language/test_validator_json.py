"""Validators from JSON, and JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.annotations import validator_of_annotation
from convex_nb.language.encoding import to_plain_json
from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.validators import Validator, v
from convex_nb.language.values import Int64
from convex_nb.testing.strategies import fitting, validators


@given(validators())
def test_round_trip(validator: Validator) -> None:
    assert v.from_json(validator.json) == validator
    assert v.from_json(json.loads(json.dumps(validator.json))) == validator


def _deep(levels: int) -> dict[str, Any]:
    form: dict[str, Any] = {"type": "null"}
    for _ in range(levels):
        form = {"type": "array", "value": form}
    return form


@pytest.mark.parametrize(
    "form",
    [
        None,
        5,
        "string",
        {},
        {"type": "text"},
        {"type": 5},
        {"type": ["string"]},
        {"type": "id"},
        {"type": "array"},
        {"type": "union", "value": {"type": "null"}},
        {"type": "object", "value": []},
        {"type": "object", "value": {"a": {"type": "null"}}},
        {"type": "object", "value": {"$a": {"fieldType": {"type": "null"}, "optional": False}}},
        {"type": "record", "keys": {"type": "string"}, "values": {"type": "null"}},
        {"type": "record", "keys": {"type": "number"}, "values": {"fieldType": {"type": "null"}, "optional": False}},
        {"type": "literal"},
        {"type": "literal", "value": {"$integer": "!"}},
        {"type": "literal", "value": [1]},
        _deep(65),
        _deep(900),
        _deep(100_000),
    ],
    ids=lambda form: repr(form)[:60] if not isinstance(form, dict) or form.get("type") != "array" else "array",
)
def test_what_is_no_validator_is_refused(form: Any) -> None:
    with pytest.raises(SchemaDefinitionError):
        v.from_json(form)


@given(st.recursive(st.none() | st.text(max_size=5), lambda x: st.dictionaries(st.sampled_from(["type", "value"]), x)))
def test_any_json_gives_a_validator_or_a_definition_error(form: Any) -> None:
    try:
        validator = v.from_json(form)
    except SchemaDefinitionError:
        return
    assert v.from_json(validator.json) == validator


SCHEMAS: list[tuple[Validator, dict[str, Any]]] = [
    (v.string(), {"type": "string"}),
    (v.number(), {"type": "number"}),
    (validator_of_annotation(int), {"type": "integer"}),
    (v.boolean(), {"type": "boolean"}),
    (v.null(), {"type": "null"}),
    (v.any(), {}),
    (v.bytes(), {"type": "string", "contentEncoding": "base64"}),
    (v.id("users"), {"type": "string", "description": 'the id of a document in table "users"'}),
    (v.literal("a"), {"const": "a"}),
    (v.union(v.literal("a"), v.literal("b")), {"enum": ["a", "b"]}),
    (v.nullable(v.string()), {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    (v.array(v.string()), {"type": "array", "items": {"type": "string"}}),
    (v.union(), {"not": {}}),
    (
        v.record(v.string(), v.number()),
        {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "number"}},
    ),
    (
        v.object({"a": v.string(), "b": v.optional(v.number())}),
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "number"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    ),
]


@pytest.mark.parametrize(("validator", "schema"), SCHEMAS)
def test_json_schema(validator: Validator, schema: dict[str, Any]) -> None:
    assert validator.to_json_schema() == schema


def test_json_schema_of_int64_describes_its_lossy_form() -> None:
    schema = v.int64().to_json_schema()
    assert schema["type"] == "string"
    assert isinstance(to_plain_json(Int64(5)), str)


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float, str),  # NaN and infinities have no JSON number and are written as their names
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


@given(validators().flatmap(lambda validator: st.tuples(st.just(validator), fitting(validator))))
def test_the_lossy_form_of_what_fits_has_the_type_that_the_schema_says(pair: tuple[Validator, Any]) -> None:
    validator, value = pair
    schema = validator.to_json_schema()
    json.dumps(schema)
    if "type" in schema:
        assert isinstance(to_plain_json(value), _PYTHON_TYPES[schema["type"]])
