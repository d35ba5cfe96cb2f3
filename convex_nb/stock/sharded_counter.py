"""Counts that many mutations raise at once: each is spread over several documents of a component."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from convex_nb import InvalidValueError, components, define_component, define_schema, define_table, v
from convex_nb.stock.place import place

if TYPE_CHECKING:
    from convex_nb import ActionCtx, MutationCtx, QueryCtx

_component = define_component(
    "sharded_counter",
    define_schema(
        {
            "shards": define_table({"name": v.string(), "shard": v.number(), "value": v.number()}).index(
                "by_name", ["name", "shard"]
            )
        }
    ),
)


class ShardedCounter:
    """Counts by name, zero to begin with, each in up to `shards` documents.

    A mutation writes one of them at random, so that two at once seldom touch the same. Changes are a part of the
    caller's transaction.
    """

    definition: Final = _component
    """What to install: `dep.push(components=[ShardedCounter.definition])`."""

    def __init__(self, component: Any = components.sharded_counter, *, shards: int = 16) -> None:
        if isinstance(shards, bool) or not isinstance(shards, int) or shards < 1:
            raise InvalidValueError(f"A counter has one shard or more, not {shards!r}. It was not made.", value=shards)
        self._component = place(component, "ShardedCounter", components.sharded_counter)
        self._shards = shards

    def __repr__(self) -> str:
        return f"ShardedCounter({self._component!r}, shards={self._shards})"

    def add(self, ctx: MutationCtx | ActionCtx, name: str, count: float = 1) -> None:
        """Add `count`, which may be negative or a fraction. Raises `InvalidValueError` for what is not finite."""
        if isinstance(count, bool) or not isinstance(count, int | float) or not math.isfinite(count):
            raise InvalidValueError(f'Only a number can be added to "{name}", not {count!r}. Nothing was added.')
        ctx.run_mutation(self._component.add, name=name, count=count, shards=self._shards)

    def inc(self, ctx: MutationCtx | ActionCtx, name: str) -> None:
        """Add one."""
        self.add(ctx, name)

    def dec(self, ctx: MutationCtx | ActionCtx, name: str) -> None:
        """Take one away."""
        self.add(ctx, name, -1)

    def count(self, ctx: QueryCtx | ActionCtx, name: str) -> float:
        """The exact count. Costs O(shards), and depends on all of them: whoever counts meets every writer."""
        count: float = ctx.run_query(self._component.count, name=name)
        return count

    def reset(self, ctx: MutationCtx | ActionCtx, name: str) -> None:
        """Begin again at zero. Costs O(shards)."""
        ctx.run_mutation(self._component.reset, name=name)


@_component.mutation(args={"name": v.string(), "count": v.number(), "shards": v.number()}, returns=v.null())
def add(ctx: MutationCtx, name: str, count: float, shards: float) -> None:
    shard = ctx.random.randrange(int(shards))
    found = ctx.db.query("shards").with_index("by_name", name=name, shard=shard).unique()
    if found is None:
        ctx.db.insert("shards", {"name": name, "shard": shard, "value": count})
    else:
        ctx.db.patch(found["_id"], {"value": found["value"] + count})


@_component.query(args={"name": v.string()}, returns=v.number())
def count(ctx: QueryCtx, name: str) -> float:
    total: float = sum(each["value"] for each in _shards(ctx, name))
    return total


@_component.mutation(args={"name": v.string()}, returns=v.null())
def reset(ctx: MutationCtx, name: str) -> None:
    for each in _shards(ctx, name):
        ctx.db.delete(each["_id"])


def _shards(ctx: QueryCtx, name: str) -> list[Any]:
    return list(ctx.db.query("shards").with_index("by_name", name=name).collect())
