from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb import SchedulingError
from convex_nb.language.documents import freeze
from convex_nb.services.scheduling import cron_schedule
from convex_nb.services.scheduling.cron_schedule import Schedule, daily, expression, hourly, interval, monthly, weekly

NOW = 1_735_689_600_000.0  # the first moment of 2025, a Wednesday


def utc(ms: float) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%a %Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("schedule", "text", "first", "second"),
    [
        (interval({"seconds": 30}), "Every 30 seconds", "Wed 2025-01-01 00:00:00", "Wed 2025-01-01 00:00:30"),
        (interval({"minutes": 1}), "Every minute", "Wed 2025-01-01 00:00:00", "Wed 2025-01-01 00:01:00"),
        (interval({"hours": 48}), "Every 48 hours", "Wed 2025-01-01 00:00:00", "Fri 2025-01-03 00:00:00"),
        (
            hourly({"minute_utc": 15}),
            "At minute 15 of every hour (UTC)",
            "Wed 2025-01-01 00:15:00",
            "Wed 2025-01-01 01:15:00",
        ),
        (
            daily({"hourUTC": 9, "minuteUTC": 30}),
            "At 09:30 every day (UTC)",
            "Wed 2025-01-01 09:30:00",
            "Thu 2025-01-02 09:30:00",
        ),
        (
            weekly({"day_of_week": "monday", "hour_utc": 0, "minuteUTC": 0}),
            "At 00:00 on Monday (UTC)",
            "Mon 2025-01-06 00:00:00",
            "Mon 2025-01-13 00:00:00",
        ),
        (
            weekly({"dayOfWeek": "Sunday", "hourUTC": 0, "minuteUTC": 5}),
            "At 00:05 on Sunday (UTC)",
            "Sun 2025-01-05 00:05:00",
            "Sun 2025-01-12 00:05:00",
        ),
        (
            monthly({"day": 31, "hour_utc": 0, "minute_utc": 0}),
            "At 00:00 on the 31st day of every month (UTC)",
            "Fri 2025-01-31 00:00:00",
            "Mon 2025-03-31 00:00:00",
        ),
        (
            expression("  0 0  29 2 * "),
            "At 00:00 on February 29 (UTC)",
            "Tue 2028-02-29 00:00:00",
            "Sun 2032-02-29 00:00:00",
        ),
        (expression("0 12 * * MON-FRI"), None, "Wed 2025-01-01 12:00:00", "Thu 2025-01-02 12:00:00"),
        (expression("* * * * *"), None, "Wed 2025-01-01 00:01:00", "Wed 2025-01-01 00:02:00"),
    ],
)
def test_times(schedule: Schedule, text: str | None, first: str, second: str) -> None:
    if text is not None:
        assert str(schedule) == text
    time = schedule.first_ms(NOW)
    assert utc(time) == first
    following, missed = schedule.following(time, time)
    assert (utc(following), missed) == (second, 0)
    assert Schedule.of(freeze(schedule.stored())) == schedule


@pytest.mark.parametrize(
    ("parse", "given", "message"),
    [
        (interval, {}, "exactly one of `seconds`, `minutes`, `hours`"),
        (interval, {"seconds": 1, "minutes": 1}, "exactly one"),
        (interval, {"minutes": 0}, "`minutes` is a positive whole number"),
        (interval, {"minutes": 1.5}, "positive whole number"),
        (interval, {"minutes": True}, "positive whole number"),
        (interval, {"days": 1}, "'days' is none of `seconds`, `minutes`, `hours`"),
        (interval, 60, "a schedule is a dict"),
        (hourly, {}, "`minute_utc` is missing"),
        (hourly, {"minute_utc": 60}, "from 0 to 59"),
        (hourly, {"minuteUtc": 6}, "'minuteUtc' is none of `minute_utc`"),
        (daily, {"minute_utc": 0}, "`hour_utc` is missing"),
        (daily, {"hour_utc": 24, "minute_utc": 0}, "from 0 to 23"),
        (daily, {"hour_utc": "9", "minute_utc": 0}, "whole number"),
        (weekly, {"day_of_week": "mon", "hour_utc": 0, "minute_utc": 0}, "one of `sunday`, `monday`"),
        (weekly, {"day_of_week": 1, "hour_utc": 0, "minute_utc": 0}, "one of `sunday`"),
        (monthly, {"day": 32, "hour_utc": 0, "minute_utc": 0}, "from 1 to 31"),
        (monthly, {5: 1}, "5 is none of `day`"),
        (expression, "* * * *", "it has 4 fields, and needs five: minute, hour"),
        (expression, "* * * * * *", "it has 6 fields"),
        (expression, "", "it has 0 fields"),
        (expression, "61 * * * *", "its field for the minute"),
        (expression, "* * * * someday", "its field for the day of week"),
        (expression, "0 0 30 2 *", "day of month cannot be read, or names no day that there is"),
        (expression, 5, "a cron expression is a string"),
    ],
)
def test_what_is_no_schedule(parse: Callable[[Any], Schedule], given: Any, message: str) -> None:
    with pytest.raises(SchedulingError, match=message) as raised:
        parse(given)
    assert raised.value.when is given
    assert "Write, for example, " in str(raised.value)


SCHEDULES = [
    interval({"seconds": 7}),
    interval({"hours": 5}),
    hourly({"minute_utc": 59}),
    weekly({"day_of_week": "saturday", "hour_utc": 23, "minute_utc": 59}),
    expression("*/7 3-5 * * *"),
]


# Whole minutes, too: now may be a time of the schedule itself.
LATE = st.floats(0, 3 * 86_400_000) | st.integers(0, 3 * 1440).map(lambda minutes: minutes * 60_000.0)


@given(st.sampled_from(SCHEDULES), st.integers(0, 10**9), LATE)
def test_the_following_time_is_the_first_after_both(schedule: Schedule, start: int, late: float) -> None:
    time = schedule.first_ms(NOW + start)
    now = time + late
    following, missed = schedule.following(time, now)
    assert following > now
    step, steps = time, 0
    while True:
        step = schedule.following(step, step)[0]
        if step > now:
            break
        steps += 1
    assert (following, missed) == (step, steps)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be changed here")
def test_times_are_utc_wherever_the_machine_is_and_whenever_its_clocks_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
    time.tzset()
    try:
        # The night in which the clocks of New York go forward: there is no half past two.
        before = datetime(2025, 3, 9, 3, tzinfo=UTC).timestamp() * 1000
        for schedule, first in (
            (daily({"hour_utc": 6, "minute_utc": 30}), "06:30"),
            (expression("30 2 * * *"), "02:30"),
        ):
            at = schedule.first_ms(before)
            assert utc(at).endswith(f"{first}:00")
            assert schedule.following(at, at) == (at + 86_400_000, 0)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_cron_that_slept_for_years_is_not_counted_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cron_schedule, "MOST_COUNTED", 100)
    years = timedelta(days=1000) / timedelta(milliseconds=1)
    following, missed = expression("* * * * *").following(NOW, NOW + years)
    assert (utc(following), missed) == (utc(NOW + years + 60_000), 100)
    assert interval({"seconds": 1}).following(NOW, NOW + years)[1] == years / 1000
