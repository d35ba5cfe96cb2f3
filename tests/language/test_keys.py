"""Order-preserving bytes of values, and of documents in an index."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.documents import freeze
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key, encode_value, key_function, successor
from convex_nb.language.ordering import compare_values
from convex_nb.language.values import UNDEFINED, Id, Int64
from convex_nb.testing.strategies import values

BYTES = [
    (UNDEFINED, "01"),
    (None, "03"),
    (Int64(-(2**63)), "04 8000000000000000"),
    (Int64(-(2**31) - 1), "04 ffffffff7fffffff"),
    (Int64(-(2**31)), "05 80000000"),
    (Int64(-(2**15) - 1), "05 ffff7fff"),
    (Int64(-(2**15)), "06 8000"),
    (Int64(-129), "06 ff7f"),
    (Int64(-128), "07 80"),
    (Int64(-1), "07 ff"),
    (Int64(0), "08"),
    (Int64(1), "09 01"),
    (Int64(127), "09 7f"),
    (Int64(128), "0a 0080"),
    (Int64(2**15 - 1), "0a 7fff"),
    (Int64(2**15), "0b 00008000"),
    (Int64(2**31), "0c 0000000080000000"),
    (Int64(2**63 - 1), "0c 7fffffffffffffff"),
    (1.0, "0d bff0000000000000"),
    (1, "0d bff0000000000000"),
    (-1.0, "0d 400fffffffffffff"),
    (0.0, "0d 8000000000000000"),
    (0, "0d 8000000000000000"),
    (-0.0, "0d 7fffffffffffffff"),
    (float("inf"), "0d fff0000000000000"),
    (False, "0e"),
    (True, "0f"),
    ("", "10 00"),
    ("a", "10 61 00"),
    ("a\x00b", "10 61 00ff 62 00"),
    ("é", "10 c3a9 00"),
    (Id("a", "t"), "10 61 00"),
    (b"\x00", "11 00ff 00"),
    (b"\xff", "11 ff 00"),
    ([], "12 00"),
    ([None, "a"], "12 03 10 61 00 00"),
    ({}, "15 00"),
    ({"b": None, "a": True}, "15 61 00 0f 62 00 03 00"),
]


@pytest.mark.parametrize(("value", "expected"), BYTES)
def test_the_bytes_as_the_table_gives_them(value: Any, expected: str) -> None:
    assert encode_value(value) == bytes.fromhex(expected)
    assert encode_key(value, value) == bytes.fromhex(expected) * 2


@given(values(), values())
def test_keys_order_as_values_do(a: Any, b: Any) -> None:
    x, y = encode_value(a), encode_value(b)
    assert (x > y) - (x < y) == compare_values(a, b)


@given(st.lists(st.tuples(values(4), values(4)), min_size=2, max_size=2))
def test_keys_of_tuples_order_as_tuples_do(pair: list[tuple[Any, Any]]) -> None:
    (a, b), (c, d) = pair
    x, y = encode_key(a, b), encode_key(c, d)
    assert (x > y) - (x < y) == (compare_values(a, c) or compare_values(b, d))


@given(values(), values())
def test_the_successor_is_above_every_extension_and_nothing_else(prefix: Any, more: Any) -> None:
    key = encode_value(prefix)
    assert MIN_KEY < key < encode_key(prefix, more) < successor(key) < MAX_KEY
    other = encode_value(more)
    assert (other < successor(key)) == (other <= key)


@given(values())
def test_frozen_values_have_the_same_key(value: Any) -> None:
    assert encode_value(freeze(value)) == encode_value(value)


@pytest.mark.parametrize("value", ["\ud800", 2**53 + 1, {1, 2}, ["\udfff"]])
def test_what_is_no_value_has_no_key(value: Any) -> None:
    with pytest.raises(InvalidValueError):
        encode_key(value)


def test_deep_values_end_in_an_error() -> None:
    deep: Any = 1.0
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidValueError, match="64 levels"):
        encode_key(deep)


SYSTEM = {"_id": "j5700", "_creationTime": 1.5}


@pytest.mark.parametrize(
    ("fields", "tuple_"),
    [
        (("a",), (1, 1.5, "j5700")),
        (("a", "b"), (1, UNDEFINED, 1.5, "j5700")),
        (("c.d",), (True, 1.5, "j5700")),
        (("c.d.e",), (UNDEFINED, 1.5, "j5700")),
        (("c.x", "c"), (UNDEFINED, {"d": True}, 1.5, "j5700")),
        (("_creationTime",), (1.5, "j5700")),
        (("a", "_creationTime"), (1, 1.5, "j5700")),
        (("_id",), ("j5700",)),
        (("_creationTime", "_id"), (1.5, "j5700")),
    ],
)
def test_an_index_key_is_the_fields_then_the_tie_breakers(fields: tuple[str, ...], tuple_: tuple[Any, ...]) -> None:
    document = {**SYSTEM, "a": 1, "c": {"d": True}}
    assert key_function(fields)(document) == encode_key(*tuple_)
    assert key_function(list(fields))(freeze(document)) == encode_key(*tuple_)


EVERY_BRANCH = [
    "",
    "a\x00b",
    "é",
    Id("j57", "t"),
    1,
    0,
    -1,
    1.5,
    -1.5,
    -0.0,
    float("nan"),
    True,
    False,
    None,
    b"",
    Int64(1),
]


@pytest.mark.parametrize("value", EVERY_BRANCH)
def test_compiled_keys_of_every_type(value: Any) -> None:
    assert key_function(("a",))({**SYSTEM, "a": value}) == encode_key(value, 1.5, "j5700")
    assert key_function(("a.b",))({**SYSTEM, "a": {"b": value}}) == encode_key(value, 1.5, "j5700")


@given(st.dictionaries(st.sampled_from("ab"), values()), st.floats(allow_nan=False))
def test_compiled_keys_are_the_keys_of_the_tuple(fields: dict[str, Any], time: float) -> None:
    document = {**fields, "_id": Id("j5700", "t"), "_creationTime": time}
    expected = encode_key(fields.get("a", UNDEFINED), fields.get("b", UNDEFINED), time, "j5700")
    assert key_function(("a", "b"))(document) == expected
