from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, strategies as st

from convex_nb.language import keys_columnar
from convex_nb.language.keys import encode_key, encode_value
from convex_nb.language.values import UNDEFINED, Int64

INT64S = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [sign * 2**power + step for power in (7, 8, 15, 16, 31, 32, 62) for sign in (1, -1) for step in (-1, 0, 1)]
)
WHOLE = st.integers(-(2**53), 2**53)
COLUMNS: list[tuple[str, Callable[[Any], Any], Any, st.SearchStrategy[Any], Callable[[Any], Any]]] = [
    ("numbers", keys_columnar.number_keys, pa.float64(), st.floats(), float),
    ("whole numbers", keys_columnar.number_keys, pa.int64(), WHOLE, int),
    ("Int64", keys_columnar.int64_keys, pa.int64(), INT64S, Int64),
    ("booleans", keys_columnar.boolean_keys, pa.bool_(), st.booleans(), bool),
    ("strings", keys_columnar.string_keys, pa.string(), st.text(), str),
    ("large strings", keys_columnar.string_keys, pa.large_string(), st.text(max_size=4), str),
    ("bytes", keys_columnar.bytes_keys, pa.binary(), st.binary(), bytes),
    ("NULs", keys_columnar.bytes_keys, pa.large_binary(), st.text("\x00a", max_size=4).map(str.encode), bytes),
]


@pytest.mark.parametrize(("keys", "type_", "values", "python"), [c[1:] for c in COLUMNS], ids=[c[0] for c in COLUMNS])
@given(data=st.data())
def test_keys_of_a_column_equal_those_of_its_values(
    keys: Callable[[Any], Any],
    type_: Any,
    values: st.SearchStrategy[Any],
    python: Callable[[Any], Any],
    data: st.DataObject,
) -> None:
    column = data.draw(st.lists(st.none() | values, max_size=12))
    found = keys(pa.array(column, type_))
    assert found.to_pylist() == [None if value is None else encode_value(python(value)) for value in column]


@given(st.lists(st.floats(allow_nan=True), max_size=20))
@example([0.0, -0.0, float("nan"), -float("nan"), float("inf"), -float("inf")])
def test_number_order_is_the_order_of_keys(values: list[float]) -> None:
    order = keys_columnar.number_order(pa.array(values, pa.float64()))
    assert sorted(range(len(values)), key=order.__getitem__) == sorted(
        range(len(values)), key=lambda place: encode_value(values[place])
    )


def test_absent_values() -> None:
    keys = keys_columnar.number_keys(pa.array([1.0, None, None]))
    filled = keys_columnar.fill_absent(keys, pa.array([False, True, False]), keys_columnar.MISSING_KEY)
    assert filled.to_pylist() == [encode_value(1.0), encode_value(None), encode_value(UNDEFINED)]
    filled = keys_columnar.fill_absent(keys, None, keys_columnar.NULL_KEY)
    assert filled.to_pylist() == [encode_value(1.0), encode_value(None), encode_value(None)]


def test_joined_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def joined() -> Any:
        return keys_columnar.join_keys(
            [
                keys_columnar.string_keys(pa.array(["a", "b\x00"])),
                keys_columnar.constant_keys(encode_value(UNDEFINED), 2),
                keys_columnar.boolean_keys(pa.array([True, False])),
            ]
        )

    expected = [encode_key("a", UNDEFINED, True), encode_key("b\x00", UNDEFINED, False)]
    assert joined().to_pylist() == expected
    monkeypatch.setattr(keys_columnar, "_MOST_BYTES", 3)
    assert joined().to_pylist() == expected
    assert joined().type == pa.large_binary()
