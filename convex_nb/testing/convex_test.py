"""A deployment of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from convex_nb.deployment.acting import Acting
from convex_nb.deployment.definitions import anonymous_function
from convex_nb.deployment.opening import open as open_deployment
from convex_nb.functions.contexts import MutationCtx
from convex_nb.functions.identity import to_identity
from convex_nb.functions.origin import Origin
from convex_nb.language.errors import SchedulingError
from convex_nb.testing.clock import VirtualClock

if TYPE_CHECKING:
    from convex_nb.deployment.components.installed import InstalledComponent
    from convex_nb.functions.components.component import Component
    from convex_nb.functions.http.messages import HeadersLike, Request, Response
    from convex_nb.language.documents import Document
    from convex_nb.language.schema import SchemaDefinition
    from convex_nb.services.files.storage import ActionStorage


class ArrangingCtx(MutationCtx):
    """The context of a mutation, which stores and reads files, too. What it stores is there at once, and stays."""

    __slots__ = ()

    @property
    def storage(self) -> ActionStorage:
        """The files."""
        found: ActionStorage = self._execution.service("storage").action
        return found


class ActingTest(Acting):
    """Calls of a test, for somebody or nobody: public and internal functions alike."""

    def run(self, handler: Callable[[ArrangingCtx], Any], /) -> Any:
        """Run `handler(ctx)` as a mutation and return its value: to arrange data and files, and to look at them."""
        # Refuses what could not be a mutation.
        anonymous_function(handler, "mutation", "run")

        def arranged(ctx: MutationCtx) -> Any:
            return handler(ArrangingCtx(ctx._execution, ctx.db))

        return self.mutation(anonymous_function(arranged, "mutation", "run"))


class ConvexTest(ActingTest):
    """An empty deployment under a schema, with a clock that only `advance` moves. `with ConvexTest(...)` closes it."""

    def __init__(self, schema: SchemaDefinition | None = None, *, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.deployment = open_deployment(clock=self.clock)
        super().__init__(self.deployment)
        if schema is not None:
            self.deployment.push(schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def register_component(self, component: Component, name: str | None = None) -> InstalledComponent:
        """Install a component, under its own name unless another is given; what to call its functions by, and see its
        tables."""
        self.deployment.use(component, name)
        return self.deployment.components[name or component.name]

    def fetch(
        self,
        target: str | Request,
        *,
        method: str = "GET",
        headers: HeadersLike = None,
        body: str | bytes | None = None,
    ) -> Response:
        """Answer a request by the HTTP actions that were pushed: see `dep.fetch`."""
        return self.deployment.fetch(target, method=method, headers=headers, body=body)

    def with_identity(self, identity: Mapping[str, Any] | None = None, /, **claims: Any) -> ActingTest:
        """The same deployment, called as a user: `t.with_identity(name="Ada").query(...)`.

        `subject`, `issuer` and `tokenIdentifier` are made up where they are absent, the same for the same claims.
        """
        return ActingTest(self.deployment, Origin("user", to_identity({**(identity or {}), **claims})))

    def advance(self, ms: float | timedelta) -> None:
        """Move the clock by so many milliseconds; what is scheduled on the way runs, each job at its own time.

        An action that takes longer than a second of real time goes on while this returns: see
        `finish_in_progress_scheduled_functions`.
        """
        self.clock.advance(ms)

    def finish_in_progress_scheduled_functions(self, *, timeout: float = 60.0) -> None:
        """Run what is due now, and wait until nothing is running. Raises `TimeoutError`."""
        schedules = self.deployment.schedules
        while True:
            schedules.run_due()
            if not schedules.running:
                return
            if not schedules.wait(timeout):
                names = ", ".join(sorted({schedules[id]["name"] for id in schedules.running if id in schedules}))
                raise TimeoutError(f"Scheduled functions are still running after {timeout:g} seconds: {names}.")

    def finish_all_scheduled_functions(
        self, advance: Callable[[], object] | None = None, *, max_rounds: int = 100
    ) -> None:
        """Run scheduled functions, and those that they schedule, until none is left; the clock moves to their times.

        `advance`, if given, moves it instead. Crons on the way run as well, but none is waited for. Raises
        `SchedulingError` when after so many rounds there are still others.
        """
        for _ in range(max_rounds):
            self.finish_in_progress_scheduled_functions()
            due = min([job["scheduledTime"] for job in self._pending()], default=None)
            if due is None:
                return
            if advance is not None:
                advance()
            else:
                self.clock.advance(max(0.0, due - self.clock.now))
        left = len(self._pending())
        raise SchedulingError(
            f"After {max_rounds} rounds there are still {left} scheduled functions: does one of them schedule itself, "
            "or is the deployment paused? Give a larger `max_rounds`, or use `advance(ms)`."
        )

    def _pending(self) -> list[Document]:
        inside = [each.schedules for each in self.deployment.components.values()]
        return [job for schedules in (self.deployment.schedules, *inside) for job in schedules.pending.values()]

    def close(self) -> None:
        """Close the deployment."""
        self.deployment.close()
