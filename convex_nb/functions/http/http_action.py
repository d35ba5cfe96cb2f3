"""An HTTP action: a handler of requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from convex_nb.functions.contexts import ActionCtx
from convex_nb.functions.http.messages import Request, Response
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError, LimitError, SchemaDefinitionError

if TYPE_CHECKING:
    from convex_nb.functions.contexts import Calls
    from convex_nb.functions.execution import Execution
    from convex_nb.functions.origin import Origin
    from convex_nb.functions.runner import Runner

LARGEST = 20 << 20
"""Of a request's body, and of a response's that is not in pieces, in bytes."""


class HttpAction:
    """What `@http_action` makes of `def handler(ctx, request)`, plain or `async`. A router gives it its path."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        if not callable(handler) or isinstance(handler, (type, HttpAction)):
            raise SchemaDefinitionError(
                f"An HTTP action is a `def` with the parameters `ctx` and `request`, not {describe(handler, 80)}."
            )
        if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
            raise SchemaDefinitionError(
                f"`{handler.__name__}` is a generator: return a `Response` whose body is one, to send it in pieces."
            )
        try:
            inspect.signature(handler).bind(None, None)
        except TypeError:
            raise SchemaDefinitionError(
                f"`{_name_of(handler)}` does not take what an HTTP action gets: write `def {_name_of(handler)}(ctx, "
                "request)`."
            ) from None
        self.handler = handler
        self.is_async = inspect.iscoroutinefunction(handler)
        self.__name__ = _name_of(handler)
        self.__qualname__ = getattr(handler, "__qualname__", self.__name__)
        self.__module__ = getattr(handler, "__module__", None) or "__main__"
        self.__doc__ = handler.__doc__
        self.__wrapped__ = handler

    def __repr__(self) -> str:
        return f"<HTTP action {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 (however it is called)
        raise InvalidValueError(
            f"`{self.__name__}` did not run: an HTTP action answers requests. Put it into a router, `dep.push(http="
            'router)`, and ask it with `dep.fetch("/path")`; or call `.handler(ctx, request)` inside another one.'
        )

    def is_again(self, other: HttpAction) -> bool:
        """Whether this is the same definition, run another time."""
        return (self.__module__, self.__qualname__) == (other.__module__, other.__qualname__)

    def respond(
        self,
        runner: Runner,
        path: str,
        request: Request,
        calls_of: Callable[[Execution], Calls],
        origin: Origin,
        run: Callable[[Any], Any],
        component: str = "",
    ) -> Response:
        """Run it for a request, as code of a component if it is one's; `run` runs the coroutine of an `async def`.

        Raises what it raises.
        """
        with runner.acting(path, origin) as execution:
            execution.component = component
            ctx = ActionCtx(execution, calls_of(execution))
            if self.is_async:
                response = run(self._awaited(execution, ctx, request))
            else:
                response = self.handler(ctx, request)
            if not isinstance(response, Response):
                raise InvalidValueError(
                    f"The HTTP action `{self.__name__}` returned {describe(response, 80)}: return a `Response`.",
                    value=response,
                )
            if response.pieces is None and len(response.bytes()) > LARGEST:
                raise LimitError(
                    f"The HTTP action `{self.__name__}` answered with {len(response.bytes()):,} bytes; at most "
                    f"{LARGEST:,} are sent in one piece.",
                    kind="http_response_bytes",
                    limit=LARGEST,
                    used=len(response.bytes()),
                )
            return response

    async def _awaited(self, execution: Execution, ctx: ActionCtx, request: Request) -> Any:
        async with execution.timeout():
            return await self.handler(ctx, request)


def _name_of(handler: Any) -> str:
    return getattr(handler, "__name__", None) or type(handler).__name__


def http_action(handler: Callable[..., Any], /) -> HttpAction:
    """Make an HTTP action of `def handler(ctx, request)`: it returns a `Response`, and may do anything, once."""
    return HttpAction(handler)
