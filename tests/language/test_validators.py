"""Validators as data: construction, introspection, combinators, equality, code."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.validators import Validator, as_validator, quoted, v
from convex_nb.language.values import Id, Int64
from convex_nb.testing.strategies import texts, validators

KINDS: list[tuple[Validator, str, dict[str, Any], str]] = [
    (v.string(), "string", {"type": "string"}, "v.string()"),
    (v.number(), "float64", {"type": "number"}, "v.number()"),
    (v.float64(), "float64", {"type": "number"}, "v.number()"),
    (v.int64(), "int64", {"type": "bigint"}, "v.int64()"),
    (v.bigint(), "int64", {"type": "bigint"}, "v.int64()"),
    (v.boolean(), "boolean", {"type": "boolean"}, "v.boolean()"),
    (v.null(), "null", {"type": "null"}, "v.null()"),
    (v.bytes(), "bytes", {"type": "bytes"}, "v.bytes()"),
    (v.any(), "any", {"type": "any"}, "v.any()"),
    (v.id("users"), "id", {"type": "id", "tableName": "users"}, 'v.id("users")'),
    (v.id("_storage"), "id", {"type": "id", "tableName": "_storage"}, 'v.id("_storage")'),
    (v.literal("a"), "literal", {"type": "literal", "value": "a"}, 'v.literal("a")'),
    (v.literal(1), "literal", {"type": "literal", "value": 1}, "v.literal(1)"),
    (v.literal(True), "literal", {"type": "literal", "value": True}, "v.literal(True)"),
    (
        v.literal(Int64(1)),
        "literal",
        {"type": "literal", "value": {"$integer": "AQAAAAAAAAA="}},
        "v.literal(Int64(1))",
    ),
    (v.array(v.any()), "array", {"type": "array", "value": {"type": "any"}}, "v.array(v.any())"),
    (
        v.object({"a": v.null(), "b": v.optional(v.any())}),
        "object",
        {
            "type": "object",
            "value": {
                "a": {"fieldType": {"type": "null"}, "optional": False},
                "b": {"fieldType": {"type": "any"}, "optional": True},
            },
        },
        'v.object({"a": v.null(), "b": v.optional(v.any())})',
    ),
    (
        v.record(v.string(), v.null()),
        "record",
        {
            "type": "record",
            "keys": {"type": "string"},
            "values": {"fieldType": {"type": "null"}, "optional": False},
        },
        "v.record(v.string(), v.null())",
    ),
    (
        v.union(v.string(), v.any()),
        "union",
        {"type": "union", "value": [{"type": "string"}, {"type": "any"}]},
        "v.union(v.string(), v.any())",
    ),
    (
        v.nullable(v.string()),
        "union",
        {"type": "union", "value": [{"type": "string"}, {"type": "null"}]},
        "v.nullable(v.string())",
    ),
]


@pytest.mark.parametrize(("validator", "kind", "form", "code"), KINDS, ids=[row[3] for row in KINDS])
def test_kind_json_and_code(validator: Validator, kind: str, form: dict[str, Any], code: str) -> None:
    assert validator.kind == kind
    assert validator.json == form
    assert validator.to_code() == repr(validator) == code
    assert not validator.is_optional


def test_what_each_kind_adds() -> None:
    assert v.id("users").table_name == "users"
    assert v.literal("a").value == "a"
    assert v.array(v.null()).element == v.null()
    assert v.record(v.string(), v.null()).key == v.string()
    assert v.record(v.string(), v.null()).value == v.null()
    assert v.union(v.string(), v.null()).members == (v.string(), v.null())
    assert dict(v.object({"a": v.null()}).fields) == {"a": v.null()}


def test_optional_is_a_flag_on_the_same_kind() -> None:
    field = v.optional(v.string())
    assert field.is_optional
    assert field.kind == "string"
    assert field != v.string()
    assert field.as_optional(False) == v.string()
    assert v.optional(field) == field
    assert repr(field) == "v.optional(v.string())"


def test_unions_are_flat() -> None:
    assert v.union(v.union(v.string(), v.null()), v.any()) == v.union(v.string(), v.null(), v.any())
    assert v.nullable(v.nullable(v.string())).members == (v.string(), v.null(), v.null())
    assert (v.string() | v.null()) == v.union(v.string(), v.null())
    assert (v.id("users") | None) == v.nullable(v.id("users"))
    assert (None | v.id("users")) == v.nullable(v.id("users"))


SHAPE = v.object({"a": v.string(), "b": v.number(), "c": v.optional(v.null())})


@pytest.mark.parametrize(
    ("made", "fields"),
    [
        (SHAPE.pick("a", "c"), {"a": v.string(), "c": v.optional(v.null())}),
        (SHAPE.pick(), {}),
        (SHAPE.omit("a", "c"), {"b": v.number()}),
        (
            SHAPE.extend({"b": v.any(), "_id": v.id("t")}),
            {"a": v.string(), "b": v.any(), "c": v.optional(v.null()), "_id": v.id("t")},
        ),
        (v.object({"a": v.string()}).extend(v.object({"b": v.null()})), {"a": v.string(), "b": v.null()}),
        (SHAPE.partial(), {"a": v.optional(v.string()), "b": v.optional(v.number()), "c": v.optional(v.null())}),
    ],
)
def test_combinators_make_new_objects(made: Validator, fields: dict[str, Validator]) -> None:
    assert made == v.object(fields)
    assert v.object({"a": v.string(), "b": v.number(), "c": v.optional(v.null())}) == SHAPE


@pytest.mark.parametrize("method", ["pick", "omit"])
def test_combinators_know_their_fields(method: str) -> None:
    with pytest.raises(SchemaDefinitionError, match='no field "z"; it has a, b, c'):
        getattr(SHAPE, method)("a", "z")


anything: Any = v
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: anything.array(str), "v.array takes validators"),
    (lambda: anything.array(None), "got None"),
    (lambda: anything.array(v.optional(v.string())), "v.optional is for fields of objects"),
    (lambda: anything.union(v.string(), v.optional(v.null())), "v.optional is for fields"),
    (lambda: anything.union(v.string(), "a"), "v.union takes validators"),
    (lambda: anything.record(v.string(), v.optional(v.null())), "v.optional is for fields"),
    (lambda: anything.record(v.literal("a"), v.null()), "literals as keys"),
    (lambda: anything.record(v.union(v.string(), v.literal("a")), v.null()), "literals as keys"),
    (lambda: anything.record(v.number(), v.null()), "as keys"),
    (lambda: anything.object({"a": str}), 'Field "a" is .*not a validator'),
    (lambda: anything.object({"a": v.string}), "and call it"),
    (lambda: anything.object({"a": {"b": v.string()}}), r"v\.object\(\{...\}\)"),
    (lambda: anything.object({"a": None}), "defined after its use"),
    (lambda: anything.object({"a": 5}), 'Field "a" is 5'),
    (lambda: anything.object({"$a": v.string()}), "reserved"),
    (lambda: anything.object({"": v.string()}), "empty"),
    (lambda: anything.object({1: v.string()}), "Object keys are strings"),
    (lambda: anything.object(v.string()), "takes a dict"),
    (lambda: anything.object([("a", v.string())]), "takes a dict"),
    (lambda: anything.object({f"f{number}": v.null() for number in range(1025)}), "1025 fields"),
    (lambda: anything.literal(None), r"v\.null\(\)"),
    (lambda: anything.literal([1]), "v.literal takes"),
    (lambda: anything.literal(b"a"), "v.literal takes"),
    (lambda: anything.literal(2**60), "Int64"),
    (lambda: anything.object({}).pick(["a"]), "takes names of fields"),
    (lambda: anything.object({}).extend([("a", v.null())]), "extend takes a dict"),
    (lambda: anything.id(""), "table's name"),
    (lambda: anything.id(5), "table's name"),
    (lambda: anything.optional(str), "v.optional takes a validator"),
    (lambda: as_validator(5), "a validator or a dict"),
    (lambda: _deep(65), "64 levels"),
]


def _deep(levels: int) -> Validator:
    validator: Validator = v.null()
    for _ in range(levels):
        validator = v.array(validator)
    return validator


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_a_wrong_validator_is_refused_where_it_is_written(make: Callable[[], object], message: str) -> None:
    with pytest.raises((SchemaDefinitionError, ValueError), match=message) as found:
        make()
    assert isinstance(found.value, TypeError)


def test_a_dict_of_validators_is_an_object() -> None:
    assert as_validator({"a": v.null()}) == v.object({"a": v.null()})
    assert as_validator(v.null()) == v.null()


def test_validators_are_immutable() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        v.id("a").table_name = "b"
    with pytest.raises(AttributeError, match="immutable"):
        del v.id("a").table_name
    with pytest.raises(TypeError):
        v.object({"a": v.null()}).fields["b"] = v.null()  # type: ignore[index]


DIFFERENT: list[Validator] = [
    v.literal(1),
    v.literal(True),
    v.literal(Int64(1)),
    v.literal("1"),
    v.literal(0),
    v.literal(-0.0),
    v.union(v.string(), v.null()),
    v.union(v.null(), v.string()),
    v.object({"a": v.null()}),
    v.object({"a": v.optional(v.null())}),
    v.record(v.string(), v.null()),
    v.array(v.null()),
    v.id("a"),
    v.id("b"),
]


def test_equality_is_by_content() -> None:
    for i, a in enumerate(DIFFERENT):
        for j, b in enumerate(DIFFERENT):
            assert (a == b) is (i == j)
    assert v.literal(1) == v.literal(1.0)
    assert v.literal(Id("a", "t")) == v.literal("a")
    assert v.object({"a": v.null(), "b": v.any()}) == v.object({"b": v.any(), "a": v.null()})
    assert v.string() != "v.string()"


@given(validators())
def test_code_makes_an_equal_validator(validator: Validator) -> None:
    twin = eval(validator.to_code(), {"v": v, "Int64": Int64})
    # NaNs differ in bits that no code shows.
    assert twin == validator or "nan" in validator.to_code()


@given(validators())
def test_validators_are_hashable_and_travel(validator: Validator) -> None:
    assert hash(validator) == hash(pickle.loads(pickle.dumps(validator)))
    assert pickle.loads(pickle.dumps(validator)) == validator
    assert validator.as_optional().as_optional(False) == validator


@given(texts())
def test_quoted_texts_are_python(text: str) -> None:
    assert quoted(text).startswith('"')
    assert eval(quoted(text)) == text


@pytest.mark.parametrize("text", ["", "a", "'", '"', "'\"", "\\", '\\"', "\n", "é", "{x}"])
def test_quoted_corners(text: str) -> None:
    assert eval(quoted(text)) == text


@pytest.mark.parametrize(
    ("name", "hint"), [("strin", "`v.string`"), ("str", "`v.string`"), ("int", "`v.number`"), ("zzz", "string, number")]
)
def test_a_validator_that_there_is_not(name: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=f"^v has no '{name}'. .*{hint}"):
        getattr(v, name)
    assert not hasattr(v, "_private")
