"""The application that the tests of the server serve."""

from __future__ import annotations

from typing import Any

import convex_nb
from convex_nb import (
    ActionCtx,
    ConvexError,
    Deployment,
    MutationCtx,
    QueryCtx,
    action,
    define_schema,
    define_table,
    internal_query,
    mutation,
    pagination_opts,
    query,
    v,
)

SCHEMA = define_schema(
    {
        "messages": define_table({"author": v.string(), "body": v.string()}).index("by_author", ["author"]),
        "counters": define_table({"name": v.string(), "value": v.number()}).index("by_name", ["name"]),
        "numbers": define_table({"n": v.number()}).index("by_n", ["n"]),
    }
)


@query("messages:list")
def list_messages(ctx: QueryCtx) -> Any:
    return ctx.db.query("messages").collect()


@mutation("messages:send")
def send_message(ctx: MutationCtx, body: str, author: str = "nobody") -> Any:
    return ctx.db.insert("messages", {"author": author, "body": body})


@query("counter:get")
def get_counter(ctx: QueryCtx, name: str = "c") -> Any:
    counter = ctx.db.query("counters").with_index("by_name", name=name).unique()
    return 0 if counter is None else counter["value"]


@mutation("counter:add")
def add_to_counter(ctx: MutationCtx, name: str = "c", by: float = 1) -> Any:
    counter = ctx.db.query("counters").with_index("by_name", name=name).unique()
    if counter is None:
        ctx.db.insert("counters", {"name": name, "value": by})
        return by
    ctx.db.patch(counter["_id"], {"value": counter["value"] + by})
    return counter["value"] + by


@query("numbers:page", args={"paginationOpts": pagination_opts})
def page_of_numbers(ctx: QueryCtx, paginationOpts: Any) -> Any:  # noqa: N803 (as a client in JavaScript names it)
    return ctx.db.query("numbers").with_index("by_n").paginate(paginationOpts)


@query("numbers:page_of_python", args={"pagination_opts": pagination_opts})
def page_of_python(ctx: QueryCtx, pagination_opts: Any) -> Any:
    return ctx.db.query("numbers").with_index("by_n").paginate(pagination_opts)


@mutation("numbers:put")
def put_numbers(ctx: MutationCtx, numbers: list[float]) -> None:
    for n in numbers:
        ctx.db.insert("numbers", {"n": n})


@query("fail:query")
def fail_query(ctx: QueryCtx, how: str = "data") -> Any:
    print("about to fail")
    if how == "data":
        raise ConvexError({"code": 42, "why": "no"})
    raise RuntimeError("the password is 1234")


@mutation("fail:mutation")
def fail_mutation(ctx: MutationCtx, how: str = "data") -> None:
    ctx.db.insert("messages", {"author": "nobody", "body": "gone"})
    fail_query.handler(ctx, how)


@action("fail:action")
def fail_action(ctx: ActionCtx, how: str = "data") -> None:
    fail_query.handler(ctx, how)


@action("act:echo", args={"value": v.any()})
def echo(ctx: ActionCtx, value: Any) -> Any:
    print("hello", 1)
    return value


@action("act:send")
async def act_and_send(ctx: ActionCtx, body: str) -> Any:
    return ctx.run_mutation(send_message, body=body)


@query("values:echo", args={"value": v.any()})
def echo_value(ctx: QueryCtx, value: Any) -> Any:
    return value


@query("auth:who")
def who(ctx: QueryCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    return None if identity is None else identity["subject"]


@internal_query("secret:number")
def secret(ctx: QueryCtx) -> Any:
    return 42


FUNCTIONS = (
    list_messages,
    send_message,
    get_counter,
    add_to_counter,
    page_of_numbers,
    page_of_python,
    put_numbers,
    fail_query,
    fail_mutation,
    fail_action,
    echo,
    act_and_send,
    echo_value,
    who,
    secret,
)


def open_app(**options: Any) -> Deployment:
    """A deployment of the application, empty."""
    deployment = convex_nb.open(**options)
    deployment.push(SCHEMA)
    deployment.register(*FUNCTIONS)
    return deployment
