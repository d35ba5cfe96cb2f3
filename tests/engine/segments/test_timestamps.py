from __future__ import annotations

import math
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.segments import timestamps as module
from convex_nb.engine.segments.timestamps import NANOSECONDS, timestamps

TIMES = st.floats(-9e12, 9e12) | st.integers(-(10**12), 10**13).map(lambda n: min(n, 9 * 10**12) / 4)


@settings(max_examples=100)
@given(st.lists(TIMES | st.none(), max_size=9), st.booleans())
def test_times_are_rounded_to_the_nearest_nanosecond(times: list[float | None], chunked: bool) -> None:
    array = pa.array(times, pa.float64())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", 4)
        found = timestamps(pa.chunked_array([array]) if chunked else array)
    assert found.type == NANOSECONDS
    for ticks, time in zip(found.cast(pa.int64()).to_pylist(), times, strict=True):
        if time is None:
            assert ticks is None
        else:
            assert abs(Fraction(ticks) - Fraction(time) * 10**6) <= Fraction(1, 2) + Fraction(1, 100)


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 9e15])
def test_what_is_no_time_stays_a_number(time: float) -> None:
    array = pa.array([1.0, time])
    assert timestamps(array) is array


def test_far_times_are_microseconds() -> None:
    assert timestamps(pa.array([1e13])).type == pa.timestamp("us", tz="UTC")
