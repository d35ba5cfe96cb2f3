"""Delays and times as users give them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from numbers import Real
from typing import Final

from convex_nb.language.describing import describe
from convex_nb.language.errors import SchedulingError

FIVE_YEARS_MS: Final = 1827 * 86_400_000.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
NOTHING: Final = "Nothing was scheduled."


def time_after(delay: object, now_ms: float) -> float:
    """The time, in milliseconds since the epoch, that a delay leads to. Raises `SchedulingError`."""
    milliseconds = _milliseconds(delay / _MILLISECOND if isinstance(delay, timedelta) else delay)
    if milliseconds is None:
        raise SchedulingError(
            f"run_after() takes a delay as a number of milliseconds or as a timedelta, not {describe(delay, 80)}. "
            + NOTHING,
            when=delay,
        )
    if milliseconds < 0:
        raise SchedulingError(
            f"A delay of {describe(delay, 80)} is negative: 0 is as soon as possible. {NOTHING}",
            when=delay,
        )
    return _within_five_years(delay, now_ms + milliseconds, now_ms)


def time_at(when: object, now_ms: float) -> float:
    """A time in milliseconds since the epoch; a datetime without a zone is UTC. Raises `SchedulingError`."""
    if isinstance(when, datetime):
        moment = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return _within_five_years(when, (moment - _EPOCH) / _MILLISECOND, now_ms)
    milliseconds = _milliseconds(when)
    if milliseconds is None:
        raise SchedulingError(
            "run_at() takes a datetime or a number of milliseconds since the epoch, as `ctx.now()` is, not "
            f"{describe(when, 80)}. {NOTHING}",
            when=when,
        )
    return _within_five_years(when, milliseconds, now_ms)


def _milliseconds(given: object) -> float | None:
    if isinstance(given, bool) or not isinstance(given, Real):
        return None
    try:
        number = float(given)
    except OverflowError:
        return math.inf
    return None if math.isnan(number) else number


def _within_five_years(given: object, time_ms: float, now_ms: float) -> float:
    if abs(time_ms - now_ms) > FIVE_YEARS_MS:
        hint = ""
        if abs(time_ms * 1e3 - now_ms) < FIVE_YEARS_MS:
            hint = " Is it in seconds? Times are in milliseconds."
        raise SchedulingError(
            f"{describe(given, 80)} is more than five years away: functions can be scheduled up to five years from now."
            f"{hint} {NOTHING}",
            when=given,
        )
    return time_ms
