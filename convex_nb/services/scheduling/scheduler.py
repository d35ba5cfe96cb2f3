"""`ctx.scheduler`: mutations and actions let other functions run later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from convex_nb.engine.reading.system_reader import SystemWriter
from convex_nb.functions.definition import merge_arguments
from convex_nb.functions.execution import running
from convex_nb.language.errors import (
    InvalidValueError,
    LimitError,
    ReadOnlyError,
    SchedulingError,
)
from convex_nb.language.qualified_names import qualified
from convex_nb.language.values import Id, size_of, to_value
from convex_nb.services.scheduling.moments import NOTHING, time_after, time_at
from convex_nb.services.scheduling.scheduled_functions import (
    TABLE,
    add_follower,
    add_job,
    cancel_job,
    check_job_id,
    count_pending,
    is_canceled,
)
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from convex_nb.functions.execution import Execution
    from convex_nb.functions.registry import Target

T = TypeVar("T")

_ROOM: Final = 4096
"""What a job's document needs beside the arguments."""


class Scheduler:
    """Lets functions run later: in a mutation as a part of its transaction, in an action at once and for good."""

    __slots__ = ("_after_commit", "_bytes", "_component", "_count", "_execution")

    def __init__(self, execution: Execution, after_commit: Callable[[], object]) -> None:
        self._execution = execution
        self._component = execution.component
        self._after_commit = after_commit
        self._count = 0
        self._bytes = 0

    def __repr__(self) -> str:
        return f"the scheduler of {self._execution.path!r}"

    def run_after(
        self, delay: float | timedelta, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any
    ) -> Id:
        """Run a mutation or an action after so many milliseconds, or a timedelta; 0 is as soon as this has committed.

        Returns the job's id, for `cancel` and `ctx.db.system.get`. Arguments are checked by the function when it runs.
        Raises `SchedulingError`, `FunctionNotFoundError`, `InvalidValueError` and `LimitError`.
        """
        return self._schedule(time_after(delay, self._now()), function, args, kwargs)

    def run_at(
        self, when: float | datetime, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any
    ) -> Id:
        """Run a mutation or an action at a time: milliseconds since the epoch, or a datetime (UTC if it has no zone).

        One in the past runs as soon as possible. Otherwise as `run_after`.
        """
        return self._schedule(time_at(when, self._now()), function, args, kwargs)

    def run_when_over(
        self,
        job: str,
        within: float | timedelta,
        function: Target,
        args: Mapping[str, Any] | None = None,
        /,
        **kwargs: Any,
    ) -> Id:
        """Run a mutation or an action when a job is over, however it ends: it ran, raised, was canceled, or its
        process was killed. After `within`, as in `run_after`, it runs even if the job is not over yet.

        Otherwise as `run_after`. Raises `InvalidIdError` too.
        """
        database = self._execution.runner.database
        check_job_id(database, job, self._component, what="run_when_over()", nothing=NOTHING)
        return self._schedule(time_after(within, self._now()), function, args, kwargs, job)

    def cancel(self, id: str, /) -> None:
        """Let a job not run; one that is over already stays as it is.

        An action that is running goes on to its end, but nothing that it schedules from now on will run. Raises
        `InvalidIdError`.
        """
        check_job_id(self._execution.runner.database, id, self._component)
        now = self._now()
        self._write(lambda writer: cancel_job(writer, id, now))

    def _schedule(
        self,
        due_ms: float,
        function: Target,
        args: Mapping[str, Any] | None,
        kwargs: Mapping[str, Any],
        followed: str | None = None,
    ) -> Id:
        path = self._path_of(function)
        arguments = self._arguments(path, merge_arguments(path, args, kwargs))
        parent = job_of(self._execution)
        now = self._now()

        def add(writer: SystemWriter) -> Id:
            if followed is None:
                id = add_job(writer, path, arguments, due_ms)
            else:
                id = add_follower(writer, path, arguments, followed, now, due_ms)
            if parent is not None and is_canceled(writer, parent):
                cancel_job(writer, id, now)
            return id

        self._count_one()
        self._check_outstanding()
        try:
            return self._write(add)
        except InvalidValueError as error:
            reason = f'The arguments for "{path}" cannot be kept until it runs: {error.reason} {NOTHING}'
            raise InvalidValueError(reason, path=error.path, value=error.value) from None

    def _path_of(self, function: Target) -> str:
        registry = self._execution.runner.registry
        entry = registry.resolve(function, self._component)
        if entry.function.kind == "query":
            raise SchedulingError(
                f'"{entry.path}" is a query: nobody would see what it returns later. Only mutations and actions can be '
                f"scheduled. {NOTHING}",
                when=None,
            )
        if not registry.holds(entry):
            raise SchedulingError(
                f'"{entry.path}" cannot be scheduled: a job finds its function by its path, and this one is not '
                f"registered under one. Give it a path, or a name of its own. {NOTHING}",
                when=None,
            )
        return entry.path

    def _arguments(self, path: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
        limits = self._execution.runner.database.limits
        try:
            arguments: dict[str, Any] = to_value(dict(given or {}), limits=limits)
        except InvalidValueError as error:
            reason = f'An argument for "{path}", which was not scheduled: {error.reason}'
            raise InvalidValueError(reason, path=error.path, value=error.value) from None
        size = size_of(arguments)
        most = min(limits.scheduled_argument_bytes, limits.document_bytes - _ROOM)
        if size > most:
            raise LimitError(
                f'The arguments for "{path}" have {size} bytes; at most {most} can be kept until it runs. {NOTHING} '
                "Keep large data in documents and pass their ids.",
                kind="scheduled_argument_bytes",
                limit=most,
                used=size,
            )
        if self._execution.transaction is not None:
            self._bytes += size
            if self._bytes > limits.scheduled_total_bytes:
                raise LimitError(
                    f'"{self._execution.path}" schedules functions with {self._bytes} bytes of arguments in one call; '
                    f"at most {limits.scheduled_total_bytes} are allowed. Keep large data in documents.",
                    kind="scheduled_total_bytes",
                    limit=limits.scheduled_total_bytes,
                    used=self._bytes,
                )
        return arguments

    def _count_one(self) -> None:
        most = self._execution.runner.database.limits.scheduled_functions
        self._count += 1
        if self._count > most:
            raise LimitError(
                f'"{self._execution.path}" schedules more than {most} functions in one call. Schedule one that '
                "schedules the rest.",
                kind="scheduled_functions",
                limit=most,
                used=self._count,
            )

    def _check_outstanding(self) -> None:
        database = self._execution.runner.database
        most = database.limits.outstanding_scheduled_functions
        jobs = database.head.table(qualified(self._component, TABLE))
        # Counted beside the transaction: everybody who schedules would conflict with everybody else.
        if jobs is not None and len(jobs) >= most:
            waiting = count_pending(jobs)
            if waiting >= most:
                raise LimitError(
                    f"{waiting} functions are scheduled and have not run; at most {most} may be. {NOTHING}",
                    kind="outstanding_scheduled_functions",
                    limit=most,
                    used=waiting + 1,
                )

    def _now(self) -> float:
        execution = self._execution
        return execution.runner.clock.now_ns() / 1_000_000 if execution.transaction is None else execution.now_ms

    def _write(self, change: Callable[[SystemWriter], T]) -> T:
        execution = self._execution
        if execution.transaction is None:
            value = write_system(execution.runner.database, change, execution.path, self._component)
            self._after_commit()
            return value
        if running.get() is not execution:
            raise ReadOnlyError(
                "The call that this `ctx.scheduler` belongs to is over: nothing was scheduled. Use the context inside "
                "the function that it was given to."
            )
        return change(SystemWriter(execution.transaction, self._component))


def job_of(execution: Execution) -> str | None:
    """The id of the scheduled job that a call is a part of, at whatever depth."""
    origin = execution.origin
    while origin.job_id is None and origin.parent is not None:
        origin = origin.parent.origin
    return origin.job_id


class SchedulerService:
    """Gives mutations and actions their scheduler; `after_commit` is called where an action has committed."""

    def __init__(self, after_commit: Callable[[], object]) -> None:
        self._after_commit = after_commit

    def bind(self, execution: Execution, /) -> Scheduler:
        """`ctx.scheduler` for one call."""
        return Scheduler(execution, self._after_commit)
