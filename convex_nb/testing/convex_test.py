"""A deployment of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from convex_nb.deployment.definitions import anonymous_function
from convex_nb.deployment.opening import open as open_deployment
from convex_nb.testing.clock import VirtualClock

if TYPE_CHECKING:
    from convex_nb.functions.contexts import MutationCtx
    from convex_nb.functions.registry import Target
    from convex_nb.language.schema import SchemaDefinition


class ConvexTest:
    """An empty deployment under a schema, with a clock that only `advance` moves. `with ConvexTest(...)` closes it."""

    def __init__(self, schema: SchemaDefinition | None = None, *, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.deployment = open_deployment(clock=self.clock)
        if schema is not None:
            self.deployment.push(schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a query."""
        return self.deployment.query(function, args, **kwargs)

    def mutation(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a mutation."""
        return self.deployment.mutation(function, args, **kwargs)

    def run(self, handler: Callable[[MutationCtx], Any], /) -> Any:
        """Run `handler(ctx)` as a mutation and return its value: to arrange data, and to look at them."""
        return self.deployment.mutation(anonymous_function(handler, "mutation", "run"))

    def advance(self, ms: float) -> None:
        """Move the clock by so many milliseconds."""
        self.clock.advance(ms)

    def close(self) -> None:
        """Close the deployment."""
        self.deployment.close()
