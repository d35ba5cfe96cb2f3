from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from convex_nb import Int64, SchedulingError
from convex_nb.services.scheduling.moments import FIVE_YEARS_MS, time_after, time_at

NOW = 1_735_689_600_000.0  # the first moment of 2025


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (0, NOW),
        (1.5, NOW + 1.5),
        (np.int64(7), NOW + 7),
        (np.float64(7.5), NOW + 7.5),
        (Int64(3), NOW + 3),
        (timedelta(seconds=2, milliseconds=5), NOW + 2005),
        (timedelta(days=5 * 365), NOW + 5 * 365 * 86_400_000),
    ],
)
def test_a_delay_leads_to_a_time(delay: Any, expected: float) -> None:
    assert time_after(delay, NOW) == expected
    assert type(time_after(delay, NOW)) is float


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (NOW, NOW),
        (int(NOW) - 1, NOW - 1),
        (datetime(2025, 1, 1), NOW),
        (datetime(2025, 1, 1, tzinfo=UTC), NOW),
        (datetime(2025, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), NOW),
        (datetime(2030, 1, 1, tzinfo=UTC), NOW + 1826 * 86_400_000),
        (datetime(2020, 1, 1), NOW - 1827 * 86_400_000),
    ],
)
def test_a_time_is_one_of_the_epoch(when: Any, expected: float) -> None:
    assert time_at(when, NOW) == expected


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        (-1, "negative"),
        (-math.inf, "negative"),
        (timedelta(microseconds=-1), "negative"),
        (math.inf, "five years"),
        (1 << 2000, "five years"),
        (timedelta(days=5 * 366), "five years"),
        (math.nan, "number of milliseconds"),
        ("1000", "number of milliseconds"),
        (True, "number of milliseconds"),
        (None, "number of milliseconds"),
        (datetime(2025, 1, 1), "number of milliseconds"),
    ],
)
def test_what_is_no_delay(delay: Any, message: str) -> None:
    with pytest.raises(SchedulingError, match=message) as raised:
        time_after(delay, NOW)
    assert raised.value.when is delay
    assert "Nothing was scheduled." in str(raised.value)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (math.nan, "datetime or a number"),
        (math.inf, "five years"),
        (timedelta(seconds=1), "datetime or a number"),
        ("tomorrow", "datetime or a number"),
        (False, "datetime or a number"),
        (datetime(2019, 1, 1), "five years"),
        (NOW / 1000, "Is it in seconds?"),
        (0, "five years"),
    ],
)
def test_what_is_no_time(when: Any, message: str) -> None:
    with pytest.raises(SchedulingError, match=message) as raised:
        time_at(when, NOW)
    assert raised.value.when is when


@given(st.floats(0, FIVE_YEARS_MS))
def test_a_delay_and_its_time_agree(delay: float) -> None:
    assert time_at(NOW + delay, NOW) == time_after(delay, NOW) == NOW + delay
