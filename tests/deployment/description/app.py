"""An application with something of every kind, as other programs are told of it."""

from __future__ import annotations

from typing import Any

import convex_nb
from convex_nb import (
    ActionCtx,
    Deployment,
    Int64,
    MutationCtx,
    QueryCtx,
    Request,
    Response,
    action,
    define_schema,
    define_table,
    http_router,
    internal_mutation,
    mutation,
    query,
    v,
)

SCHEMA = define_schema(
    {
        "messages": define_table(
            {
                "author": v.id("users"),
                "body": v.string(),
                "mood": v.nullable(v.union(v.literal("good"), v.literal("bad"))),
                "seen": v.optional(v.int64()),
                "place": v.object({"x": v.number(), "y": v.number()}),
            }
        ),
        "users": define_table(
            v.union(
                v.object({"kind": v.literal("person"), "name": v.string()}),
                v.object({"kind": v.literal("robot"), "class": v.string()}),
            )
        ),
        "anything": define_table(v.any()),
    }
)
http = http_router()


@query(
    "messages:recent",
    args={"author": v.optional(v.id("users")), "moods": v.array(v.string())},
    returns=v.array(v.object({"body": v.string(), "seen": v.int64()})),
)
def recent(ctx: QueryCtx, moods: Any, author: Any = None) -> Any:
    """The newest messages of "everybody", or of one.

    There is more to say.
    """
    return [{"body": "hello", "seen": Int64(2)}]


@mutation("messages:send", returns=v.id("anything"))
def send(ctx: MutationCtx, body: str, seen: Int64 | None = None, tags: dict[str, float] | None = None) -> Any:
    return ctx.db.insert("anything", {"body": body})


@internal_mutation("messages:sweep")
def sweep(ctx: MutationCtx) -> None: ...


@action("admin/tools-2:import", args={"from": v.string(), "raw": v.bytes()})
def import_from(ctx: ActionCtx, **args: Any) -> Any:
    return [args["from"], args["raw"]]


@query("ping", args=v.any())
def ping(ctx: QueryCtx, **args: Any) -> Any:
    return "pong"


@http.route("/hook", method="POST")
def hook(ctx: ActionCtx, request: Request) -> Response:
    return Response()


def open_app() -> Deployment:
    """A deployment of it."""
    deployment = convex_nb.open()
    deployment.push(SCHEMA, http=http)
    deployment.register(recent, send, sweep, import_from, ping)
    return deployment
