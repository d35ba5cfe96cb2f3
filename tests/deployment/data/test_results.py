"""Results by columns."""

from __future__ import annotations

from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings, strategies as st
from pandas.testing import assert_frame_equal

import convex_nb
from convex_nb import Int64, MutationCtx, QueryCtx, define_schema, define_table, mutation, query, v
from convex_nb.deployment.data.results import result_to_arrow, result_to_frame

SCHEMA = define_schema(
    {"rows": define_table({"n": v.optional(v.number()), "tags": v.optional(v.array(v.string())), "later": v.any()})}
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers(-5, 5).map(Int64)
    | st.floats(-2, 2)
    | st.text(max_size=2)
    | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
fields = st.dictionaries(st.sampled_from(["x", "y", "z"]), values, max_size=3)


@mutation("results:add")
def add(ctx: MutationCtx, documents: list[Any]) -> None:
    for document in documents:
        ctx.db.insert("rows", document)


@query("results:every")
def every(ctx: QueryCtx) -> Any:
    return ctx.db.query("rows").collect()


@given(st.lists(fields, max_size=6))
@settings(max_examples=60, deadline=None)
def test_documents_have_the_columns_of_their_table(documents: list[dict[str, Any]]) -> None:
    with convex_nb.open() as dep:
        dep.register(add, every)
        dep.mutation(add, documents=documents)
        found, wanted = result_to_arrow(dep.query(every)), dep.table("rows").arrow()
        assert (found.schema if documents else None) == (wanted.schema if documents else None)
        assert found.to_pylist() == wanted.to_pylist()


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [{"later": 1}],
        [{"n": 1, "later": {"a": 1}}, {"n": 2.5, "later": {"b": None}}],
        [{"tags": [], "later": None}, {"tags": ["a"], "later": [1, "b"]}],
    ],
)
def test_the_schema_has_its_say(documents: list[dict[str, Any]]) -> None:
    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        dep.register(add, every)
        dep.mutation(add, documents=documents)
        result = dep.query(every)
        assert result_to_arrow(result, dep.schema, ["rows"]) == dep.table("rows").arrow()
        assert_frame_equal(result_to_frame(result, dep.schema, ["rows"]), dep.table("rows").df())
        changed = [{**document, "n": "one"} for document in result]
        if changed:
            assert result_to_arrow(changed, dep.schema, ["rows"]).column("n").to_pylist() == ["one"] * len(changed)


def test_documents_of_two_tables_follow_no_schema() -> None:
    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        dep.register(add, every)
        dep.mutation(add, documents=[{"later": 1}])
        (document,) = dep.query(every)
        assert "n" in result_to_arrow([document], dep.schema).column_names
        assert "n" not in result_to_arrow([], dep.schema, ["rows", "others"]).column_names
        nested = document["later"], {"a": document}
        assert result_to_arrow([nested[1]], dep.schema).column_names == ["a"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, {"value": [5]}),
        (None, {"value": [None]}),
        ([1, 2], {"value": [1, 2]}),
        ([1, "two"], {"value": ["1", '"two"']}),
        ([{"n": 1}, 2], {"value": ['{"n":1}', "2"]}),
        ({"n": 1, "of": {"m": [1]}}, {"n": [1], "of": [{"m": [1]}]}),
        ([{"n": 1}, {"m": "x"}], {"n": [1, None], "m": [None, "x"]}),
        ([], {}),
    ],
)
def test_anything_has_columns(value: Any, expected: dict[str, list[Any]]) -> None:
    table = result_to_arrow(value)
    assert isinstance(table, pyarrow.Table)
    assert table.to_pydict() == expected
