"""Values as JSON."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.documents import freeze
from convex_nb.language.encoding import dumps, from_json, loads, to_json, to_plain_json, to_wire_json
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.ordering import same_value
from convex_nb.language.values import UNDEFINED, Id, Int64
from convex_nb.testing.strategies import values

ENCODED = [
    (None, None, "null"),
    (True, True, "true"),
    (5, 5, "5"),
    (5.0, 5.0, "5.0"),
    (0.1, 0.1, "0.1"),
    (-0.0, {"$float": "AAAAAAAAAIA="}, '{"$float":"AAAAAAAAAIA="}'),
    (float("inf"), {"$float": "AAAAAAAA8H8="}, None),
    (float("-inf"), {"$float": "AAAAAAAA8P8="}, None),
    (struct.unpack(">d", b"\x7f\xf8\0\0\0\0\0\0")[0], {"$float": "AAAAAAAA+H8="}, None),
    (Int64(0), {"$integer": "AAAAAAAAAAA="}, None),
    (Int64(-1), {"$integer": "//////////8="}, None),
    (Int64(2**63 - 1), {"$integer": "/////////38="}, None),
    (b"", {"$bytes": ""}, None),
    (b"abc", {"$bytes": "YWJj"}, None),
    ("é😀", "é😀", '"é😀"'),
    (Id("abc", "t"), "abc", '"abc"'),
    ({"a": [Int64(1), {"b": b""}]}, {"a": [{"$integer": "AQAAAAAAAAA="}, {"b": {"$bytes": ""}}]}, None),
    ({"a": UNDEFINED, "b": 1}, {"b": 1}, '{"b":1}'),
]


@pytest.mark.parametrize(("value", "form", "text"), ENCODED)
def test_the_encoding(value: Any, form: Any, text: str | None) -> None:
    assert same_value(to_json(value), form)
    assert dumps(value) == (text if text is not None else json.dumps(form, separators=(",", ":")))


@given(values())
def test_round_trip_keeps_value_and_type(value: Any) -> None:
    assert same_value(from_json(to_json(value)), value)
    assert same_value(loads(dumps(value)), value)
    assert same_value(from_json(json.loads(json.dumps(to_json(value)))), value)
    assert dumps(freeze(value)) == dumps(value)


@given(values())
def test_the_wire_writes_every_number_as_a_float(value: Any) -> None:
    form = to_wire_json(value)
    assert _types(form).isdisjoint({int})
    assert from_json(form) == from_json(to_json(value)) or "nan" in repr(value)


def _types(form: Any) -> set[type]:
    inside = form.values() if isinstance(form, dict) else form if isinstance(form, list) else ()
    return {type(form)}.union(*map(_types, inside))


def test_more_keys_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convex_nb.language.normalisation._MOST_KNOWN_KEYS", 0)
    value = {"x" * 1024: 1, "never seen before": {"nor this": [Int64(1)]}}
    for form in (value, freeze(value), [value], {"a": freeze(value)}):
        assert same_value(loads(dumps(form)), form)


def _deep(levels: int) -> Any:
    value: Any = 1.0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": {"$integer": "AQAAAAAAAAA="}}, ".a"),
        ({"a": [{1, 2}]}, ".a[0]"),
        ({"a": "\ud800"}, ".a"),
        ({"a": {"b": 2**60}}, ".a.b"),
        ({1: 1}, ""),
        (_deep(100_000), None),
        (UNDEFINED, ""),
    ],
)
def test_what_could_not_be_read_back_is_not_written(value: Any, path: str | None) -> None:
    for write in (to_json, dumps, to_wire_json, to_plain_json):
        with pytest.raises(InvalidValueError) as found:
            write(value)
        assert path is None or found.value.path == path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740992", 2**53),
        ("9007199254740994", 9007199254740994.0),
        ("-100000000000000000000", -1e20),
        ("1e+22", 1e22),
        ("5e0", 5.0),
        ("-0", 0),
    ],
)
def test_numbers_as_other_programs_write_them(text: str, value: float) -> None:
    assert same_value(loads(text), value)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"$integer": "AQ=="}', ""),
        ('{"$integer": 5}', ""),
        ('{"a": [{"$float": "!!"}]}', ".a[0]"),
        ('{"$bytes": "YQ"}', ""),
        ('{"$bytes": null}', ""),
        ('{"$set": []}', ""),
        ('{"a": {"$integer": "AQAAAAAAAAA=", "b": 1}}', ".a"),
        ('{"": 1}', ""),
        ('["\\ud800"]', "[0]"),
        ("9007199254740993", ""),
        ("NaN", ""),
        ("[Infinity]", ""),
        ("", ""),
        ("{", ""),
        ("1" * 10_000, ""),
        ("[" * 100_000, ""),
        ("[" * 100_000 + "]" * 100_000, ""),
        ('{"a":' * 66 + "1" + "}" * 66, None),
    ],
)
def test_text_that_holds_no_value_is_refused(text: str, path: str | None) -> None:
    with pytest.raises(InvalidValueError) as found:
        loads(text)
    assert path is None or found.value.path == path


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.floats(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_reading_any_json_gives_a_value_or_an_invalid_value_error(form: Any) -> None:
    try:
        value = from_json(form)
    except InvalidValueError:
        return
    assert same_value(from_json(to_json(value)), value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Int64(5), "5"),
        (5, 5),
        (5.5, 5.5),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (b"abc", "YWJj"),
        (None, None),
        (True, True),
        ({"a": [Int64(1), b""]}, {"a": ["1", ""]}),
        (Id("abc", "t"), "abc"),
    ],
)
def test_the_lossy_format(value: Any, plain: Any) -> None:
    assert same_value(to_plain_json(value), plain)
    assert type(to_plain_json(value)) is type(plain)


@given(values())
def test_the_lossy_format_is_json(value: Any) -> None:
    json.dumps(to_plain_json(value), allow_nan=False)
