from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from convex_nb import Int64, InvalidValueError, same_value
from convex_nb.language.documents import freeze
from convex_nb.services.transfer.type_shapes import INFER, UNKNOWN, decoded, encoded, parse_shape
from convex_nb.testing import strategies

NAN = {"$float64NaN": "AAAAAAAA+H8="}


@pytest.mark.parametrize(
    ("shape", "form", "context", "value"),
    [
        ("int64", "5", INFER, Int64(5)),
        ("int64 | null", "-9223372036854775808", INFER, Int64(-(2**63))),
        ("bytes", "eHk=", INFER, b"xy"),
        ("string", "5", INFER, "5"),
        ('"a" | "b"', "a", INFER, "a"),
        ("id<10001> | null", "5", INFER, "5"),
        ("int64 | string", "5", INFER, "5"),
        ("int64 | string", "5", "int64", Int64(5)),
        ("unknown", "eHk=", "bytes", b"xy"),
        ("unknown", {"a": ["5", "5"]}, {"a": ["int64", "infer"]}, {"a": [Int64(5), "5"]}),
        ("float64", "Infinity", "float64inf", float("inf")),
        ("-inf | normalfloat64", "-Infinity", INFER, float("-inf")),
        ("float64", "NaN", NAN, float("nan")),
        ("NaN", "NaN", NAN, float("nan")),
        ("normalfloat64", 5.0, INFER, 5.0),
        ("-0", -0.0, INFER, -0.0),
        ("boolean | null", True, INFER, True),
        ("array<int64>", ["5"], INFER, [Int64(5)]),
        ('{"a": int64, "b"?: bytes}', {"a": "5"}, INFER, {"a": Int64(5)}),
        ('{"a": int64} | {"a": string}', {"a": "5"}, INFER, {"a": "5"}),
        ('{"a": {"b": int64} | {"c": string}}', {"a": {"b": "5"}}, INFER, {"a": {"b": Int64(5)}}),
        ("record<string, int64>", {"x": "5"}, INFER, {"x": Int64(5)}),
        ('record<field_name, int64> | {"a": int64}', {"a": "5"}, INFER, {"a": Int64(5)}),
        ("array<array<bytes> | null>", [None, ["eHk="]], INFER, [None, [b"xy"]]),
    ],
)
def test_what_json_means(shape: str, form: Any, context: Any, value: Any) -> None:
    assert same_value(freeze(decoded(form, parse_shape(shape), context)), freeze(value))


@pytest.mark.parametrize(
    "text", ["", "uniform", "{", '{"a" int64}', "array<int64", "int64 |", "int64 string", "array<" * 5000, "§"]
)
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(InvalidValueError, match="types cannot be read"):
        parse_shape(text)


@pytest.mark.parametrize(
    ("shape", "form", "context"),
    [
        ("int64", "five", INFER),
        ("int64", str(2**63), INFER),
        ("bytes", "x", INFER),
        ("unknown", "5", "int32"),
        ("unknown", "nan", NAN),
        ("unknown", "NaN", {"$float64NaN": "AAAAAAAA8H8="}),
        ("unknown", "5", ["int64"]),
        ("unknown", ["5"], ["int64", "int64"]),
        ("unknown", ["5"], "int64"),
        ("unknown", {"a": 1}, "int64"),
    ],
)
def test_what_does_not_fit(shape: str, form: Any, context: Any) -> None:
    with pytest.raises(InvalidValueError):
        decoded(form, parse_shape(shape), context)


@given(strategies.values())
def test_any_value_comes_back_from_its_json_and_context(value: Any) -> None:
    form, context = encoded(value, ambiguous=True)
    read = decoded(json.loads(json.dumps(form, allow_nan=False)), UNKNOWN, json.loads(json.dumps(context)))
    assert same_value(freeze(read), freeze(value))
