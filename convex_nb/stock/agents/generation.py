"""The component's functions of replies that are being made: begun, streamed, finished, failed, aborted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb import v
from convex_nb.stock.agents.component import (
    NULL_OR_STRING,
    TOOL_CALL,
    UNDER_WAY,
    aborts_of,
    component,
    deltas_of,
    end_reply,
    message_of,
    messages_of_order,
    thread_of,
)
from convex_nb.stock.agents.conversations import insert

if TYPE_CHECKING:
    from convex_nb import Document, MutationCtx, QueryCtx

_QUIET_MS: Final = 10 * 60 * 1000
"""As long as an action may take."""


@component.query(args={"prompt_message": v.id("messages"), "recent": v.number(), "exclude_tool_messages": v.boolean()})
def context(ctx: QueryCtx, prompt_message: str, recent: int, exclude_tool_messages: bool) -> Any:
    """The prompt, what answers it so far, and at most so many messages before it, oldest first.

    And the thread's `aborts`: an answer for which these are not what they were when it began is not wanted any more.
    """
    prompt = message_of(ctx, prompt_message)
    order = messages_of_order(ctx, prompt["thread"], prompt["order"])
    good = [each for each in order if each["status"] == "success"]
    before = (
        ctx.db.query("messages")
        .with_index("by_order", lambda q: q.eq("thread", prompt["thread"]).lt("order", prompt["order"]))
        .order("desc")
        .filter(lambda q: q.field("status") == "success")
    )
    if exclude_tool_messages:
        before = before.filter(lambda q: (q.field("role") != "tool") & (q.field("tool_calls") == []))
    return {
        "recent": before.take(recent)[::-1] if recent else [],
        "prompt": [*(each for each in good if each["step_order"] < prompt["step_order"]), prompt],
        "replies": [each for each in good if each["step_order"] > prompt["step_order"]],
        "aborts": aborts_of(ctx, prompt["thread"]),
    }


@component.query(args={"thread": v.string()})
def aborts(ctx: QueryCtx, thread: str) -> Any:
    return aborts_of(ctx, thread)


@component.mutation(
    args={
        "prompt_message": v.id("messages"),
        "agent_name": v.string(),
        "streaming": v.boolean(),
        "replies": v.number(),
        "aborts": v.union(v.null(), v.number()),
    },
    returns=NULL_OR_STRING,
)
def begin(
    ctx: MutationCtx, prompt_message: str, agent_name: str, streaming: bool, replies: int, aborts: float | None
) -> str | None:
    """Begin a reply to a prompt that has so many, in a thread that was aborted so often; `None` if there are others
    now, or no prompt, so that the agent looks again."""
    prompt = ctx.db.get(prompt_message)
    if prompt is None:
        return None
    order = messages_of_order(ctx, prompt["thread"], prompt["order"])
    after = [each for each in order if each["step_order"] > prompt["step_order"]]
    if sum(each["status"] == "success" for each in after) != replies or aborts_of(ctx, prompt["thread"]) != aborts:
        return None
    for each in after:
        if each["status"] in UNDER_WAY and each["agent_name"] == agent_name:
            # Its process may be gone. If it is not, what it makes will not be taken.
            end_reply(ctx, each, {"status": "failed", "error": "Another attempt to answer has begun."})
    status = "streaming" if streaming else "pending"
    thread = thread_of(ctx, prompt["thread"])
    about = {"role": "assistant", "status": status, "agent_name": agent_name, "prompt": prompt_message}
    id = insert(ctx, thread, prompt["order"], **about)
    ctx.db.patch(id, {"watch": ctx.scheduler.run_after(_QUIET_MS, look, message=id)})
    return id


@component.internal_mutation(args={"message": v.id("messages")}, returns=v.null())
def look(ctx: MutationCtx, message: str) -> None:
    """Give up a reply of which nothing was heard for so long that its process must be gone."""
    found = _under_way(ctx, message)
    if found is None:
        return
    deltas = deltas_of(ctx, message)
    quiet = max(each["_creationTime"] for each in (found, *deltas)) + _QUIET_MS
    watch = ctx.scheduler.run_at(quiet, look, message=message) if quiet > ctx.now() else None
    ctx.db.patch(message, {"watch": watch})
    if watch is None:
        error = "Nothing was heard of it for ten minutes: its process may have ended."
        end_reply(ctx, message_of(ctx, message), {"status": "failed", "error": error})


@component.mutation(args={"message": v.id("messages"), "number": v.number(), "text": v.string()}, returns=v.boolean())
def add_delta(ctx: MutationCtx, message: str, number: int, text: str) -> bool:
    """Add to what is streamed; whether there is still need of it."""
    if _under_way(ctx, message) is None:
        return False
    ctx.db.insert("deltas", {"message": message, "number": number, "text": text})
    return True


@component.mutation(
    args={
        "message": v.id("messages"),
        "text": v.string(),
        "tool_calls": v.array(TOOL_CALL),
        "usage": v.any(),
    },
    returns=v.boolean(),
)
def finish(ctx: MutationCtx, message: str, tool_calls: list[dict[str, Any]], **reply: Any) -> bool:
    """Keep a reply that is whole; whether there was still need of it."""
    found = _under_way(ctx, message)
    if found is not None:
        calls = _with_ids(ctx, tool_calls, messages_of_order(ctx, found["thread"], found["order"]))
        end_reply(ctx, found, {"status": "success", **reply, "tool_calls": calls})
    return found is not None


@component.mutation(args={"message": v.id("messages"), "text": v.string(), "error": v.string()}, returns=v.null())
def fail(ctx: MutationCtx, message: str, text: str, error: str) -> None:
    found = _under_way(ctx, message)
    if found is not None:
        end_reply(ctx, found, {"status": "failed", "text": text, "error": error})


def _under_way(ctx: QueryCtx, message: str) -> Document | None:
    found = ctx.db.get(message)
    return found if found is not None and found["status"] in UNDER_WAY else None


def _with_ids(
    ctx: MutationCtx, calls: Iterable[Mapping[str, Any]], order: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Tool calls, each with an id that no other call of this order has."""
    # Some models give none, or count from the same number in each answer.
    taken = {call["id"] for message in order for call in message["tool_calls"]}
    found = []
    for call in calls:
        id = call["id"]
        if not id or id in taken:
            id = f"call_{ctx.random.getrandbits(64):016x}"
        taken.add(id)
        found.append({**call, "id": id})
    return found
