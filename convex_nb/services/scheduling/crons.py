"""`cron_jobs()`: functions that run again and again, as an application declares them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from convex_nb.functions.definition import Function
from convex_nb.functions.references import Reference
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError, SchedulingError
from convex_nb.language.values import to_value
from convex_nb.services.scheduling import cron_schedule
from convex_nb.services.scheduling.cron_schedule import Schedule

if TYPE_CHECKING:
    from convex_nb.functions.registry import Target


class CronJob(NamedTuple):
    """One of them: when which function runs, and with what."""

    name: str
    schedule: Schedule
    function: Target
    args: dict[str, Any]


class CronJobs:
    """A set of crons, each with a name of its own. `dep.push(crons=...)` puts it in the place of the former set.

    All times are UTC. A schedule's keys are written as here or as in the reference, `hour_utc` or `hourUTC`. All of
    its methods raise `SchedulingError` for what cannot be a cron.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, CronJob] = {}

    def __repr__(self) -> str:
        lines = [f"{job.name}: {job.schedule}, {_name_of(job.function)}" for job in self.jobs.values()]
        return "\n".join(lines) or "no crons"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def interval(
        self, name: str, schedule: Mapping[str, int], function: Target, args: Mapping[str, Any] | None = None
    ) -> None:
        """Run every so many `seconds`, `minutes` or `hours`: first when it is first deployed."""
        self._add(name, cron_schedule.interval(schedule), function, args)

    def hourly(
        self, name: str, schedule: Mapping[str, int], function: Target, args: Mapping[str, Any] | None = None
    ) -> None:
        """Run every hour, at `minute_utc`."""
        self._add(name, cron_schedule.hourly(schedule), function, args)

    def daily(
        self, name: str, schedule: Mapping[str, int], function: Target, args: Mapping[str, Any] | None = None
    ) -> None:
        """Run every day, at `hour_utc` and `minute_utc`."""
        self._add(name, cron_schedule.daily(schedule), function, args)

    def weekly(
        self, name: str, schedule: Mapping[str, int | str], function: Target, args: Mapping[str, Any] | None = None
    ) -> None:
        """Run every week: `day_of_week` is `"sunday"` to `"saturday"`, with `hour_utc` and `minute_utc`."""
        self._add(name, cron_schedule.weekly(schedule), function, args)

    def monthly(
        self, name: str, schedule: Mapping[str, int], function: Target, args: Mapping[str, Any] | None = None
    ) -> None:
        """Run every month that has this `day`, at `hour_utc` and `minute_utc`."""
        self._add(name, cron_schedule.monthly(schedule), function, args)

    def cron(self, name: str, expression: str, function: Target, args: Mapping[str, Any] | None = None) -> None:
        """Run by a cron expression of five fields: minute, hour, day of the month, month, day of the week."""
        self._add(name, cron_schedule.expression(expression), function, args)

    def _add(self, name: str, schedule: Schedule, function: Target, args: Mapping[str, Any] | None) -> None:
        if not isinstance(name, str) or not name.strip():
            raise SchedulingError(f'A cron has a name, such as "clean up", not {describe(name, 80)}.', when=name)
        if name in self.jobs:
            raise SchedulingError(f"There are two crons with the name {name!r}: each has one of its own.", when=name)
        if not isinstance(function, (Function, Reference, str)):
            raise SchedulingError(
                f'The cron {name!r} runs a mutation or an action: give a path ("tasks:clean"), a decorated function or '
                f"`internal.tasks.clean`, not {describe(function, 80)}.",
                when=name,
            )
        if isinstance(function, Function) and function.kind == "query":
            raise not_a_query(name, function.path or function.__name__)
        try:
            arguments: dict[str, Any] = to_value(dict(args or {}))
        except InvalidValueError as error:
            reason = f"An argument of the cron {name!r}: {error.reason}"
            raise InvalidValueError(reason, path=error.path, value=error.value) from None
        self.jobs[name] = CronJob(name, schedule, function, arguments)


def cron_jobs() -> CronJobs:
    """Begin a set of crons."""
    return CronJobs()


def not_a_query(name: str, path: str) -> SchedulingError:
    """The error of a cron that would run a query."""
    return SchedulingError(
        f'The cron {name!r} cannot run "{path}", which is a query: only mutations and actions are run by the clock.',
        when=name,
    )


def _name_of(function: Target) -> str:
    return (function.path or function.__name__) if isinstance(function, Function) else str(function)
