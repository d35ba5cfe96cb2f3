from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.segments.conformance import conforms
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.schema import TableDefinition, define_table
from convex_nb.language.stored_documents import refusals
from convex_nb.language.validators import v
from convex_nb.language.values import Int64
from convex_nb.testing import strategies
from tests.engine.documents import document, id_of

TABLES = {10001: "tasks", 10002: "users"}
NAN = float("nan")
MISSING: Any = ...


def segment_of(values: list[dict[str, Any]]) -> Segment:
    return Segment.from_documents([document(number, fields) for number, fields in enumerate(values)], "tasks")


@pytest.mark.parametrize(
    ("values", "validator", "expected"),
    [
        (["a", "b"], v.string(), True),
        (["a", "b"], v.number(), False),
        (["a", MISSING], v.string(), False),
        (["a", MISSING], v.optional(v.string()), True),
        (["a", None], v.optional(v.string()), False),
        (["a", None], v.nullable(v.string()), True),
        (["a", None, MISSING], v.optional(v.nullable(v.string())), True),
        ([None, None], v.null(), True),
        ([None, None], v.string(), False),
        ([1, 2], v.number(), True),
        ([1, 2.5], v.number(), True),
        ([1, 2.5, NAN], v.number(), True),
        ([1, 2], v.int64(), False),
        ([Int64(1), Int64(2)], v.int64(), True),
        ([Int64(1), Int64(2)], v.number(), False),
        ([Int64(1), Int64(2)], v.union(v.literal(Int64(1)), v.literal(Int64(2))), True),
        ([Int64(1), Int64(3)], v.union(v.literal(Int64(1)), v.literal(Int64(2))), False),
        ([True, False], v.boolean(), True),
        ([True, False], v.literal(True), False),
        ([b"a", b""], v.bytes(), True),
        (["a", 1], v.union(v.string(), v.number()), True),
        (["a", 1, True], v.union(v.string(), v.number()), False),
        (["low", "high", "low"], v.union(v.literal("low"), v.literal("high")), True),
        (["low", "high", "none"], v.union(v.literal("low"), v.literal("high")), False),
        ([0.0, -0.0], v.literal(0.0), False),
        ([0.0, 0.0], v.literal(0.0), True),
        ([id_of(1), id_of(2)], v.id("tasks"), True),
        ([str(id_of(1)), str(id_of(2))], v.id("tasks"), True),
        ([id_of(1), id_of(2)], v.id("users"), False),
        ([id_of(1), None], v.union(v.id("users"), v.id("tasks"), v.null()), True),
        ([id_of(1), "other"], v.id("tasks"), False),
        ([id_of(1), "other"], v.string(), True),
        ([[1.0, 2.0], [0.5]], v.array(v.number()), True),
        ([[1.0, 2.0], [0.5]], v.array(v.string()), False),
        ([["a"], []], v.array(v.string()), True),
        ([["a"], [1]], v.array(v.string()), False),
        ([{"x": 1}, {"x": 2, "y": None}], v.object({"x": v.number(), "y": v.optional(v.null())}), True),
        ([{"x": 1}, {"x": "2"}], v.object({"x": v.number()}), False),
        ([{"x": 1}, "a", MISSING], v.optional(v.any()), True),
        ([{"x": 1}, "a", MISSING], v.any(), False),
    ],
)
def test_columns_tell(values: list[Any], validator: Any, expected: bool) -> None:
    segment = segment_of([{} if value is MISSING else {"a": value} for value in values])
    assert conforms(segment, v.object({"a": validator}), TABLES) is expected


def test_fields_that_one_side_lacks() -> None:
    segment = segment_of([{"a": 1}, {"a": 2}])
    assert not conforms(segment, v.object({}), TABLES)
    assert not conforms(segment, v.object({"a": v.number(), "b": v.number()}), TABLES)
    assert conforms(segment, v.object({"a": v.number(), "b": v.optional(v.number())}), TABLES)
    assert conforms(segment, v.any(), TABLES)


def test_without_names_any_id_is_of_any_table() -> None:
    segment = segment_of([{"a": id_of(1)}])
    assert conforms(segment, v.object({"a": v.id("users")}), None)
    assert not conforms(segment_of([{"a": "no id"}]), v.object({"a": v.id("users")}), None)


def test_fields_that_share_a_column_are_looked_at_one_by_one() -> None:
    names = [f"f{number}" for number in range(300)]
    segment = segment_of([{name: 1} for name in names])
    assert not conforms(segment, v.object({name: v.optional(v.number()) for name in names}), TABLES)


@settings(max_examples=60)
@given(st.data())
def test_what_conforms_is_not_refused(data: st.DataObject) -> None:
    stored: TableDefinition = data.draw(strategies.tables())
    values = data.draw(st.lists(strategies.documents(stored), min_size=1, max_size=4))
    segment = segment_of([dict(stored.validate(each, table_name="tasks")) for each in values])
    pushed = data.draw(st.one_of(st.just(stored), strategies.tables()))
    refused = list(refusals(segment.documents(range(len(values))), pushed, "tasks"))
    if conforms(segment, pushed.validator, None):
        assert not refused


def test_a_flat_table_conforms_to_its_own_definition() -> None:
    definition = define_table({"a": v.string(), "b": v.optional(v.number()), "c": v.nullable(v.id("users"))})
    rows: list[dict[str, Any]] = [{"a": "x", "b": 1, "c": None}, {"a": "y", "c": id_of(3, "users")}]
    assert conforms(segment_of(rows), definition.validator, {10001: "users"})
