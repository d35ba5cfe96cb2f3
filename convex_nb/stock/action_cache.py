"""Results of an action, kept for a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from convex_nb import (
    InvalidValueError,
    components,
    create_function_handle,
    define_component,
    define_schema,
    define_table,
    encode_key,
    v,
)
from convex_nb.stock.place import place

if TYPE_CHECKING:
    from convex_nb import ActionCtx, MutationCtx, QueryCtx
    from convex_nb.functions.definition import Function

_SWEPT = 10
"""How many results that have expired are deleted when a new one is kept: more than one, so that they become fewer."""

_EXPIRES = v.union(v.null(), v.number())
_component = define_component(
    "action_cache",
    define_schema(
        {
            "results": define_table({"name": v.string(), "args": v.bytes(), "result": v.any(), "expires": _EXPIRES})
            .index("by_args", ["name", "args"])
            .index("by_expires", ["expires"])
        }
    ),
)


class ActionCache:
    """Runs an action once for the same arguments, and gives its result again for `ttl` milliseconds; for good without.

    `name` is what its results are kept under, the action's handle unless given: another name is another cache.
    """

    definition: Final = _component
    """What to install: `dep.push(components=[ActionCache.definition])`."""

    def __init__(
        self,
        component: Any = components.action_cache,
        *,
        action: Function | str,
        ttl: float | None = None,
        name: str | None = None,
    ) -> None:
        if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl < math.inf):
            raise InvalidValueError(f"A result is kept for a positive number of milliseconds, not {ttl!r}.", value=ttl)
        self._component = place(component, "ActionCache", components.action_cache)
        self._action = action
        self._ttl = ttl
        self._name = name

    def __repr__(self) -> str:
        return f"ActionCache({self._component!r}, action={self._action!r}, ttl={self._ttl!r})"

    def fetch(
        self, ctx: ActionCtx, args: Mapping[str, Any] | None = None, /, *, force: bool = False, **kwargs: Any
    ) -> Any:
        """The result for these arguments: one that is kept, else the action's, which is kept then.

        `force` runs the action and keeps its result in place of the other. What raises is not kept. Calls that miss at
        the same time each run it.
        """
        args = {**(args or {}), **kwargs}
        which = self._which(args)
        if not force:
            found = ctx.run_query(self._component.get, which)
            if found is not None:
                return found["result"]
        result = ctx.run_action(self._action, args)
        ctx.run_mutation(self._component.put, **which, result=result, ttl=self._ttl)
        return result

    def remove(self, ctx: MutationCtx | ActionCtx, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> None:
        """Forget the result for these arguments."""
        ctx.run_mutation(self._component.remove, self._which({**(args or {}), **kwargs}))

    def clear(self, ctx: MutationCtx | ActionCtx) -> None:
        """Forget all results under this name. O(results)."""
        ctx.run_mutation(self._component.clear, name=self._named())

    def _which(self, args: Mapping[str, Any]) -> dict[str, Any]:
        # Arguments may be longer than what an index takes.
        return {"name": self._named(), "args": blake2b(encode_key(dict(args)), digest_size=32).digest()}

    def _named(self) -> str:
        return create_function_handle(self._action) if self._name is None else self._name


def _find(ctx: QueryCtx, name: str, args: bytes) -> Any:
    return ctx.db.query("results").with_index("by_args", name=name, args=args).unique()


@_component.query(returns=v.union(v.null(), v.object({"result": v.any()})))
def get(ctx: QueryCtx, name: str, args: bytes) -> Any:
    found = _find(ctx, name, args)
    if found is None or (found["expires"] is not None and found["expires"] <= ctx.now()):
        return None
    return {"result": found["result"]}


@_component.mutation(returns=v.null())
def put(ctx: MutationCtx, name: str, args: bytes, result: Any, ttl: float | None) -> None:
    expired = ctx.db.query("results").with_index(
        "by_expires", lambda q: q.gt("expires", None).lte("expires", ctx.now())
    )
    for each in expired.take(_SWEPT):
        ctx.db.delete(each["_id"])
    remove.handler(ctx, name, args)
    expires = None if ttl is None else ctx.now() + ttl
    ctx.db.insert("results", {"name": name, "args": args, "result": result, "expires": expires})


@_component.mutation(returns=v.null())
def remove(ctx: MutationCtx, name: str, args: bytes) -> None:
    found = _find(ctx, name, args)
    if found is not None:
        ctx.db.delete(found["_id"])


@_component.mutation(returns=v.null())
def clear(ctx: MutationCtx, name: str) -> None:
    for each in ctx.db.query("results").with_index("by_args", name=name).collect():
        ctx.db.delete(each["_id"])
