from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.segments.columns import Column
from convex_nb.engine.segments.float_arrays import are_floats, bytes_of, floats_of, list_array, packed
from convex_nb.engine.segments.layout import MISSING, field_of
from convex_nb.language.documents import ReadOnlyList
from convex_nb.language.values import Int64
from tests.engine.documents import FLOATS, exactly


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1.0, 2.5], [], [math.nan]], True),
        ([ReadOnlyList([0.5])], True),
        ([], False),
        ([[], []], False),
        ([[1.0], [1.0, 2]], False),
        ([[1, 2.0]], False),
        ([[1.0, None]], False),
        ([[1.0, True]], False),
        ([[1.0], [Int64(1)]], False),
        ([["a"], [1.0]], False),
        ([[[1.0]]], False),
    ],
)
def test_what_arrays_of_floats_are(values: list[Any], expected: bool) -> None:
    assert are_floats(values) is expected
    assert (field_of("a", values).kind == "floats") is expected
    assert field_of("a", [*values, 1.0]).kind != "floats"
    assert field_of("a", [*values, None, MISSING]).kind == ("floats" if expected else field_of("a", values).kind)


@given(st.lists(FLOATS))
def test_every_bit_comes_back(values: list[float]) -> None:
    found = floats_of(bytes_of(values))
    assert type(found) is ReadOnlyList
    assert exactly(list(found)) == exactly(values)


@given(st.lists(st.none() | st.just(MISSING) | st.lists(FLOATS, max_size=3), min_size=1))
def test_a_column_as_lists_and_back(values: list[Any]) -> None:
    field = field_of("a", values)
    if field.kind != "floats":
        return
    column = Column.from_values(field, values)
    expected = [None if value is None or value is MISSING else value for value in values]
    assert exactly([None if value is MISSING else value for value in column.to_list()]) == exactly(
        [value if value is None else ReadOnlyList(value) for value in expected]
    )
    lists = list_array(column.values)
    lists.validate(full=True)
    assert exactly(lists.to_pylist()) == exactly(expected)
    again = packed(lists)
    assert again is not None
    assert again.to_pylist() == column.values.to_pylist()


ROWS = [[1.0, 2.0], None, [-0.0, math.inf]]
PACKED = [None if row is None else struct.pack("=2d", *row) for row in ROWS]


@pytest.mark.parametrize(
    "lists",
    [
        pa.array(ROWS, pa.list_(pa.float64())),
        pa.array(ROWS, pa.large_list(pa.float64())),
        pa.array(ROWS, pa.list_(pa.float64(), 2)),
        pa.array(ROWS, pa.list_(pa.float32())),
        pa.array([[np.float16(number) for number in row] if row else None for row in ROWS], pa.list_(pa.float16(), 2)),
        pa.array([[9.0], *ROWS, [9.0]], pa.list_(pa.float64())).slice(1, 3),
        pa.array([[9.0, 9.0], *ROWS, [9.0, 9.0]], pa.list_(pa.float64(), 2)).slice(1, 3),
        # What stands where a null is does not count.
        pa.FixedSizeListArray.from_arrays(
            pa.array([1.0, 2.0, 7.0, 7.0, -0.0, math.inf]), 2, mask=pa.array([False, True, False])
        ),
    ],
    ids=str,
)
def test_lists_of_arrow_become_bytes(lists: Any) -> None:
    found = packed(lists)
    assert found is not None
    found.validate(full=True)
    assert found.to_pylist() == PACKED


@pytest.mark.parametrize(
    "lists",
    [
        pa.array([[1, 2]]),
        pa.array([[1.0, None]]),
        pa.array([["a"]]),
        pa.array([[[1.0]]]),
        pa.array([{"a": 1.0}]),
        pa.array([[("a", 1.0)]], pa.map_(pa.string(), pa.float64())),
    ],
    ids=lambda lists: str(lists.type),
)
def test_others_do_not(lists: Any) -> None:
    assert packed(lists) is None
