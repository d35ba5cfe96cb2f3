"""What a form asks for, and what its entries mean."""

from __future__ import annotations

import math
from typing import Any

import pytest

from convex_nb.language.ordering import same_value
from convex_nb.language.validators import ObjectValidator, Validator, v
from convex_nb.language.values import Int64
from convex_nb.views.form_fields import EntryError, field_of, fields_of, value_of, values_of

ADDRESS = v.object({"street": v.string(), "number": v.optional(v.number())})


@pytest.mark.parametrize(
    ("validator", "field"),
    [
        (v.string(), {"kind": "string", "type": "string"}),
        (v.optional(v.number()), {"kind": "number", "type": "number", "optional": True}),
        (v.int64(), {"kind": "number", "type": "int64"}),
        (v.boolean(), {"kind": "boolean", "type": "boolean"}),
        (v.id("users"), {"kind": "id", "type": "id<users>", "table": "users"}),
        (v.union(v.literal("a"), v.literal(2)), {"kind": "choice", "type": "string | number", "choices": ['"a"', "2"]}),
        (v.union(v.literal("a"), v.literal("b")), {"kind": "choice", "type": "string", "choices": ["a", "b"]}),
        (v.nullable(v.literal("a")), {"kind": "choice", "type": "string | null", "choices": ['"a"', "null"]}),
        (v.any(), {"kind": "any", "type": "any"}),
        (v.array(v.bytes()), {"kind": "array", "type": "array", "item": {"kind": "bytes", "type": "bytes"}}),
        (
            v.record(v.string(), v.number()),
            {"kind": "record", "type": "object", "item": {"kind": "number", "type": "number"}},
        ),
        (
            v.nullable(v.string()),
            {
                "kind": "union",
                "type": "string | null",
                "members": [{"kind": "string", "type": "string"}, {"kind": "null", "type": "null"}],
            },
        ),
    ],
    ids=repr,
)
def test_a_validator_becomes_a_field(validator: Validator, field: dict[str, Any]) -> None:
    assert field_of(validator) == field


def test_objects_nest_and_defaults_are_hints() -> None:
    fields = fields_of(ObjectValidator({"at": ADDRESS, "loud": v.optional(v.boolean())}), {"loud": False})
    assert [field["name"] for field in fields] == ["at", "loud"]
    assert [field["name"] for field in fields[0]["fields"]] == ["street", "number"]
    assert (fields[1]["hint"], fields[1]["initial"]) == ("false if not set", False)


@pytest.mark.parametrize(
    ("validator", "default", "initial"),
    [
        (v.string(), "a", "a"),
        (v.number(), 1.0, "1"),
        (v.int64(), Int64(5), "5"),
        (v.union(v.literal("a"), v.literal("b")), "b", 1),
        (v.union(v.literal(1), v.literal(2)), True, None),
        (v.nullable(v.string()), None, None),
        (v.array(v.string()), [], None),
    ],
    ids=repr,
)
def test_a_form_begins_with_the_default(validator: Validator, default: Any, initial: Any) -> None:
    (field,) = fields_of(ObjectValidator({"x": v.optional(validator)}), {"x": default})
    assert field.get("initial") == initial


@pytest.mark.parametrize(
    ("validator", "entry", "value"),
    [
        (v.string(), "", ""),
        (v.string(), "<b>\u202e", "<b>\u202e"),
        (v.number(), " 5 ", 5),
        (v.number(), "5.0", 5.0),
        (v.number(), "-1e3", -1000.0),
        (v.number(), "Infinity", math.inf),
        (v.number(), "NaN", math.nan),
        (v.int64(), "9007199254740993", Int64(9007199254740993)),
        (v.boolean(), True, True),
        (v.null(), None, None),
        (v.bytes(), "00 ff", b"\x00\xff"),
        (v.any(), '{"a": [1, null]}', {"a": [1, None]}),
        (v.union(v.literal("a"), v.literal(Int64(2))), 1, Int64(2)),
        (v.nullable(v.number()), [1, None], None),
        (v.nullable(v.number()), [0, "7"], 7),
        (v.array(v.number()), ["1", "2"], [1, 2]),
        (v.record(v.string(), v.boolean()), [["x", True]], {"x": True}),
        (ADDRESS, {"street": "Main"}, {"street": "Main"}),
        (ADDRESS, {"street": "Main", "number": "5"}, {"street": "Main", "number": 5}),
    ],
    ids=repr,
)
def test_an_entry_makes_a_value(validator: Validator, entry: Any, value: Any) -> None:
    assert same_value(value_of(validator, entry), value)


@pytest.mark.parametrize(
    ("validator", "entry", "path", "says"),
    [
        (v.number(), "five", (), '"five" is not a number.'),
        (v.number(), "", (), "This needs a number."),
        (v.number(), "1_000", (), "is not a number"),
        (v.number(), "9007199254740993", (), "Int64"),
        (v.int64(), "1.5", (), "whole number"),
        (v.int64(), str(2**63), (), "64 bits"),
        (v.bytes(), "0", (), "hexadecimal"),
        (v.any(), "{", (), "Not JSON"),
        (v.any(), " ", (), "as JSON"),
        (v.string(), None, (), "This needs an entry."),
        (v.union(v.literal("a")), 7, (), "Choose one."),
        (v.nullable(v.string()), "x", (), "Choose one."),
        (v.array(v.number()), ["1", "x"], ("1",), "not a number"),
        (v.array(v.number()), "x", (), "a list"),
        (v.object({"a": v.object({"b": v.number()})}), {"a": {"b": "x"}}, ("a", "b"), "not a number"),
        (v.record(v.string(), v.number()), [["k", "x"]], ("k",), "not a number"),
        (v.record(v.string(), v.number()), [["k", "1"], ["l", "2"], ["k", "3"]], ("k",), '"k" is there twice'),
        (v.id("users"), "nonsense", (), "'nonsense' does not fit v.id("),
        (v.object({"a": v.array(v.id("users"))}), {"a": ["nonsense"]}, ("a", "0"), "does not fit"),
    ],
    ids=repr,
)
def test_what_is_no_value_is_said_where_it_stands(validator: Validator, entry: Any, path: Any, says: str) -> None:
    with pytest.raises(EntryError) as raised:
        value_of(validator, entry)
    assert raised.value.path == path
    assert says in str(raised.value)


def test_every_wrong_field_is_named_at_once() -> None:
    validator = ObjectValidator({"a": v.number(), "b": v.optional(v.number()), "c": v.string(), "d": ADDRESS})
    values, errors = values_of(validator, {"a": "x", "c": "ok", "d": {"street": "s", "number": "y"}})
    assert values == {"c": "ok"}
    assert [error.path for error in errors] == [("a",), ("d", "number")]
