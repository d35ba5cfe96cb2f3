"""The total order of values, and sameness."""

from __future__ import annotations

import struct
from collections import OrderedDict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from convex_nb.language.documents import freeze
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.ordering import compare_values, same_key, same_value
from convex_nb.language.values import UNDEFINED, Id, Int64
from convex_nb.testing.strategies import values

NAN = struct.unpack(">d", b"\x7f\xf8\0\0\0\0\0\0")[0]
NEGATIVE_NAN = struct.unpack(">d", b"\xff\xf8\0\0\0\0\0\0")[0]

ASCENDING: list[Any] = [
    UNDEFINED,
    None,
    Int64(-(2**63)),
    Int64(-256),
    Int64(-255),
    Int64(-1),
    Int64(0),
    Int64(1),
    Int64(127),
    Int64(128),
    Int64(2**63 - 1),
    NEGATIVE_NAN,
    float("-inf"),
    -1e308,
    -1.5,
    -1,
    -5e-324,
    -0.0,
    0,
    5e-324,
    0.5,
    1,
    1.5,
    2**53 - 1,
    2.0**53,
    1e308,
    float("inf"),
    NAN,
    False,
    True,
    "",
    "\x00",
    "\x00a",
    "a",
    "a\x00",
    "aa",
    "b",
    "～",
    "😀",
    b"",
    b"\x00",
    b"\x00\xff",
    b"\x01",
    b"\xff",
    [],
    [None],
    [None, None],
    [Int64(5)],
    [1],
    [1, 0],
    [2],
    ["a"],
    [[]],
    [{}],
    {},
    {"a": 1},
    {"a": 1, "b": 0},
    {"a": 2},
    {"a": []},
    {"aa": 0},
    {"b": 0},
]


@pytest.mark.parametrize(("less", "more"), list(pairwise(ASCENDING)))
def test_the_order_as_the_tables_give_it(less: Any, more: Any) -> None:
    assert compare_values(less, more) == -1
    assert compare_values(more, less) == 1
    assert compare_values(less, less) == 0


def test_the_order_is_total() -> None:
    for i, a in enumerate(ASCENDING):
        for j, b in enumerate(ASCENDING):
            assert compare_values(a, b) == (i > j) - (i < j)


@pytest.mark.parametrize(
    ("a", "b"),
    [(1, 1.0), (0, 0.0), (2**53, 2.0**53), ([1], [1.0]), ({"a": 1}, {"a": 1.0}), (Id("a", "t"), "a"), ((1,), [1])],
)
def test_equal(a: Any, b: Any) -> None:
    assert compare_values(a, b) == 0
    assert compare_values(b, a) == 0


@given(values(), values(), values())
def test_the_order_is_antisymmetric_and_transitive(a: Any, b: Any, c: Any) -> None:
    assert compare_values(a, b) == -compare_values(b, a)
    if compare_values(a, b) <= 0 and compare_values(b, c) <= 0:
        assert compare_values(a, c) <= 0


@pytest.mark.parametrize("function", [compare_values, same_value])
def test_what_is_no_value_has_no_place(function: Any) -> None:
    with pytest.raises(InvalidValueError, match="set"):
        function({1}, 1)
    with pytest.raises(InvalidValueError, match="set"):
        function([1], [{1}])


@pytest.mark.parametrize("function", [compare_values, same_value])
def test_deep_values_end_in_an_error(function: Any) -> None:
    deep: Any = 1.0
    other: Any = 1.0
    for _ in range(100_000):
        deep, other = [deep], [other]
    with pytest.raises(InvalidValueError, match="64 levels"):
        function(deep, other)


DIFFERENT = [
    1,
    1.0,
    True,
    Int64(1),
    "1",
    b"1",
    0,
    0.0,
    -0.0,
    False,
    None,
    [],
    {},
    "",
    b"",
    [1],
    [1.0],
    NAN,
    NEGATIVE_NAN,
]


@pytest.mark.parametrize(
    ("given", "value"),
    [((1, (2.0,)), [1, [2.0]]), (bytearray(b"a"), b"a"), ({"a": (1,)}, {"a": [1]}), (OrderedDict(a=1), {"a": 1})],
)
def test_what_becomes_a_value_is_the_same_as_it(given: Any, value: Any) -> None:
    assert same_value(given, value)
    assert same_value(value, given)
    assert same_value(given, given)
    assert not same_value(given, [value])


def test_values_that_python_confuses_are_not_the_same() -> None:
    for i, a in enumerate(DIFFERENT):
        for j, b in enumerate(DIFFERENT):
            assert same_value(a, b) is (i == j)
            assert (same_key(a) == same_key(b)) is (i == j)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (NAN, struct.unpack(">d", struct.pack(">d", NAN))[0]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (Id("a", "t"), "a"),
        ("a", Id("a", "t")),
        ([{"a": [NAN]}], [{"a": [NAN]}]),
    ],
)
def test_the_same(a: Any, b: Any) -> None:
    assert same_value(a, b)
    assert same_value(freeze(a), b)
    assert same_key(a) == same_key(b)
    assert hash(same_key(a)) == hash(same_key(b))


@pytest.mark.parametrize(
    ("a", "b"), [({"a": 1}, {"b": 1}), ({"a": None}, {}), ({"a": 1}, {"a": 1, "b": 2}), ([1], [1, 2]), ([1], {"0": 1})]
)
def test_not_the_same(a: Any, b: Any) -> None:
    assert not same_value(a, b)
    assert not same_value(b, freeze(a))
    assert same_key(a) != same_key(b)


@given(st.lists(values(), min_size=2, max_size=2) | values().map(lambda value: [value, freeze(value)]))
def test_same_key_is_equal_exactly_when_the_values_are_the_same(pair: list[Any]) -> None:
    a, b = pair
    assert same_value(a, b) == (same_key(a) == same_key(b))
    if same_value(a, b):
        assert compare_values(a, b) == 0


@given(values())
def test_a_value_is_the_same_as_its_frozen_form(value: Any) -> None:
    assert same_value(value, freeze(value))
    assert same_value(freeze(value), value)
    assume(isinstance(value, list) and value)
    assert not same_value(value, value[:-1])
