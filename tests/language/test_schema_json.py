"""Schemas as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.schema_json import schema_from_json, schema_to_json
from convex_nb.language.validators import v
from convex_nb.testing.strategies import schemas

EVERYTHING = define_schema(
    {
        "tasks": define_table({"text": v.string(), "vector": v.array(v.float64()), "owner": v.id("people")})
        .index("by_owner", ["owner", "text"], staged=True)
        .search_index("words", "text", ["owner"])
        .vector_index("near", "vector", 3, ["owner"], staged=True),
        "people": define_table(v.any()),
    },
    schema_validation=False,
    strict_table_name_types=False,
)


def round_trip(schema: SchemaDefinition) -> SchemaDefinition:
    return schema_from_json(json.loads(json.dumps(schema_to_json(schema))))


@given(schemas())
def test_a_schema_comes_back(schema: SchemaDefinition) -> None:
    assert round_trip(schema) == schema


def test_every_kind_of_index_comes_back_in_its_order() -> None:
    back = round_trip(EVERYTHING)
    assert back == EVERYTHING
    assert back.tables["tasks"].all_indexes == EVERYTHING.tables["tasks"].all_indexes
    assert list(back.tables) == ["tasks", "people"]
    assert not back.schema_validation
    assert not back.strict_table_name_types


@pytest.mark.parametrize(
    "form",
    [
        None,
        [],
        {},
        {"tables": [{}], "schemaValidation": True},
        {"tables": 5, "schemaValidation": True},
        {"tables": [{"tableName": "t", "documentType": {"type": "any"}}], "schemaValidation": True},
        {"tables": [{"tableName": "t", "documentType": {"type": "x"}, "indexes": []}], "schemaValidation": True},
    ],
)
def test_what_is_no_schema_is_refused(form: Any) -> None:
    with pytest.raises(SchemaDefinitionError):
        schema_from_json(form)
