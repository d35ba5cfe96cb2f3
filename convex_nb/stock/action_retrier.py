"""Actions that are tried again until they succeed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb import components
from convex_nb.stock import work
from convex_nb.stock.place import place
from convex_nb.stock.retries import USUAL, Retries, to_retry
from convex_nb.stock.workpool import Status, Workpool

if TYPE_CHECKING:
    from convex_nb import ActionCtx, MutationCtx, QueryCtx
    from convex_nb.functions.definition import Function


class ActionRetrier:
    """Runs actions, each until it succeeds or has failed `max_attempts` times: a work pool of its own.

    An attempt happens at most once; an action happens as often as there are attempts, so let it be one that may. An
    attempt whose process was killed has failed, and the next process hears of it when it opens the file.
    """

    definition: Final = work.component
    """What to install, the component of `Workpool`: `dep.push(components=[ActionRetrier.definition])`."""

    def __init__(
        self,
        component: Any = components.workpool,
        *,
        name: str = "retrier",
        max_attempts: int = USUAL["max_attempts"],
        initial_backoff: float = USUAL["initial_backoff"],
        base: float = USUAL["base"],
        max_parallelism: int | None = 10,
    ) -> None:
        """It waits `initial_backoff` milliseconds after the first failure, `base` times as long after each further
        one, and of that between half and one and a half."""
        place(component, "ActionRetrier", components.workpool)
        retry = to_retry({"max_attempts": max_attempts, "initial_backoff": initial_backoff, "base": base})
        self._pool = Workpool(component, name=name, max_parallelism=max_parallelism, retry=retry)
        self._component = component

    def __repr__(self) -> str:
        return f"ActionRetrier({self._component!r})"

    def run(
        self,
        ctx: MutationCtx | ActionCtx,
        action: Function | str,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        retry: Retries = None,
        on_complete: Function | str | None = None,
        context: Any = None,
        **kwargs: Any,
    ) -> str:
        """Have an action run as soon as this has committed; return the id of this run.

        `on_complete` is a mutation, run once with `id`, `context` and `outcome`. Raises `FunctionNotFoundError`.
        """
        args = {**(args or {}), **kwargs}
        return self._pool.enqueue_action(ctx, action, args, retry=retry, on_complete=on_complete, context=context)

    def status(self, ctx: QueryCtx | ActionCtx, id: str) -> Status | None:
        """How a run is: `pending` between attempts too. `None` for one that is not known, or no more."""
        return self._pool.status(ctx, id)

    def cancel(self, ctx: MutationCtx | ActionCtx, id: str) -> bool:
        """Make no further attempt; whether one was to come or is running, which then goes on to its end."""
        return self._pool.cancel(ctx, id)

    def forget(self, ctx: MutationCtx | ActionCtx, id: str) -> bool:
        """Remove what is known of a run that is over; whether it was. It would be after a week."""
        return self._pool.forget(ctx, id)
