"""Workflows: plain functions whose steps happen once, over failures, restarts and a year of sleep."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, overload

from convex_nb import (
    InvalidValueError,
    SchemaDefinitionError,
    components,
    create_function_handle,
    internal_query,
)
from convex_nb.stock import journal
from convex_nb.stock.custom_functions import check_plain
from convex_nb.stock.fingerprint import fingerprint
from convex_nb.stock.journal import ABOUT, CHECK
from convex_nb.stock.place import place
from convex_nb.stock.retries import Retries, to_retry
from convex_nb.stock.step import Step, Suspended, check_workflow
from convex_nb.stock.workpool import Workpool, to_be_told

if TYPE_CHECKING:
    from convex_nb import ActionCtx, MutationCtx, QueryCtx
    from convex_nb.functions.definition import Function

Handler: TypeAlias = Callable[..., Any]


class Status(TypedDict):
    """How a workflow is: what its handler returned, or why it failed, or what it waits for."""

    state: Literal["running", "success", "failed", "canceled"]
    result: Any
    error: str | None


class StepStatus(TypedDict):
    """How a step is."""

    kind: Literal["query", "mutation", "action", "workflow", "sleep", "event"]
    function: str | None
    args: dict[str, Any]
    state: Literal["running", "success", "failed", "canceled"]
    result: Any
    error: str | None
    workflow: str | None


class Workflows:
    """Defines workflows, starts them and says how far they are.

    A handler runs again from its beginning whenever a step is over, and gets what its steps have returned so far. So it
    reads and writes by its steps only, and asks for the same steps each time: if not, it fails, and says where.
    """

    definition: Final = journal.component
    """What to install: `dep.push(components=[Workflows.definition])`."""

    def __init__(
        self, component: Any = components.workflows, *, max_parallelism: int | None = 10, retry: Retries = None
    ) -> None:
        """At most `max_parallelism` steps of all workflows run at a time; `retry` is for actions, as in `Workpool`."""
        self._component = place(component, "Workflows", components.workflows)
        Workpool(max_parallelism=max_parallelism)
        self._parallelism = max_parallelism
        self._retry = to_retry(retry)

    def __repr__(self) -> str:
        return f"Workflows({self._component!r})"

    @overload
    def define(self, handler: Handler, /) -> Function: ...
    @overload
    def define(self, path: str | None = None, /) -> Callable[[Handler], Function]: ...
    def define(self, first: Any = None, /) -> Any:
        """Make a workflow of `handler(step, ...)`: `@workflows.define`, or with a path, `@workflows.define("a:b")`."""
        return self._make(None, first) if callable(first) else lambda handler: self._make(first, handler)

    def start(
        self,
        ctx: MutationCtx | ActionCtx,
        workflow: Function | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        on_complete: Function | str | None = None,
        context: Any = None,
        **kwargs: Any,
    ) -> str:
        """Start a workflow when this has committed; return its id.

        `on_complete` is a mutation, run once with `id`, `context` and `outcome` when it ends, and once more if it is
        resumed. Raises `FunctionNotFoundError` and `ArgumentValidationError`.
        """
        args = {**(args or {}), **kwargs}
        check_workflow(workflow)
        handle = create_function_handle(workflow)
        order = {
            "function": handle,
            "args": args,
            "code": journal.code_of(ctx, handle, args),
            "parallelism": self._parallelism,
            "on_complete": to_be_told(on_complete),
            "context": context,
        }
        id: str = ctx.run_mutation(self._component.start, order)
        return id

    def status(self, ctx: QueryCtx | ActionCtx, id: str) -> Status | None:
        """How a workflow is; `None` if it is not known, or no more: they are kept for a week once they are over."""
        status: Status | None = ctx.run_query(self._component.status, id=id)
        return status

    def steps(self, ctx: QueryCtx | ActionCtx, id: str) -> list[StepStatus]:
        """The steps that it has taken, in the order in which it asked for them. O(steps).

        The `workflow` of a step is the id of the one that it has started.
        """
        steps: list[StepStatus] = ctx.run_query(self._component.steps, id=id)
        return steps

    def send(self, ctx: MutationCtx | ActionCtx, id: str, name: str, value: Any = None) -> bool:
        """Send an event to a workflow, which `step.wait_for(name)` gets once; whether the workflow can still get it."""
        can_get_it: bool = ctx.run_mutation(self._component.send, id=id, name=name, value=value)
        return can_get_it

    def cancel(self, ctx: MutationCtx | ActionCtx, id: str) -> bool:
        """Have it take no further step; whether it was running. An action that runs goes on to its end."""
        was_running: bool = ctx.run_mutation(self._component.cancel, id=id)
        return was_running

    def resume(self, ctx: MutationCtx | ActionCtx, id: str) -> bool:
        """Have one that failed go on with corrected code, from the steps that it has taken; whether it had failed.

        Whoever has it as a step waits for it again, one that failed for it too, unless it has taken a step since then.
        """
        had_failed: bool = ctx.run_mutation(self._component.resume, id=id)
        return had_failed

    def forget(self, ctx: MutationCtx | ActionCtx, id: str) -> bool:
        """Remove what is known of one that is over; whether it was. O(steps)."""
        was_over: bool = ctx.run_mutation(self._component.forget, id=id)
        return was_over

    def _make(self, path: str | None, handler: Handler) -> Function:
        check_plain(handler, "A workflow")
        parameters = list(inspect.signature(handler).parameters.values())
        if any(each.name == ABOUT for each in parameters):
            raise SchemaDefinitionError(
                f"`{handler.__name__}` has a parameter `{ABOUT}`, which workflows use themselves: call it otherwise. "
                "It was not made."
            )
        code = fingerprint(handler)

        @wraps(handler)
        def run(_: QueryCtx, **args: Any) -> Any:
            about = args.pop(ABOUT, None)
            if about is None:
                raise InvalidValueError(
                    f"`{handler.__name__}` is a workflow, and does not run by itself: mutations and actions start it, "
                    f"`workflows.start(ctx, {handler.__name__}, ...)`. It was not started."
                )
            if about == CHECK:
                return {"code": code}
            name = path or handler.__name__
            return _run(handler, Step(name, {**about, "changed": about["code"] != code}, self._retry), args)

        about = inspect.Parameter(ABOUT, inspect.Parameter.KEYWORD_ONLY, annotation=Any, default=None)
        keywords = [each for each in parameters if each.kind is each.VAR_KEYWORD]
        others = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
        run.__signature__ = inspect.Signature([*others, about, *keywords])  # type: ignore[attr-defined]
        run.is_workflow = True  # type: ignore[attr-defined]
        return internal_query(path)(run)


def _run(handler: Handler, step: Step, args: dict[str, Any]) -> dict[str, Any]:
    """One run of a handler: what it asks for, and what it returns if it comes to its end."""
    done, result = False, None
    try:
        result = handler(step, **args)
        step.end()
        done = not step.suspended
    except Suspended:
        pass
    except Exception:
        # One that handles the error of what was caught in vain has not got to its end either.
        if not step.suspended:
            raise
    if step.error is not None:
        raise step.error
    return {"done": done, "result": result if done else None, "requests": step.requests, "missing": step.missing}
