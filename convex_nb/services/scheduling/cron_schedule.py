"""When a cron runs: every so often, or by a cron expression in UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from cronsim import CronSim, CronSimError

from convex_nb.language.describing import describe
from convex_nb.language.errors import SchedulingError

if TYPE_CHECKING:
    from convex_nb.language.documents import Document

MOST_COUNTED: Final = 10_000
"""Missed runs that are counted one by one."""
_SECONDS: Final = {"seconds": 1, "minutes": 60, "hours": 3600}
_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_SPELLINGS: Final[dict[Any, str]] = {"hourUTC": "hour_utc", "minuteUTC": "minute_utc", "dayOfWeek": "day_of_week"}
_FIELDS: Final = "minute, hour, day of the month, month, day of the week"
_SOME_TIME: Final = datetime(2024, 1, 1, tzinfo=UTC)
_ORDINALS: Final = {"21th": "21st", "22th": "22nd", "23th": "23rd", "31th": "31st"}
"""What the library says of days, and what they are called."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every so many `seconds`, from when it was first deployed; or the times of a cron `expression`."""

    seconds: int | None = None
    expression: str | None = None

    @classmethod
    def of(cls, stored: Document) -> Schedule:
        """The schedule that `stored` was."""
        return cls(stored.get("seconds"), stored.get("expression"))

    def stored(self) -> dict[str, Any]:
        """As a part of a document."""
        return {"seconds": self.seconds} if self.seconds is not None else {"expression": self.expression}

    def __str__(self) -> str:
        if self.seconds is None:
            assert self.expression is not None
            explained: str = CronSim(self.expression, _SOME_TIME).explain()
            for said, ordinal in _ORDINALS.items():
                explained = explained.replace(said, ordinal)
            return f"{explained} (UTC)"
        for unit, seconds in reversed(_SECONDS.items()):
            if not self.seconds % seconds:
                number = self.seconds // seconds
                return f"Every {unit[:-1]}" if number == 1 else f"Every {number} {unit}"
        raise AssertionError("whole seconds are a multiple of one")

    def first_ms(self, now_ms: float) -> float:
        """The time of the first run of what is deployed now: an interval begins at once."""
        return now_ms if self.seconds is not None else self._next_ms(now_ms)

    def following(self, time_ms: float, now_ms: float) -> tuple[float, int]:
        """The first time after both, and how many times between the two are missed.

        Costs O(missed runs), of which ten thousand are counted at most.
        """
        if self.seconds is not None:
            step = self.seconds * 1000.0
            missed = max(0, int((now_ms - time_ms) // step))
            return time_ms + (missed + 1) * step, missed
        for missed in count():
            time_ms = self._next_ms(time_ms)
            if time_ms > now_ms:
                return time_ms, missed
            if missed == MOST_COUNTED:
                return self._next_ms(now_ms), missed
        raise AssertionError("count() does not end")

    def _next_ms(self, after_ms: float) -> float:
        assert self.expression is not None
        moment = next(CronSim(self.expression, datetime.fromtimestamp(after_ms // 1000, UTC)))
        return moment.timestamp() * 1000.0


# -- as they are written -----------------------------------------------------------------------------------------


def interval(given: object) -> Schedule:
    """`{"minutes": 5}`: exactly one of seconds, minutes and hours."""
    parts = _parts(given, {}, '`{"minutes": 5}`', tuple(_SECONDS))
    if len(parts) != 1:
        raise _refusal(given, f"an interval has exactly one of {_listed(_SECONDS)}", '`{"minutes": 5}`')
    ((unit, number),) = parts.items()
    if type(number) is not int or number < 1:
        raise _refusal(given, f"`{unit}` is a positive whole number", '`{"minutes": 5}`')
    return Schedule(seconds=number * _SECONDS[unit])


def hourly(given: object) -> Schedule:
    """`{"minute_utc": 30}`."""
    parts = _parts(given, {"minute_utc": (0, 59)}, '`{"minute_utc": 30}`')
    return Schedule(expression=f"{parts['minute_utc']} * * * *")


def daily(given: object) -> Schedule:
    """`{"hour_utc": 9, "minute_utc": 30}`."""
    parts = _parts(given, _TIME, '`{"hour_utc": 9, "minute_utc": 30}`')
    return Schedule(expression=f"{parts['minute_utc']} {parts['hour_utc']} * * *")


def weekly(given: object) -> Schedule:
    """`{"day_of_week": "monday", "hour_utc": 9, "minute_utc": 30}`."""
    example = '`{"day_of_week": "monday", "hour_utc": 9, "minute_utc": 30}`'
    parts = _parts(given, {"day_of_week": _day_of_week, **_TIME}, example)
    return Schedule(expression=f"{parts['minute_utc']} {parts['hour_utc']} * * {parts['day_of_week']}")


def monthly(given: object) -> Schedule:
    """`{"day": 1, "hour_utc": 9, "minute_utc": 30}`; months without that day are left out."""
    parts = _parts(given, {"day": (1, 31), **_TIME}, '`{"day": 1, "hour_utc": 9, "minute_utc": 30}`')
    return Schedule(expression=f"{parts['minute_utc']} {parts['hour_utc']} {parts['day']} * *")


def expression(given: object) -> Schedule:
    """`"30 9 * * 1"`: five fields, in UTC."""
    example = '`"30 9 * * 1"` (every Monday at 9:30 UTC)'
    if not isinstance(given, str):
        raise _refusal(given, "a cron expression is a string", example)
    fields = given.split()
    if len(fields) != 5:
        raise _refusal(given, f"it has {len(fields)} fields, and needs five: {_FIELDS}", example)
    try:
        next(CronSim(given, _SOME_TIME))
    except CronSimError as error:
        reason = str(error).replace("Bad ", "").replace("-", " ")
        raise _refusal(
            given, f"its field for the {reason} cannot be read, or names no day that there is", example
        ) from None
    except StopIteration:
        raise _refusal(given, "there is no such time: it would never run", example) from None
    return Schedule(expression=" ".join(fields))


def _day_of_week(given: object) -> int | None:
    return _DAYS.index(given.lower()) if isinstance(given, str) and given.lower() in _DAYS else None


_Rule = tuple[int, int] | Callable[[object], int | None]
_TIME: Final[dict[str, _Rule]] = {"hour_utc": (0, 23), "minute_utc": (0, 59)}


def _parts(given: object, rules: Mapping[str, _Rule], example: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise _refusal(given, "a schedule is a dict", example)
    parts: dict[Any, Any] = {_SPELLINGS.get(name, name): value for name, value in given.items()}
    known = (*rules, *optional)
    for name in parts:
        if name not in known:
            raise _refusal(given, f"{describe(name, 40)} is none of {_listed(known)}", example)
    for name, rule in rules.items():
        if name not in parts:
            raise _refusal(given, f"`{name}` is missing", example)
        if callable(rule):
            number = rule(parts[name])
            if number is None:
                raise _refusal(given, f"`{name}` is one of {_listed(_DAYS)}", example)
            parts[name] = number
        elif type(parts[name]) is not int or not rule[0] <= parts[name] <= rule[1]:
            raise _refusal(given, f"`{name}` is a whole number from {rule[0]} to {rule[1]}", example)
    return parts


def _listed(names: Any) -> str:
    return ", ".join([f"`{name}`" for name in names])


def _refusal(given: object, reason: str, example: str) -> SchedulingError:
    return SchedulingError(
        f"The schedule {describe(given, 80)} cannot be used: {reason}. Write, for example, {example}.", when=given
    )
