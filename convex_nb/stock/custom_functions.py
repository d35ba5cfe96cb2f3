"""Custom functions: decorators that do something before a handler runs, and give it more than a context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb import SchemaDefinitionError

if TYPE_CHECKING:
    from convex_nb.functions.definition import Decorator

Prelude: TypeAlias = Callable[..., Mapping[str, Any] | None]


def custom(base: Decorator) -> Callable[[Prelude], Decorator]:
    """Make a decorator like `base`, of which there may be any: `query`, `triggers.mutation`, one made by this.

    It decorates a prelude, `def with_user(ctx, token: str)`, which then decorates handlers as `base` would. The
    prelude runs first, with arguments of its own that every caller passes. What it returns is on the handler's `ctx`
    by name; what it raises, the caller gets. Raises `SchemaDefinitionError` for what is no plain `def`.
    """

    def take(prelude: Prelude) -> Decorator:
        check_plain(prelude, "A custom function")
        try:
            own = list(inspect.signature(prelude, eval_str=True).parameters.values())[1:]
        except NameError as error:
            raise SchemaDefinitionError(
                f"`{prelude.__name__}` has an annotation that cannot be read ({error}): define its names before it."
            ) from None
        return decorating(base, "A custom function", lambda handler: _after(prelude, own, handler))

    return take


def decorating(
    base: Decorator, what: str, around: Callable[[Callable[..., Any]], Callable[..., Any]], doc: str | None = None
) -> Decorator:
    """A decorator that takes what `base` takes, and gives it handlers with something around them."""

    def decorate(first: Any = None, /, **options: Any) -> Any:
        def wrapped(handler: Any) -> Callable[..., Any]:
            check_plain(handler, what)
            return around(handler)

        if first is not None and not isinstance(first, str):
            return base(wrapped(first))
        make = base(first, **options)
        return lambda handler: make(wrapped(handler))

    decorate.__doc__ = doc
    return decorate


def check_plain(handler: Any, what: str) -> None:
    """Raise `SchemaDefinitionError` for what does not run when it is called, or is decorated already."""
    if not inspect.isroutine(handler) or inspect.iscoroutinefunction(handler) or inspect.isgeneratorfunction(handler):
        raise SchemaDefinitionError(f"{what} is made of a plain `def`, not of {handler!r}. It was not made.")


def _after(prelude: Prelude, own: list[inspect.Parameter], handler: Callable[..., Any]) -> Callable[..., Any]:
    names = [each.name for each in own]
    ctx, *parameters = inspect.signature(handler).parameters.values()
    twice = [each.name for each in parameters if each.name in names]
    if twice:
        raise SchemaDefinitionError(
            f"`{handler.__name__}` has a parameter `{twice[0]}`, which `{prelude.__name__}` takes: let that return it, "
            f"as `ctx.{twice[0]}`. It was not made."
        )

    @wraps(handler)
    def customized(ctx: Any, **args: Any) -> Any:
        given = {name: args.pop(name) for name in names if name in args}
        return handler(_Context(ctx, prelude(ctx, **given) or {}), **args)

    ordered = sorted([*own, *parameters], key=lambda each: (each.kind, each.default is not each.empty))
    customized.__signature__ = inspect.Signature([ctx, *ordered])  # type: ignore[attr-defined]
    return customized


class _Context:
    """A context with more on it."""

    def __init__(self, ctx: Any, more: Mapping[str, Any]) -> None:
        self.__dict__.update(more)
        self.__dict__["_ctx"] = ctx

    def __repr__(self) -> str:
        return repr(self._ctx)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_ctx"], name)
