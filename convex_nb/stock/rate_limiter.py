"""How often something may happen: token buckets and fixed windows, in documents of a component."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, TypedDict, cast

from convex_nb import ConvexError, InvalidValueError, components, define_component, define_schema, define_table, v
from convex_nb.stock.place import place

if TYPE_CHECKING:
    from convex_nb import ActionCtx, MutationCtx, QueryCtx

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

# What repeated sums of fractions of a token lose; nobody waits for that little.
_ROUNDING = 1e-9

_LIMIT = v.object(
    {
        "kind": v.union(v.literal("token bucket"), v.literal("fixed window")),
        "rate": v.number(),
        "period": v.number(),
        "capacity": v.number(),
    }
)
_STATUS = v.object({"ok": v.boolean(), "retryAfter": v.union(v.null(), v.number())})
_WHICH = {"name": v.string(), "key": v.union(v.null(), v.string()), "limit": _LIMIT}
_HOW_MUCH = {**_WHICH, "count": v.number(), "reserve": v.boolean()}

_component = define_component(
    "rate_limiter",
    define_schema(
        {
            "balances": define_table(
                {
                    "name": v.string(),
                    "key": v.union(v.null(), v.string()),
                    "tokens": v.number(),
                    "since": v.number(),
                }
            ).index("by_name", ["name", "key"])
        }
    ),
)


class RateLimit(TypedDict):
    """`rate` tokens come in each `period` (milliseconds), and are kept up to `capacity`, the rate unless given.

    In a "token bucket" they come continuously. In a "fixed window" they come all at once, when a window starts: at
    the multiples of its period since 1970, UTC.
    """

    kind: Literal["token bucket", "fixed window"]
    rate: float
    period: float
    capacity: NotRequired[float]


class Status(TypedDict):
    """Whether it may happen; `retryAfter` is how many milliseconds from now it may, where it may not or was
    reserved."""

    ok: bool
    retryAfter: float | None


class RateLimiter:
    """Limits by name, each of them shared by all or, with a `key`, one for each key.

    Tokens are part of the transaction: a caller that is rolled back gets its own back. `limit` and `reset` are for
    mutations and actions, `check` and `get_value` for queries too. Each costs one document.
    """

    definition: Final = _component
    """What to install: `dep.push(components=[RateLimiter.definition])`."""

    def __init__(self, component: Any = components.rate_limiter, limits: Mapping[str, RateLimit] | None = None) -> None:
        self._component = place(component, "RateLimiter", components.rate_limiter)
        self._limits = {name: _checked(name, limit) for name, limit in (limits or {}).items()}

    def __repr__(self) -> str:
        return f"RateLimiter({self._component!r}: {', '.join(self._limits) or 'no limits'})"

    def limit(
        self,
        ctx: MutationCtx | ActionCtx,
        name: str,
        key: str | None = None,
        *,
        count: float = 1,
        reserve: bool = False,
        throws: bool = False,
        config: RateLimit | None = None,
    ) -> Status:
        """Take `count` tokens if they are there.

        `reserve` takes them though they are not: there is a debt then, which new tokens pay first, and `retryAfter`
        says when they would have been there. `throws` raises instead of saying no: `ConvexError` with the data
        `{"kind": "RateLimited", "name": ..., "retryAfter": ...}`. `config` is a limit that was not named before.
        Raises `InvalidValueError` for a name without a limit, and a count that could never be had.
        """
        args = self._arguments(name, key, count, reserve, config)
        return _raised(name, ctx.run_mutation(self._component.take, args), throws)

    def check(
        self,
        ctx: QueryCtx | ActionCtx,
        name: str,
        key: str | None = None,
        *,
        count: float = 1,
        reserve: bool = False,
        throws: bool = False,
        config: RateLimit | None = None,
    ) -> Status:
        """What `limit` would return or raise now. Takes nothing."""
        args = self._arguments(name, key, count, reserve, config)
        return _raised(name, ctx.run_query(self._component.check, args), throws)

    def get_value(
        self, ctx: QueryCtx | ActionCtx, name: str, key: str | None = None, *, config: RateLimit | None = None
    ) -> float:
        """How many tokens there are now; below zero where more were reserved than came."""
        limit = self._limit(name, config)
        tokens: float = ctx.run_query(self._component.value, name=name, key=key, limit=limit)
        return tokens

    def reset(self, ctx: MutationCtx | ActionCtx, name: str, key: str | None = None) -> None:
        """Forget what was taken: all of the capacity is there again, and debts are gone."""
        ctx.run_mutation(self._component.reset, name=name, key=key)

    def _arguments(
        self, name: str, key: str | None, count: float, reserve: bool, config: RateLimit | None
    ) -> dict[str, Any]:
        limit = self._limit(name, config)
        if not 0 <= count < math.inf:
            raise InvalidValueError(f'A count of tokens is not negative, unlike {count!r} of "{name}". None was taken.')
        if count > limit["capacity"] and not reserve:
            raise InvalidValueError(
                f'{count:g} tokens of "{name}" can never be had at once, since it keeps {limit["capacity"]:g} at most. '
                "None was taken: raise its capacity, or let the call reserve them."
            )
        return {"name": name, "key": key, "limit": limit, "count": count, "reserve": reserve}

    def _limit(self, name: str, config: RateLimit | None) -> RateLimit:
        if config is not None:
            return _checked(name, config)
        if name not in self._limits:
            raise InvalidValueError(
                f'There is no limit "{name}": this limiter has {", ".join(self._limits) or "none"}. Name it when the '
                "limiter is made, or pass config=. No token was taken."
            )
        return self._limits[name]


def is_rate_limit_error(error: BaseException) -> bool:
    """Tell whether this is what `limit(..., throws=True)` raises."""
    return (
        isinstance(error, ConvexError) and isinstance(error.data, Mapping) and error.data.get("kind") == "RateLimited"
    )


def _checked(name: str, limit: RateLimit) -> RateLimit:
    def wrong(what: str) -> InvalidValueError:
        return InvalidValueError(f'The limit "{name}" {what}. No token was taken.', value=limit)

    if not isinstance(limit, Mapping) or limit.get("kind") not in ("token bucket", "fixed window"):
        raise wrong('is a dict whose "kind" is "token bucket" or "fixed window"')
    unknown = sorted(limit.keys() - RateLimit.__annotations__.keys())
    if unknown:
        raise wrong(f'has no "{unknown[0]}": it takes {", ".join(RateLimit.__annotations__)}')
    complete: dict[str, Any] = {"capacity": limit.get("rate"), **limit}
    for field in ("rate", "period", "capacity"):
        value = complete.get(field)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise wrong(f'needs a positive number as its "{field}", not {value!r}')
    return cast(RateLimit, complete)


def _raised(name: str, status: Status, throws: bool) -> Status:
    if throws and not status["ok"]:
        raise ConvexError({"kind": "RateLimited", "name": name, "retryAfter": status["retryAfter"]})
    return status


def _balance(ctx: QueryCtx, name: str, key: str | None) -> Any:
    return ctx.db.query("balances").with_index("by_name", name=name, key=key).unique()


def _at(balance: Any, limit: RateLimit, now: float) -> tuple[float, float]:
    """The tokens there are at a time, and the time since when the next are coming."""
    bucket = limit["kind"] == "token bucket"
    since = now if bucket else now - now % limit["period"]
    if balance is None:
        return limit["capacity"], since
    # A clock may have been set back: what came then does not come again.
    since = max(since, balance["since"])
    periods = (since - balance["since"]) / limit["period"]
    come = limit["rate"] * (periods if bucket else round(periods))
    return min(balance["tokens"] + come, limit["capacity"]), since


def _wait(missing: float, since: float, limit: RateLimit, now: float) -> float:
    """Whole milliseconds until that many tokens have come."""
    periods = missing / limit["rate"]
    if limit["kind"] == "fixed window":
        periods = math.ceil((missing - _ROUNDING) / limit["rate"])
    return max(math.ceil(since + periods * limit["period"] - now), 1)


def _taken(ctx: QueryCtx, args: Mapping[str, Any]) -> tuple[Any, float, float, Status]:
    """The document of a balance, what would be in it with the tokens taken, and what to tell the caller."""
    limit, now = args["limit"], ctx.now()
    balance = _balance(ctx, args["name"], args["key"])
    tokens, since = _at(balance, limit, now)
    rest = tokens - args["count"]
    if rest >= -_ROUNDING:
        return balance, max(rest, 0), since, {"ok": True, "retryAfter": None}
    return balance, rest, since, {"ok": args["reserve"], "retryAfter": _wait(-rest, since, limit, now)}


@_component.mutation(args=_HOW_MUCH, returns=_STATUS)
def take(ctx: MutationCtx, **args: Any) -> Status:
    balance, tokens, since, status = _taken(ctx, args)
    if status["ok"]:
        fields = {"name": args["name"], "key": args["key"], "tokens": tokens, "since": since}
        if balance is None:
            ctx.db.insert("balances", fields)
        else:
            ctx.db.replace(balance["_id"], fields)
    return status


@_component.query(args=_HOW_MUCH, returns=_STATUS)
def check(ctx: QueryCtx, **args: Any) -> Status:
    return _taken(ctx, args)[-1]


@_component.query(args=_WHICH, returns=v.number())
def value(ctx: QueryCtx, name: str, key: str | None, limit: RateLimit) -> float:
    return _at(_balance(ctx, name, key), limit, ctx.now())[0]


@_component.mutation(returns=v.null())
def reset(ctx: MutationCtx, name: str, key: str | None) -> None:
    balance = _balance(ctx, name, key)
    if balance is not None:
        ctx.db.delete(balance["_id"])
