from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.inference import shape_of
from convex_nb.language.schema_inference import infer_table
from convex_nb.language.validators import v
from convex_nb.language.values import Int64
from convex_nb.testing import strategies
from tests.engine.databases import import_all, insert_all, make_database, transact
from tests.engine.documents import id_of

TABLES = {10001: "tasks", 10002: "users"}


def check(rows: list[dict[str, Any]], recent: list[dict[str, Any]], deleted: list[int]) -> Any:
    """What columns tell is what the documents do."""
    database = make_database()
    import_all(database, "items", rows)
    if recent:
        insert_all(database, "items", recent)
    documents = transact(database, lambda db: db.query("items").collect())
    for place in deleted:
        transact(database, lambda db: db.delete(documents[place]["_id"]))  # noqa: B023
    left = [document for place, document in enumerate(documents) if place not in deleted]
    table = shape_of(database.head.tables["items"]).table(TABLES)
    assert table.validator == infer_table(left, TABLES).validator
    return table.validator


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5], v.number()),
        ([Int64(1), None], v.union(v.int64(), v.null())),
        ([True, ...], v.optional(v.boolean())),
        ([b"a"], v.bytes()),
        (["a", id_of(1)], v.string()),
        ([str(id_of(1)), id_of(2)], v.id("tasks")),
        ([id_of(1), ..., None], v.optional(v.union(v.id("tasks"), v.null()))),
        ([[1.0], [2.0, 3.0]], v.array(v.number())),
        ([[], []], v.array(v.any())),
        ([{"x": 1}, {"x": "a"}], v.object({"x": v.union(v.string(), v.number())})),
        ([None, None], v.null()),
    ],
)
def test_columns(values: list[Any], expected: Any) -> None:
    rows = [{} if value is ... else {"a": value} for value in values]
    assert check(rows, [], []) == v.object({"a": expected})


def test_rows_that_were_deleted_count_no_more() -> None:
    rows: list[dict[str, Any]] = [{"a": 1}, {"a": "x"}, {"a": None}, {}, {"b": [1]}, {"a": [0.5], "b": [2]}]
    assert check(rows, [{"c": True}], [1, 2, 5]) == v.object(
        {"a": v.optional(v.number()), "b": v.optional(v.array(v.number())), "c": v.optional(v.boolean())}
    )
    assert check([{"a": 1}], [{"a": "x"}], [0]) == v.object({"a": v.string()})


def test_fields_that_share_a_column() -> None:
    check([{f"f{number}": number} for number in range(300)], [], [3])


@settings(max_examples=40)
@given(strategies.tables().flatmap(lambda table: st.lists(strategies.documents(table), min_size=1, max_size=5)))
def test_whatever_is_stored(rows: list[dict[str, Any]]) -> None:
    check(rows, rows[:1], [0] if len(rows) > 1 else [])
