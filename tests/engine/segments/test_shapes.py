"""Shapes form a lattice, and arrays hold what their shape promises."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.segments.layout import MISSING
from convex_nb.engine.segments.shapes import (
    MOST_FIELDS,
    NOTHING,
    TEXT,
    Shape,
    array_of,
    arrow_type,
    declared_shape,
    fitting,
    holds,
    join,
    settled,
    shape_of,
)
from convex_nb.language.schema_arrow import arrow_type as schema_type
from convex_nb.language.validators import v
from convex_nb.language.values import Int64
from tests.engine.documents import KINDS
from tests.engine.segments.test_public_columns import shows

COLUMNS = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.lists(KINDS[kind] | st.sampled_from([None, MISSING]), max_size=4)
)
SHAPES = COLUMNS.map(shape_of)


@settings(max_examples=200)
@given(SHAPES, SHAPES, SHAPES)
def test_join_is_the_least_shape_that_holds_both(one: Shape, two: Shape, three: Shape) -> None:
    both = join(one, two)
    assert both == join(two, one)
    assert join(one, one) == one
    assert join(both, three) == join(one, join(two, three))
    assert holds(both, one)
    assert holds(both, two)
    if holds(three, one) and holds(three, two):
        assert holds(three, both)


@settings(max_examples=100)
@given(COLUMNS, COLUMNS)
def test_a_shape_is_that_of_all_values_together(some: list[Any], others: list[Any]) -> None:
    assert shape_of([*some, *others]) == join(shape_of(some), shape_of(others))


@settings(max_examples=100)
@given(COLUMNS, COLUMNS)
def test_an_array_shows_the_values_that_fit(values: list[Any], others: list[Any]) -> None:
    shape = settled(NOTHING, [shape_of(values)])
    array = array_of(values, shape)
    array.validate(full=True)
    assert array.type == arrow_type(shape)
    assert all(
        shows(cell, None if value is MISSING else value) for cell, value in zip(array.to_pylist(), values, strict=True)
    )
    fitted = fitting([*values, *others], shape)
    assert array_of(fitted, shape)[: len(values)].equals(array) or "nan" in str(values)
    for before, after in zip(others, fitted[len(values) :], strict=True):
        assert after is before or (after is MISSING and not holds(shape, shape_of([before], shape)))


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([{}], True),
        ([{"a": 1, "b": 2}], False),
        ([{"a": 1}, {"A": 1}], True),
        ([{f"k{n}": n for n in range(MOST_FIELDS)}], False),
        ([{f"k{n}": n} for n in range(MOST_FIELDS + 1)], True),
    ],
)
def test_objects_that_stay_text(objects: list[Any], text: bool) -> None:
    shapes = [shape_of([each]) for each in objects]
    assert (settled(NOTHING, shapes) == TEXT) is text
    assert (settled(NOTHING, [shape_of([[each]]) for each in objects]).inner == TEXT) is text


def test_fields_have_the_order_of_the_schema() -> None:
    declared = declared_shape(v.object({"z": v.string(), "a": v.array(v.object({"y": v.any(), "b": v.any()}))}))
    found = shape_of([{"a": [{"c": 1, "b": 1, "y": 1}], "z": "", "more": 1, "extra": 1}], declared)
    assert str(arrow_type(settled(declared, [found]))) == str(
        pa.struct(
            [
                ("z", pa.string()),
                ("a", pa.list_(pa.struct([("y", pa.int64()), ("b", pa.int64()), ("c", pa.int64())]))),
                ("extra", pa.int64()),
                ("more", pa.int64()),
            ]
        )
    )


@pytest.mark.parametrize(
    "validator",
    [
        v.string(),
        v.number(),
        v.int64(),
        v.boolean(),
        v.bytes(),
        v.null(),
        v.id("users"),
        v.literal("a"),
        v.literal(True),
        v.literal(1),
        v.literal(Int64(1)),
        v.union(v.string(), v.null()),
        v.union(v.literal("a"), v.literal("b")),
        v.array(v.number()),
        v.array(v.array(v.string())),
        v.record(v.string(), v.array(v.int64())),
        v.object({"a": v.number(), "b": v.optional(v.object({"c": v.bytes()}))}),
    ],
    ids=str,
)
def test_a_schema_promises_the_same_types_everywhere(validator: Any) -> None:
    # Whether nulls may occur is said by the schema alone: an array of nothing cannot know.
    assert str(arrow_type(settled(declared_shape(validator), []))) == str(schema_type(validator)).replace(
        " not null", ""
    )
