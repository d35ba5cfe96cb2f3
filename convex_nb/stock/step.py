"""Steps of a workflow: its handler runs from the beginning each time, and what its steps returned comes from a journal.

A step is known by its place: the n-th that the handler asks for is the n-th of the journal. What is not in there yet
is asked for; what has no outcome yet ends this run of the handler.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from convex_nb import (
    ConvexError,
    FunctionNotFoundError,
    InvalidValueError,
    SchedulingError,
    create_function_handle,
    dumps,
    loads,
    same_value,
)
from convex_nb.stock.retries import Retries, Retry, to_retry
from convex_nb.stock.workpool import check_kind

if TYPE_CHECKING:
    from convex_nb.functions.definition import Function

_HANDLE: Final = "function://"
_SHOWN: Final = 80


class Suspended(BaseException):
    """The handler waits for a step. Not an `Exception`: what handles the errors of steps does not meet it."""


class StartedStep:
    """A step that has been started: `result()` waits for it."""

    def __init__(self, step: Step, entry: Mapping[str, Any] | None) -> None:
        self._step = step
        self._entry = entry

    def result(self) -> Any:
        """What the step returned. Raises `ConvexError` if it failed; its `data` says which step, and why."""
        return self._step._result_of(self._entry)


class Step:
    """What a workflow's handler gets: each call is a step, which happens once and whose result is kept.

    `run_...` waits for the step, `start_...` returns at once, so that several are under way together. Functions take
    their arguments as in `ctx.run_mutation`; `retry=` is as in a work pool.
    """

    def __init__(self, path: str, workflow: Mapping[str, Any], retry: Retry | None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.missing: str | None = None
        self.error: Exception | None = None
        self.suspended = False
        self._path = path
        self._journal: list[Mapping[str, Any]] = workflow["journal"]
        self._is_changed: bool = workflow["changed"]
        self._now: float = workflow["started"]
        self._retry = retry
        self._count = 0
        self.random = Random(workflow["id"])
        """Random numbers that are the same in each run of the handler."""

    def __repr__(self) -> str:
        return f"Step({self._path!r})"

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"A workflow's `step` has no {name!r}: it reads, writes and waits by `step.run_query`, `run_mutation`, "
            "`run_action`, `run_workflow`, `sleep` and `wait_for` only, and has `step.now()` and `step.random`."
        )

    def now(self) -> float:
        """Milliseconds since the epoch at which the last step that was waited for ended; at first, the start."""
        return self._now

    def run_query(self, function: Function | str, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a query, once: later runs of the handler get the same result, whatever has been written since."""
        return self._call("query", function, args, kwargs, None).result()

    def run_mutation(
        self,
        function: Function | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        retry: Retries = None,
        **kwargs: Any,
    ) -> Any:
        """Run a mutation, exactly once."""
        return self._call("mutation", function, args, kwargs, to_retry(retry)).result()

    def run_action(
        self,
        function: Function | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        retry: Retries = None,
        **kwargs: Any,
    ) -> Any:
        """Run an action, each attempt at most once."""
        return self._call("action", function, args, kwargs, to_retry(retry, self._retry)).result()

    def start_mutation(
        self,
        function: Function | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        retry: Retries = None,
        **kwargs: Any,
    ) -> StartedStep:
        """Start a mutation, exactly once."""
        return self._call("mutation", function, args, kwargs, to_retry(retry))

    def start_action(
        self,
        function: Function | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        retry: Retries = None,
        **kwargs: Any,
    ) -> StartedStep:
        """Start an action, each attempt at most once."""
        return self._call("action", function, args, kwargs, to_retry(retry, self._retry))

    def run_workflow(self, workflow: Function | str, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Start another workflow and wait for what it returns; `workflows.cancel` of this one cancels it, too."""
        return self.start_workflow(workflow, args, **kwargs).result()

    def start_workflow(
        self, workflow: Function | str, args: Mapping[str, Any] | None = None, /, **kwargs: Any
    ) -> StartedStep:
        """Start another workflow. One that is not waited for goes on when this one has come to its end."""
        check_workflow(workflow)
        return self._call("workflow", workflow, args, kwargs, None)

    def sleep(self, delay: float | timedelta) -> None:
        """Wait so many milliseconds, or a timedelta: a second or a year, over restarts."""
        self._step("sleep", None, {"ms": _milliseconds(delay, "A workflow sleeps")}, None).result()

    def sleep_until(self, when: float | datetime) -> None:
        """Wait until a time: milliseconds since the epoch, or a datetime, UTC if it has no zone."""
        if isinstance(when, datetime):
            when = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000
        if isinstance(when, bool) or not isinstance(when, int | float):
            raise SchedulingError(f"A workflow sleeps until a time, not {when!r}.", when=when)
        self._step("sleep", None, {"until": when}, None).result()

    def wait_for(self, name: str, *, timeout: float | timedelta | None = None) -> Any:
        """Wait until somebody sends an event of this name, `workflows.send(ctx, id, name, value)`; return its value.

        Events are kept until they are waited for, and each is had once, in the order in which they were sent. After
        `timeout`, in milliseconds or a timedelta, raises `ConvexError`, whose `data` has the kind "TimedOut".
        """
        limit = {} if timeout is None else {"timeout": _milliseconds(timeout, "A workflow waits for an event")}
        return self._step("event", None, {"name": name, **limit}, None).result()

    def _call(
        self,
        kind: Literal["query", "mutation", "action", "workflow"],
        function: Function | str,
        args: Mapping[str, Any] | None,
        kwargs: Mapping[str, Any],
        retry: Retry | None,
    ) -> StartedStep:
        if kind != "workflow":
            check_kind(function, kind)
        try:
            handle = create_function_handle(function)
        except FunctionNotFoundError as error:
            # After a restart its cell may not have been run yet.
            self.missing = error.path or repr(function)
            raise self._suspend() from None
        return self._step(kind, handle, {**(args or {}), **kwargs}, retry)

    def _step(self, kind: str, function: str | None, args: dict[str, Any], retry: Retry | None) -> StartedStep:
        self._go_on()
        request = {"kind": kind, "function": function, "args": loads(dumps(args)), "retry": retry}
        number, self._count = self._count, self._count + 1
        if number >= len(self._journal):
            self.requests.append(request)
            return StartedStep(self, None)
        entry = self._journal[number]
        if not all(same_value(entry[field], request[field]) for field in ("kind", "function", "args")):
            raise self._differs(number, entry, shown(request))
        return StartedStep(self, entry)

    def _result_of(self, entry: Mapping[str, Any] | None) -> Any:
        self._go_on()
        if entry is None or entry["outcome"] is None:
            raise self._suspend()
        self._now = max(self._now, entry["completed"])
        outcome = entry["outcome"]
        if outcome["kind"] == "success":
            return outcome["result"]
        name = None if entry["function"] is None else entry["function"].removeprefix(_HANDLE)
        error = outcome.get("error", "It was canceled.")
        if entry["kind"] == "event":
            raise ConvexError(
                {"kind": "TimedOut", "step": entry["number"] + 1, "event": entry["args"]["name"], "error": error}
            )
        raise ConvexError({"kind": "StepFailed", "step": entry["number"] + 1, "function": name, "error": error})

    def end(self) -> None:
        """The handler has returned: it has to have asked for all that it asked for before."""
        if self._count < len(self._journal) and not self.suspended:
            raise self._differs(self._count, self._journal[self._count], "the end")

    def _go_on(self) -> None:
        # A handler that catches what ends its run ends at the next step all the same.
        if self.suspended:
            raise Suspended
        if self.error is not None:
            raise self.error

    def _suspend(self) -> Suspended:
        self.suspended = True
        return Suspended()

    def _differs(self, number: int, entry: Mapping[str, Any], now: str) -> ConvexError:
        why = (
            "Its code has been changed since it began: put it back and resume the workflow, and give what is new a "
            "path of its own."
            if self._is_changed
            else "Its code is as it was: let it depend only on its arguments, on what steps return, on `step.now()` "
            "and on `step.random`."
        )
        self.error = ConvexError(
            f'Step {number + 1} of "{self._path}" was {shown(entry)}, and is {now} now. {why} It was not run.'
        )
        return self.error


def check_workflow(workflow: Function | str) -> None:
    """Raise `InvalidValueError` for a function that is known to be no workflow; a path is found out later."""
    if not isinstance(workflow, str) and not hasattr(workflow.handler, "is_workflow"):
        raise InvalidValueError(
            f"{workflow!r} is no workflow: make it with `@workflows.define`. It was not started.", value=workflow
        )


def _milliseconds(given: object, what: str) -> float:
    ms = given / timedelta(milliseconds=1) if isinstance(given, timedelta) else given
    if isinstance(ms, bool) or not isinstance(ms, int | float):
        raise SchedulingError(f"{what} so many milliseconds, or a timedelta, not {given!r}.", when=given)
    return ms


def shown(step: Mapping[str, Any]) -> str:
    """A step as it would be written."""
    args = ", ".join([f"{name}={value!r}" for name, value in step["args"].items()])
    if step["function"] is not None:
        name = step["function"].removeprefix(_HANDLE)
        return f"`run_{step['kind']}({', '.join([name, args[:_SHOWN]] if args else [name])})`"
    name = {"ms": "sleep", "until": "sleep_until", "name": "wait_for"}[next(iter(step["args"]))]
    return f"`{name}({args.partition('=')[2]})`"
