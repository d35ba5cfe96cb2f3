"""The columns that rows have."""

from __future__ import annotations

from typing import Any

from convex_nb.language.values import Id, Int64
from convex_nb.views.columns import Columns, cells_of, type_name

VALUES: list[Any] = [None, True, "x", Id("a"), Int64(1), 1, 1.0, b"", {}, []]


def test_own_fields_come_first_and_system_fields_last() -> None:
    columns = Columns().widen([{"_id": Id("a", "t"), "_creationTime": 1.0, "body": "x"}])
    assert [(column["name"], column["type"], column["system"]) for column in columns] == [
        ("body", "string", False),
        ("_creationTime", "time", True),
        ("_id", "id<t>", True),
    ]


def test_columns_only_widen() -> None:
    columns = Columns()
    columns.widen([{"a": 1}, {"a": None}])
    (first, second) = columns.widen([{"b": Int64(1)}])
    assert (first["name"], first["type"], first["align"]) == ("a", "number | null", "right")
    assert (second["name"], second["type"], second["align"]) == ("b", "int64", "right")


def test_a_field_of_many_types_is_any() -> None:
    (column,) = Columns().widen([{"a": value} for value in VALUES[1:]])
    assert column["type"] == "any"
    assert column["align"] == "left"


def test_a_schema_heads_an_empty_table() -> None:
    columns = Columns({"author": "string", "score": "number"}).widen([])
    assert [(column["name"], column["type"], column["align"]) for column in columns] == [
        ("author", "string", "left"),
        ("score", "number", "right"),
    ]


def test_a_missing_field_is_not_null() -> None:
    columns = Columns().widen([{"a": None}, {"b": 1}])
    assert cells_of({"a": None}, columns) == [None, {"k": "missing"}]
    assert cells_of({"_creationTime": 5.0}, Columns().widen([{"_creationTime": 5.0}])) == [{"k": "time", "v": 5.0}]


def test_every_value_has_a_type_name() -> None:
    names = ["null", "boolean", "string", "id", "int64", "number", "number", "bytes", "object", "array"]
    assert [type_name(value) for value in VALUES] == names
