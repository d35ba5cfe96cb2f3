"""A small application that the tests of functions, deployments and the reactor share."""

from __future__ import annotations

from typing import Any

import convex_nb
from convex_nb import Deployment, MutationCtx, QueryCtx, define_schema, define_table, mutation, query, v

SCHEMA = define_schema(
    {
        "tasks": define_table({"text": v.string(), "done": v.boolean()}).index("by_done", ["done"]),
        "counters": define_table({"name": v.string(), "value": v.number()}).index("by_name", ["name"]),
    }
)


@query("tasks:list")
def list_tasks(ctx: QueryCtx, done: bool = False) -> Any:
    return ctx.db.query("tasks").with_index("by_done", done=done).collect()


@query("tasks:get", args={"id": v.id("tasks")})
def get_task(ctx: QueryCtx, id: str) -> Any:
    return ctx.db.get(id)


@mutation("tasks:add")
def add_task(ctx: MutationCtx, text: str, done: bool = False) -> Any:
    return ctx.db.insert("tasks", {"text": text, "done": done})


@mutation("tasks:finish", args={"id": v.id("tasks")})
def finish_task(ctx: MutationCtx, id: str) -> None:
    ctx.db.patch(id, {"done": True})


@query("counters:value")
def counter_value(ctx: QueryCtx, name: str) -> Any:
    counter = ctx.db.query("counters").with_index("by_name", name=name).unique()
    return None if counter is None else counter["value"]


@mutation("counters:add")
def add_to_counter(ctx: MutationCtx, name: str, by: int = 1) -> Any:
    counter = ctx.db.query("counters").with_index("by_name", name=name).unique()
    if counter is None:
        ctx.db.insert("counters", {"name": name, "value": by})
        return by
    ctx.db.patch(counter["_id"], {"value": counter["value"] + by})
    return counter["value"] + by


def open_app() -> Deployment:
    """A deployment in memory with these tables and functions."""
    deployment = convex_nb.open()
    deployment.push(SCHEMA)
    deployment.register(list_tasks, get_task, add_task, finish_task, counter_value, add_to_counter)
    return deployment
