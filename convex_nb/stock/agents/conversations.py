"""The component's functions of threads and of messages that are said: saved, listed and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from convex_nb import InvalidValueError, size_of, v
from convex_nb.stock.agents.component import (
    ABOUT,
    NULL_OR_STRING,
    ROLE,
    ROLES,
    aborts_of,
    as_shown,
    component,
    deltas_of,
    end_reply,
    message_of,
    messages_of_order,
    thread_of,
    under_way_in,
)

if TYPE_CHECKING:
    from convex_nb import Document, MutationCtx, QueryCtx

_BATCH: Final = 100
_BATCH_BYTES: Final = 4 << 20
_LAST: Final = 2.0**53
_SAID: Final = v.object(
    {
        "role": ROLE,
        "text": v.string(),
        "parts": v.union(v.null(), v.array(v.any())),
        "agent_name": NULL_OR_STRING,
        "metadata": v.any(),
    }
)


@component.mutation(args=ABOUT, returns=v.string())
def create_thread(ctx: MutationCtx, **about: Any) -> str:
    return ctx.db.insert("threads", about)


@component.query(args={"thread": v.id("threads")})
def get_thread(ctx: QueryCtx, thread: str) -> Any:
    found = ctx.db.get(thread)
    return None if found is None else _public(found)


@component.mutation(args={"thread": v.id("threads"), "changes": v.record(v.string(), NULL_OR_STRING)}, returns=v.null())
def update_thread(ctx: MutationCtx, thread: str, changes: dict[str, Any]) -> None:
    ctx.db.patch(thread_of(ctx, thread)["_id"], changes)


@component.query(args={"user": NULL_OR_STRING, "options": v.any(), "direction": v.string()})
def list_threads(ctx: QueryCtx, user: str | None, options: Any, direction: Any) -> Any:
    page = ctx.db.query("threads").with_index("by_user", user=user).order(direction).paginate(options)
    return {**page, "page": [_public(thread) for thread in page["page"]]}


@component.mutation(args={"thread": v.id("threads")}, returns=v.boolean())
def delete_thread(ctx: MutationCtx, thread: str) -> bool:
    if ctx.db.get(thread) is None:
        return False
    # First, so that nothing is added while its messages go.
    ctx.db.delete(thread)
    delete_messages_of.handler(ctx, thread)
    return True


@component.mutation(args={"user": v.string()}, returns=v.null())
def delete_threads_of(ctx: MutationCtx, user: str) -> None:
    found = ctx.db.query("threads").with_index("by_user", user=user).take(_BATCH)
    for thread in found:
        # The messages of each are for transactions of their own: of all together there may be too many for one.
        ctx.db.delete(thread["_id"])
        ctx.scheduler.run_after(0, delete_messages_of, thread=thread["_id"])
    if len(found) == _BATCH:
        ctx.scheduler.run_after(0, delete_threads_of, user=user)


@component.mutation(args={"thread": v.id("threads"), "said": v.array(_SAID), "prompt_message": NULL_OR_STRING})
def save_messages(ctx: MutationCtx, thread: str, said: list[dict[str, Any]], prompt_message: str | None) -> Any:
    about = thread_of(ctx, thread)
    if prompt_message is None:
        order = next_order(ctx, thread)
        return [insert(ctx, about, order + number, **each) for number, each in enumerate(said)]
    prompt = message_of(ctx, prompt_message)
    if prompt["thread"] != thread:
        raise InvalidValueError(
            f"The message {prompt_message!r} is in the thread {prompt['thread']!r}, not in {thread!r}. Nothing was "
            "saved.",
            value=prompt_message,
        )
    return [insert(ctx, about, prompt["order"], **each) for each in said]


@component.query(
    args={"thread": v.id("threads"), "options": v.any(), "direction": v.string(), "exclude_tool_messages": v.boolean()}
)
def list_messages(ctx: QueryCtx, thread: str, options: Any, direction: Any, exclude_tool_messages: bool) -> Any:
    page = _messages(ctx, thread, direction, exclude_tool_messages).paginate(options)
    return {**page, "page": [as_shown(ctx, message) for message in page["page"]]}


@component.query(args={"thread": v.id("threads"), "limit": v.number(), "exclude_tool_messages": v.boolean()})
def last_messages(ctx: QueryCtx, thread: str, limit: int, exclude_tool_messages: bool) -> Any:
    # No page of `list_messages`: a query reads one page and no more, but may want to show several threads.
    found = _messages(ctx, thread, "desc", exclude_tool_messages).take(limit)
    return [as_shown(ctx, message) for message in reversed(found)]


@component.query(args={"messages": v.array(v.id("messages"))})
def get_messages(ctx: QueryCtx, messages: list[str]) -> Any:
    found = [ctx.db.get(message) for message in messages]
    return [None if each is None else as_shown(ctx, each) for each in found]


@component.mutation(args={"messages": v.array(v.id("messages"))}, returns=v.number())
def delete_messages(ctx: MutationCtx, messages: list[str]) -> int:
    return _delete(ctx, [each for message in dict.fromkeys(messages) if (each := ctx.db.get(message)) is not None])


@component.mutation(
    args={"thread": v.id("threads"), "start": v.array(v.number()), "end": v.array(v.number())}, returns=v.number()
)
def delete_range(ctx: MutationCtx, thread: str, start: list[float], end: list[float]) -> int:
    found = ctx.db.query("messages").with_index(
        "by_order", lambda q: q.eq("thread", thread).gte("order", start[0]).lte("order", end[0])
    )
    return _delete(ctx, [each for each in found.collect() if start <= [each["order"], each["step_order"]] < end])


@component.mutation(
    args={
        "prompt_message": v.id("messages"),
        "tool_call_id": v.string(),
        "text": v.string(),
        "error": NULL_OR_STRING,
        "agent_name": NULL_OR_STRING,
        "metadata": v.any(),
    },
    returns=NULL_OR_STRING,
)
def save_result(ctx: MutationCtx, prompt_message: str, tool_call_id: str, **result: Any) -> str | None:
    """Answer a tool call; the id of the answer, `None` where no such call waits for one."""
    prompt = message_of(ctx, prompt_message)
    thread = thread_of(ctx, prompt["thread"])
    order = [each for each in messages_of_order(ctx, thread["_id"], prompt["order"]) if each["status"] == "success"]
    name = next((call["name"] for call in unanswered(order) if call["id"] == tool_call_id), None)
    if name is None:
        return None
    return insert(ctx, thread, prompt["order"], role="tool", tool_call_id=tool_call_id, tool_name=name, **result)


@component.mutation(args={"thread": v.id("threads")}, returns=v.number())
def abort(ctx: MutationCtx, thread: str) -> int:
    found = under_way_in(ctx, thread)
    for message in found:
        end_reply(ctx, message, {"status": "aborted"})
    # An agent between two steps makes no reply that could be ended: it looks at this before the next one.
    aborts = aborts_of(ctx, thread)
    if aborts is not None:
        ctx.db.patch(thread, {"aborts": aborts + 1})
    return len(found)


@component.internal_mutation(args={"thread": v.string()})
def delete_messages_of(ctx: MutationCtx, thread: str) -> None:
    """Delete messages of a thread that is gone, a batch in each transaction."""
    found: list[Document] = []
    size = 0
    for message in ctx.db.query("messages").with_index("by_order", thread=thread):
        if len(found) == _BATCH or size > _BATCH_BYTES:
            ctx.scheduler.run_after(0, delete_messages_of, thread=thread)
            break
        found.append(message)
        size += size_of(message)
    _delete(ctx, found)


def next_order(ctx: QueryCtx, thread: str) -> float:
    """The order of the next prompt of a thread."""
    last = ctx.db.query("messages").with_index("by_order", thread=thread).order("desc").first()
    return 0 if last is None else last["order"] + 1


def insert(ctx: MutationCtx, thread: Document, order: float, **fields: Any) -> str:
    """Add a message as the next step of an order."""
    steps = messages_of_order(ctx, thread["_id"], order)
    usual: dict[str, Any] = {
        "status": "success",
        "text": "",
        "parts": None,
        "tool_calls": [],
        "tool_call_id": None,
        "tool_name": None,
    }
    more = {"agent_name": None, "usage": None, "metadata": None, "error": None, "vector": None, "watch": None}
    place = {"thread": thread["_id"], "user": thread["user"], "order": order}
    step_order = steps[-1]["step_order"] + 1 if steps else 0
    return ctx.db.insert("messages", {**usual, **more, **place, "step_order": step_order, **fields})


def unanswered(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The tool calls in messages that have no result there."""
    answered = {each["tool_call_id"] for each in messages}
    return [call for each in messages for call in each["tool_calls"] if call["id"] not in answered]


def _public(thread: Document) -> dict[str, Any]:
    return {field: value for field, value in thread.items() if field != "aborts"}


def _messages(ctx: QueryCtx, thread: str, direction: Any, exclude_tool_messages: bool) -> Any:
    found = ctx.db.query("messages").with_index("by_order", thread=thread).order(direction)
    if exclude_tool_messages:
        found = found.filter(lambda q: (q.field("role") != "tool") & (q.field("tool_calls") == []))
    return found


def _delete(ctx: MutationCtx, messages: Iterable[Document]) -> int:
    gone: dict[str, str] = {}
    for message in messages:
        for delta in deltas_of(ctx, message["_id"]):
            ctx.db.delete(delta["_id"])
        if message["vector"] is not None:
            ctx.db.delete(message["vector"])
        if message["watch"] is not None:
            ctx.scheduler.cancel(message["watch"])
        ctx.db.delete(message["_id"])
        gone[message["_id"]] = message["thread"]
    for thread in dict.fromkeys(gone.values()):
        for reply in under_way_in(ctx, thread):
            if reply.get("prompt") in gone:
                end_reply(ctx, reply, {"status": "failed", "error": "Its prompt was deleted."})
    return len(gone)


def to_said(role: str, content: Any, agent_name: str | None = None, metadata: Any = None) -> dict[str, Any]:
    """What is saved of what somebody says. Raises `InvalidValueError`."""
    is_parts = isinstance(content, Sequence) and not isinstance(content, str | bytes)
    if role not in ROLES or role == "tool" or not (isinstance(content, str) or is_parts):
        raise InvalidValueError(
            "A message has a role (system, user or assistant) and a content, which is text or a list of parts, not "
            f"{role!r} and {content!r}. It was not saved.",
            value=content,
        )
    parts = list(content) if is_parts else None
    text = content if parts is None else "\n".join(each["text"] for each in parts if _has_text(each))
    return {"role": role, "text": text, "parts": parts, "agent_name": agent_name, "metadata": metadata}


def _has_text(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str)
