"""What changes from one schema to another."""

from __future__ import annotations

import pytest
from hypothesis import given

from convex_nb.language.errors import InvalidValueError
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.testing.strategies import schemas

BEFORE = define_schema(
    {
        "tasks": define_table({"text": v.string(), "done": v.boolean()}).index("by_done", ["done"]),
        "old": define_table(v.any()),
        "rest": define_table(v.any()),
    }
)
AFTER = define_schema(
    {
        "tasks": define_table({"text": v.number(), "tags": v.array(v.string())})
        .index("by_done", ["done", "text"])
        .search_index("search", search_field="text"),
        "new": define_table({"a": v.null()}),
        "rest": define_table({"a": v.null()}),
    },
    schema_validation=False,
)


def test_every_kind_of_change() -> None:
    diff = BEFORE.diff(AFTER)
    assert [(change.action, change.what, change.table, change.name) for change in diff] == [
        ("changed", "field", "tasks", "text"),
        ("removed", "field", "tasks", "done"),
        ("added", "field", "tasks", "tags"),
        ("changed", "index", "tasks", "by_done"),
        ("added", "index", "tasks", "search"),
        ("removed", "table", "old", "old"),
        ("changed", "documents", "rest", ""),
        ("added", "table", "new", "new"),
        ("changed", "option", "", "schema_validation"),
    ]
    text = str(diff)
    assert '~ field "text" of table "tasks": v.string() -> v.number()' in text
    assert '+ field "tags" of table "tasks": v.array(v.string())' in text
    assert '- table "old"' in text
    assert '~ documents of table "rest": v.any() -> v.object({"a": v.null()})' in text
    assert '~ option "schema_validation": True -> False' in text
    assert len(diff) == 9
    assert diff


def test_no_change() -> None:
    diff = BEFORE.diff(BEFORE)
    assert not diff
    assert str(diff) == "no changes"


def test_what_is_no_schema_is_not_compared() -> None:
    with pytest.raises(InvalidValueError, match=r"diff\(\) compares with another schema, .*, not 5"):
        BEFORE.diff(5)  # type: ignore[arg-type]


@given(schemas(), schemas())
def test_empty_exactly_when_equal(a: SchemaDefinition, b: SchemaDefinition) -> None:
    assert not a.diff(a)
    assert bool(a.diff(b)) == (a != b)
    assert {(change.table, change.name) for change in a.diff(b)} == {
        (change.table, change.name) for change in b.diff(a)
    }
