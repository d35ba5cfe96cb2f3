"""A table's Arrow schema."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given

from convex_nb.language.schema import TableDefinition, define_schema, define_table
from convex_nb.language.schema_arrow import ENCODED
from convex_nb.language.validators import Validator, v
from convex_nb.language.values import Int64
from convex_nb.testing.strategies import tables

TYPES: list[tuple[Validator, Any, bool]] = [
    (v.string(), pa.string(), False),
    (v.id("users"), pa.string(), False),
    (v.number(), pa.float64(), False),
    (v.int64(), pa.int64(), False),
    (v.boolean(), pa.bool_(), False),
    (v.bytes(), pa.binary(), False),
    (v.null(), pa.null(), True),
    (v.optional(v.string()), pa.string(), True),
    (v.nullable(v.number()), pa.float64(), True),
    (v.literal("a"), pa.string(), False),
    (v.literal(1), pa.float64(), False),
    (v.literal(True), pa.bool_(), False),
    (v.literal(Int64(1)), pa.int64(), False),
    (v.union(v.literal("a"), v.literal("b"), v.null()), pa.string(), True),
    (v.array(v.number()), pa.list_(pa.field("item", pa.float64(), False)), False),
    (v.array(v.nullable(v.number())), pa.list_(pa.field("item", pa.float64(), True)), False),
    (v.record(v.string(), v.int64()), pa.map_(pa.string(), pa.field("value", pa.int64(), False)), False),
    (
        v.object({"x": v.number(), "y": v.optional(v.string())}),
        pa.struct([pa.field("x", pa.float64(), False), pa.field("y", pa.string(), True)]),
        False,
    ),
]


@pytest.mark.parametrize(("validator", "type_", "nullable"), TYPES)
def test_types(validator: Validator, type_: Any, nullable: bool) -> None:
    schema = define_table({"a": validator}).arrow_schema()
    assert schema.names == ["_id", "_creationTime", "a"]
    assert schema.field("a") == pa.field("a", type_, nullable)
    assert schema.field("_id") == pa.field("_id", pa.string(), False)
    assert schema.field("_creationTime") == pa.field("_creationTime", pa.float64(), False)


@pytest.mark.parametrize(
    "validator", [v.any(), v.union(v.string(), v.number()), v.array(v.any()), v.object({}), v.object({"a": v.any()})]
)
def test_what_no_arrow_type_fits_is_marked_text(validator: Validator) -> None:
    field = define_table({"a": validator}).arrow_schema().field("a")
    assert field.type == pa.string()
    assert field.metadata == ENCODED


def test_unions_of_objects_have_the_columns_of_all() -> None:
    table = define_table(
        v.union(v.object({"kind": v.literal("a"), "n": v.number()}), v.object({"kind": v.literal("b")}))
    )
    schema = define_schema({"t": table}).arrow_schema("t")
    assert schema.field("kind") == pa.field("kind", pa.string(), False)
    assert schema.field("n") == pa.field("n", pa.float64(), True)
    assert define_table(v.any()).arrow_schema().names == ["_id", "_creationTime"]


@given(tables())
def test_every_table_has_one(table: TableDefinition) -> None:
    assert pa.Table.from_pylist([], schema=table.arrow_schema()).num_rows == 0
