from __future__ import annotations

from typing import Any

import pytest

from convex_nb.engine.segments.layout import MISSING, Field, common_kind, field_names, field_of, rest_of
from convex_nb.language.documents import Document
from convex_nb.language.values import Int64
from tests.engine.documents import id_of


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ([True, False], Field("f", "boolean")),
        ([1, 2], Field("f", "int")),
        ([1.0, -0.0], Field("f", "float")),
        ([1, 2.0], Field("f", "number")),
        ([True, 1], Field("f", "encoded")),
        ([Int64(1)], Field("f", "int64")),
        ([Int64(1), 1], Field("f", "encoded")),
        (["a", ""], Field("f", "string")),
        ([b"a"], Field("f", "bytes")),
        (["a", b"a"], Field("f", "encoded")),
        ([id_of(1, "users"), id_of(2, "users")], Field("f", "id", table="users")),
        ([id_of(1, "users"), id_of(2, "tasks")], Field("f", "string")),
        ([id_of(1, None)], Field("f", "string")),
        ([id_of(1, "users"), "a"], Field("f", "string")),
        ([[1]], Field("f", "encoded")),
        ([None, None], Field("f", "null", nullable=True)),
        ([MISSING], Field("f", "null", optional=True)),
        ([MISSING, None, 1], Field("f", "int", optional=True, nullable=True)),
        ([None, id_of(1, "users")], Field("f", "id", nullable=True, table="users")),
    ],
)
def test_the_field_that_fits_values(values: list[Any], field: Field) -> None:
    assert field_of("f", values) == field


@pytest.mark.parametrize(
    ("kinds", "common"),
    [
        (["int", "int"], "int"),
        (["int", "float"], "number"),
        (["number", "int", "null"], "number"),
        (["null"], "null"),
        ([], "null"),
        (["int64", "int"], "encoded"),
        (["string", "encoded"], "encoded"),
        (["boolean", "float"], "encoded"),
    ],
)
def test_common_kind(kinds: list[Any], common: str) -> None:
    assert common_kind([Field("f", kind) for kind in kinds]) == (common, None)


def test_common_kind_of_ids() -> None:
    users, bots, text = (Field("f", "id", table="users"), Field("f", "id", table="bots"), Field("f", "string"))
    assert common_kind([users, users, Field("f", "null")]) == ("id", "users")
    assert common_kind([users, bots]) == common_kind([users, text]) == ("string", None)


def test_names_and_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [
        Document({"_id": 1, "_creationTime": 1, "x": 1, "often": 1}),
        Document({"_id": 2, "_creationTime": 2, "often": 2, "y": 1}),
    ]
    assert field_names(documents) == (["_id", "_creationTime", "x", "often", "y"], False)
    monkeypatch.setattr("convex_nb.engine.segments.layout.MAX_COLUMNS", 3)
    names, has_rest = field_names(documents)
    assert (names, has_rest) == (["_id", "_creationTime", "often"], True)
    assert rest_of([*documents, Document({"often": 1})], names) == [{"x": 1}, {"y": 1}, MISSING]
