"""Schemas from documents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.documents import freeze
from convex_nb.language.ids import encode_id
from convex_nb.language.ordering import same_value
from convex_nb.language.schema_inference import infer_schema, infer_table
from convex_nb.language.validators import Validator, v
from convex_nb.language.values import Int64
from convex_nb.testing.strategies import TABLES, documents, names, tables, values

USER = encode_id(10001, bytes(16))
TASK = encode_id(10002, bytes(16))
UNKNOWN = encode_id(20000, bytes(16))

INFERRED: list[tuple[list[Any], Validator]] = [
    (["x"], v.string()),
    ([1, 2.5], v.number()),
    ([Int64(1)], v.int64()),
    ([True, None], v.nullable(v.boolean())),
    ([None], v.null()),
    ([b"x"], v.bytes()),
    ([1, "x"], v.union(v.string(), v.number())),
    ([1, Int64(1)], v.union(v.number(), v.int64())),
    ([USER, USER], v.id("users")),
    ([USER, None], v.nullable(v.id("users"))),
    ([USER, TASK], v.string()),
    ([USER, "x"], v.string()),
    ([UNKNOWN], v.string()),
    ([[]], v.array(v.any())),
    ([[1], ["x", None]], v.array(v.union(v.string(), v.number(), v.null()))),
    ([{"b": 1}, {"b": 2, "c": None}], v.object({"b": v.number(), "c": v.optional(v.null())})),
    ([{}], v.object({})),
    ([[{"b": 1}], [{"c": 1}]], v.array(v.object({"b": v.optional(v.number()), "c": v.optional(v.number())}))),
    ([{f"key {number}": number} for number in range(100)], v.record(v.string(), v.number())),
    ([{f"k{number}": None for number in range(100)}], v.object({f"k{number}": v.null() for number in range(100)})),
]


@pytest.mark.parametrize(("seen", "validator"), INFERRED)
def test_what_is_inferred(seen: list[Any], validator: Validator) -> None:
    table = infer_table([{"_id": "j57", "_creationTime": 1.0, "a": value} for value in seen], TABLES)
    assert table.validator == v.object({"a": validator})


def test_missing_fields_are_optional_and_system_fields_left_out() -> None:
    table = infer_table([{"_id": "j57", "a": 1}, {"_id": "j58"}])
    assert table.validator == v.object({"a": v.optional(v.number())})
    assert infer_table([]).validator == v.object({})


def test_more_fields_than_an_object_has_are_any() -> None:
    table = infer_table({f"f{number}": 1} for number in range(1025))
    assert table.validator == v.any()


def test_a_whole_schema() -> None:
    schema = infer_schema({"users": [{"name": "Ada"}], "tasks": [{"owner": USER}]}, TABLES)
    assert schema.tables["tasks"].validator == v.object({"owner": v.id("users")})
    assert schema.tables["users"].validator == v.object({"name": v.string()})


@given(st.lists(st.dictionaries(names(), values(max_leaves=6), max_size=4), max_size=5))
def test_an_inferred_table_accepts_what_it_was_inferred_from(seen: list[dict[str, Any]]) -> None:
    table = infer_table(map(freeze, seen), TABLES)
    for document in seen:
        assert same_value(table.validate(document, table_name="t", tables=TABLES), document)


@given(tables().flatmap(lambda table: st.lists(documents(table), min_size=1, max_size=4)))
def test_also_documents_of_a_schema(seen: list[dict[str, Any]]) -> None:
    table = infer_table(seen, TABLES)
    for document in seen:
        assert same_value(table.validate(document, table_name="t", tables=TABLES), document)
