"""Clocks that stand still: `time` and `datetime` as a query or mutation sees them."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from convex_nb.functions.determinism.stand_in import ClockStandIn, StandIn, deterministic

if TYPE_CHECKING:
    from convex_nb.functions.execution import Execution

Replacement: TypeAlias = tuple[Any, str, Any]
"""Whose attribute is replaced, its name, and by what."""

_SECONDS: Final = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
_CALENDAR: Final = ("localtime", "gmtime", "ctime")
_INDIFFERENT: Final = ("logging", "convex_nb")
"""Packages whose looking at a clock says nothing about a function's result."""


def moment(execution: Execution) -> float:
    """The time of a call in milliseconds, noting that user code has seen it."""
    if not execution.reads_clock:
        frame = sys._getframe(1)
        while (name := frame.f_globals.get("__name__", "")).startswith(__package__) and frame.f_back is not None:
            frame = frame.f_back
        execution.reads_clock = name.partition(".")[0] not in _INDIFFERENT
    return execution.now_ms


def replacements() -> Iterator[Replacement]:
    """What makes the clocks of `time` stand still; `datetime.today` and `date.today` ask `time.time` themselves."""
    for name in _SECONDS:
        if hasattr(time, name):
            yield time, name, ClockStandIn("time", name, getattr(time, name), _seconds)
            name += "_ns"
            yield time, name, ClockStandIn("time", name, getattr(time, name), _nanoseconds)
    for name, read in (("clock_gettime", _seconds), ("clock_gettime_ns", _nanoseconds)):
        if hasattr(time, name):
            yield (
                time,
                name,
                StandIn("time", name, getattr(time, name), lambda execution, _, read=read: read(execution)),
            )
    for name in _CALENDAR:
        original = getattr(time, name)
        yield time, name, StandIn("time", name, original, _calendar(original))
    yield time, "asctime", StandIn("time", "asctime", time.asctime, _asctime)
    yield time, "strftime", StandIn("time", "strftime", time.strftime, _strftime)
    yield datetime.datetime, "now", classmethod(_now)
    yield datetime.datetime, "utcnow", classmethod(_utcnow)


def _seconds(execution: Execution) -> float:
    return moment(execution) / 1e3


def _nanoseconds(execution: Execution) -> int:
    return round(moment(execution) * 1e6)


def _calendar(original: Callable[[float | None], Any]) -> Callable[..., Any]:
    def inside(execution: Execution, seconds: float | None = None, /) -> Any:
        return original(_seconds(execution) if seconds is None else seconds)

    return inside


_localtime: Final = time.localtime
_format: Final = time.strftime
_as_text: Final = time.asctime


def _asctime(execution: Execution, when: Any = None, /) -> str:
    return _as_text(_localtime(_seconds(execution)) if when is None else when)


def _strftime(execution: Execution, form: str, when: Any = None, /) -> str:
    return _format(form, _localtime(_seconds(execution)) if when is None else when)


_real_now: Final[Callable[..., Any]] = vars(datetime.datetime)["now"].__get__
_real_utcnow: Final[Callable[..., Any]] = vars(datetime.datetime)["utcnow"].__get__


def _now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
    """Return the current time in the zone `tz`, or in local time."""
    execution = deterministic()
    if execution is None:
        real: datetime.datetime = _real_now(None, cls)(tz)
        return real
    return cls.fromtimestamp(_seconds(execution), tz)


def _utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
    """Return the current time in UTC, without a zone."""
    execution = deterministic()
    if execution is None:
        real: datetime.datetime = _real_utcnow(None, cls)()
        return real
    return cls.fromtimestamp(_seconds(execution), datetime.UTC).replace(tzinfo=None)


for _function, _name in ((_now, "now"), (_utcnow, "utcnow")):
    _function.__name__, _function.__qualname__ = _name, f"datetime.{_name}"
