"""A component that counts, and an application that uses it twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import convex_nb
from convex_nb import (
    ConvexError,
    Deployment,
    MutationCtx,
    QueryCtx,
    define_component,
    define_schema,
    define_table,
    v,
)
from convex_nb.functions.components.component import Component
from convex_nb.testing import VirtualClock

SCHEMA = define_schema({"notes": define_table({"text": v.string()})})


def counter(name: str = "counter") -> Component:
    """Counts by name."""
    counts = define_table({"name": v.string(), "n": v.number()}).index("by_name", ["name"])
    component = define_component(name, define_schema({"counts": counts}))

    @component.mutation
    def add(ctx: MutationCtx, name: str, n: float = 1) -> Any:
        found = ctx.db.query("counts").with_index("by_name", name=name).unique()
        if found is None:
            return ctx.db.insert("counts", {"name": name, "n": n})
        ctx.db.patch(found["_id"], {"n": found["n"] + n})
        return found["_id"]

    @component.query
    def total(ctx: QueryCtx, name: str) -> Any:
        found = ctx.db.query("counts").with_index("by_name", name=name).unique()
        return 0 if found is None else found["n"]

    @component.query(args={"id": v.id("counts")})
    def get(ctx: QueryCtx, id: str) -> Any:
        return ctx.db.get(id)

    @component.mutation
    def add_and_fail(ctx: MutationCtx, name: str) -> Any:
        ctx.run_mutation(add, name=name)
        ctx.scheduler.run_after(0, add, name=name)
        raise ConvexError({"code": "no"})

    @component.mutation
    def add_later(ctx: MutationCtx, name: str) -> Any:
        return ctx.scheduler.run_after(1000, add, name=name)

    @component.query
    def jobs(ctx: QueryCtx) -> Any:
        return [job["name"] for job in ctx.db.system.query("_scheduled_functions").collect()]

    @component.query
    def nosy(ctx: QueryCtx, what: str) -> Any:
        return getattr(ctx, what)

    @component.internal_query
    def everything(ctx: QueryCtx) -> Any:
        return ctx.db.query("counts").collect()

    @component.query
    def names(ctx: QueryCtx, paginationOpts: Any) -> Any:  # noqa: N803
        return ctx.db.query("counts").with_index("by_name").paginate(paginationOpts)

    return component


@contextmanager
def opened(*uses: Any) -> Iterator[Deployment]:
    """A deployment with an application's schema and these components, `counter` and `likes` unless given."""
    one = counter()
    with convex_nb.open(clock=VirtualClock(1_000_000)) as dep:
        dep.push(SCHEMA, components=list(uses) or [one, one.named("likes")])
        yield dep
