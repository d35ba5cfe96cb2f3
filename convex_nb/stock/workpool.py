"""Work pools: mutations and actions that run later, so many at a time, again if they fail, and tell how they ended."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, TypedDict

from convex_nb import FunctionNotFoundError, InvalidValueError, SchedulingError, components, create_function_handle
from convex_nb.stock import work
from convex_nb.stock.place import place
from convex_nb.stock.retries import Retries, to_retry

if TYPE_CHECKING:
    from convex_nb import ActionCtx, MutationCtx, QueryCtx
    from convex_nb.functions.definition import Function


class Status(TypedDict):
    """How a work is: what an action or mutation returned, or the `error` of its last failure."""

    state: Literal["pending", "running", "success", "failed", "canceled"]
    failures: float
    result: Any
    error: str | None


class Outcome(TypedDict):
    """What `on_complete` is told: the `result` of a success, the last `error` of one that failed."""

    kind: Literal["success", "failed", "canceled"]
    result: NotRequired[Any]
    error: NotRequired[str]


class Workpool:
    """Runs at most `max_parallelism` functions at a time, in the order in which they became due; `None` is no limit.

    A mutation happens exactly once. An attempt at an action happens at most once, and a new one is made only with
    `retry`: after it raised, or after its process was killed. A pool is known by its `name`.
    """

    definition: Final = work.component
    """What to install: `dep.push(components=[Workpool.definition])`."""

    def __init__(
        self,
        component: Any = components.workpool,
        *,
        name: str = "default",
        max_parallelism: int | None = 10,
        retry: Retries = None,
    ) -> None:
        """`retry` is for actions for which nothing else is said: `True`, or a dict such as `{"max_attempts": 3}`."""
        if max_parallelism is not None and (type(max_parallelism) is not int or max_parallelism < 1):
            raise InvalidValueError(
                f"A pool runs one function at a time or more, or any number with None, not {max_parallelism!r}. It was "
                "not made.",
                value=max_parallelism,
            )
        self._component = place(component, "Workpool", components.workpool)
        self._name = name
        self._parallelism = max_parallelism
        self._retry = to_retry(retry)

    def __repr__(self) -> str:
        return f"Workpool({self._component!r}, name={self._name!r}, max_parallelism={self._parallelism})"

    def enqueue_action(
        self,
        ctx: MutationCtx | ActionCtx,
        function: Function | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        run_after: float | timedelta = 0,
        run_at: float | datetime | None = None,
        retry: Retries = None,
        on_complete: Function | str | None = None,
        context: Any = None,
        **kwargs: Any,
    ) -> str:
        """Have an action run, at once or at a time; return the id of this work.

        `on_complete` is a mutation, run once with `id`, `context` and `outcome` when all attempts are over. Times are
        those of `ctx.scheduler`. Raises `FunctionNotFoundError`, `SchedulingError` and `InvalidValueError`.
        """
        more = {"retry": to_retry(retry, self._retry), "on_complete": on_complete, "context": context}
        return self._enqueue(ctx, "action", function, {**(args or {}), **kwargs}, run_after, run_at, more)

    def enqueue_mutation(
        self,
        ctx: MutationCtx | ActionCtx,
        function: Function | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        run_after: float | timedelta = 0,
        run_at: float | datetime | None = None,
        retry: Retries = None,
        on_complete: Function | str | None = None,
        context: Any = None,
        **kwargs: Any,
    ) -> str:
        """Have a mutation run, as `enqueue_action` does; again after it raised only if `retry` is given here."""
        more = {"retry": to_retry(retry), "on_complete": on_complete, "context": context}
        return self._enqueue(ctx, "mutation", function, {**(args or {}), **kwargs}, run_after, run_at, more)

    def status(self, ctx: QueryCtx | ActionCtx, id: str) -> Status | None:
        """How a work is; `None` for one that is not known, or no more: they are kept for a week once they are over."""
        status: Status | None = ctx.run_query(self._component.status, id=id)
        return status

    def cancel(self, ctx: MutationCtx | ActionCtx, id: str) -> bool:
        """Have a work not run, or not again; whether it was to. `on_complete` is told.

        An action that is running goes on to its end, in its place in the pool, and what it returns is not kept.
        """
        was_to_run: bool = ctx.run_mutation(self._component.cancel, id=id)
        return was_to_run

    def cancel_all(self, ctx: MutationCtx | ActionCtx) -> int:
        """Cancel all works of this pool that are not over; how many. O(works) in one transaction."""
        return int(ctx.run_mutation(self._component.cancel_all, pool=self._name))

    def forget(self, ctx: MutationCtx | ActionCtx, id: str) -> bool:
        """Remove what is known of a work that is over; whether it was."""
        was_over: bool = ctx.run_mutation(self._component.forget, id=id)
        return was_over

    def _enqueue(
        self,
        ctx: MutationCtx | ActionCtx,
        kind: Literal["mutation", "action"],
        function: Function | str,
        args: dict[str, Any],
        run_after: float | timedelta,
        run_at: float | datetime | None,
        more: dict[str, Any],
    ) -> str:
        check_kind(function, kind)
        if run_at is not None and run_after != 0:
            raise SchedulingError("`run_after=` or `run_at=`, not both. Nothing was enqueued.", when=run_at)
        order = {
            **more,
            "pool": self._name,
            "kind": kind,
            "function": create_function_handle(function),
            "args": args,
            "parallelism": self._parallelism,
            "on_complete": to_be_told(more["on_complete"]),
            "delay": run_after / timedelta(milliseconds=1) if isinstance(run_after, timedelta) else run_after,
            "at": _milliseconds(run_at) if isinstance(run_at, datetime) else run_at,
        }
        id: str = ctx.run_mutation(self._component.enqueue, order)
        return id


def _milliseconds(when: datetime) -> float:
    # As with `ctx.scheduler`, a time without a zone is UTC.
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000


def to_be_told(on_complete: Function | str | None) -> str | None:
    """The handle of a mutation that is told of an end. Raises `FunctionNotFoundError`, and `InvalidValueError` for one
    that is known not to take what it is told."""
    if on_complete is None:
        return None
    check_kind(on_complete, "mutation")
    if callable(on_complete):
        try:
            inspect.signature(on_complete).bind(id=None, context=None, outcome=None)
        except TypeError:
            name = on_complete.__name__
            raise InvalidValueError(
                f"`{name}` is told `id`, `context` and `outcome`: write `def {name}(ctx, id: str, context, outcome)`. "
                "Nothing was enqueued.",
                value=on_complete,
            ) from None
    return create_function_handle(on_complete)


def check_kind(function: Any, kind: str) -> None:
    """Raise `FunctionNotFoundError` where a function is known to be of another kind; a path is found out later."""
    actual = getattr(function, "kind", None)
    # Of a reference every attribute is a reference.
    if isinstance(actual, str) and actual != kind:
        raise FunctionNotFoundError(
            f"{function!r} is no {kind}, which is what is asked for here. Nothing was enqueued.", path=function.path
        )
