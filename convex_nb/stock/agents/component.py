"""The component of agents: its tables, and what all of its functions ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from convex_nb import DocumentNotFoundError, define_component, define_schema, define_table, v
from convex_nb.stock.retrieval import with_vector_indexes

if TYPE_CHECKING:
    from convex_nb import Document, MutationCtx, QueryCtx

ROLES: Final = ("system", "user", "assistant", "tool")
UNDER_WAY: Final = ("pending", "streaming")
"""The statuses of a reply that an agent is making."""

_HIDDEN: Final = ("vector", "watch", "prompt")

NULL_OR_STRING: Final = v.union(v.null(), v.string())
ROLE: Final = v.union(*map(v.literal, ROLES))
STATUS: Final = v.union(*map(v.literal, (*UNDER_WAY, "success", "failed", "aborted")))
TOOL_CALL: Final = v.object({"id": v.string(), "name": v.string(), "args": v.any()})
ABOUT: Final = {"user": NULL_OR_STRING, "title": NULL_OR_STRING, "summary": NULL_OR_STRING}

_vectors = define_table(
    {"message": v.id("messages"), "thread": v.id("threads"), "user": NULL_OR_STRING, "vector": v.array(v.float64())}
)
component = define_component(
    "agent",
    define_schema(
        {
            "threads": define_table({**ABOUT, "aborts": v.optional(v.number())}).index("by_user", ["user"]),
            "messages": define_table(
                {
                    "thread": v.id("threads"),
                    "user": NULL_OR_STRING,
                    "order": v.number(),
                    "step_order": v.number(),
                    "status": STATUS,
                    "role": ROLE,
                    "text": v.string(),
                    "parts": v.union(v.null(), v.array(v.any())),
                    "tool_calls": v.array(TOOL_CALL),
                    "tool_call_id": NULL_OR_STRING,
                    "tool_name": NULL_OR_STRING,
                    "agent_name": NULL_OR_STRING,
                    "usage": v.any(),
                    "metadata": v.any(),
                    "error": NULL_OR_STRING,
                    "vector": v.union(v.null(), v.id("vectors")),
                    "watch": v.union(v.null(), v.id("_scheduled_functions")),
                    "prompt": v.optional(v.id("messages")),
                }
            )
            .index("by_order", ["thread", "order", "step_order"])
            .index("by_status", ["thread", "status"])
            .index("by_vector", ["thread", "vector"])
            .search_index("search_text", search_field="text", filter_fields=["thread", "user"]),
            "vectors": with_vector_indexes(_vectors, ["thread", "user"]),
            "deltas": define_table({"message": v.id("messages"), "number": v.number(), "text": v.string()}).index(
                "by_message", ["message", "number"]
            ),
        }
    ),
)


def thread_of(ctx: QueryCtx, id: str) -> Document:
    """The document of a thread. Raises `DocumentNotFoundError`."""
    thread = ctx.db.get(id)
    if thread is None:
        raise DocumentNotFoundError(
            f"There is no thread {id!r} (any more): nothing was read or saved. `create_thread` makes one.",
            document_id=id,
            table="threads",
        )
    return thread


def message_of(ctx: QueryCtx, id: str) -> Document:
    """The document of a message. Raises `DocumentNotFoundError`."""
    message = ctx.db.get(id)
    if message is None:
        raise DocumentNotFoundError(
            f"There is no message {id!r} (any more): nothing was read or saved.", document_id=id, table="messages"
        )
    return message


def messages_of_order(ctx: QueryCtx, thread: str, order: float) -> list[Document]:
    """A prompt and all that answers it, in their order."""
    return ctx.db.query("messages").with_index("by_order", thread=thread, order=order).collect()


def deltas_of(ctx: QueryCtx, message: str) -> list[Document]:
    """What has been streamed of a message, in its order."""
    return ctx.db.query("deltas").with_index("by_message", message=message).collect()


def aborts_of(ctx: QueryCtx, thread: str) -> float | None:
    """How often the answers in a thread have been aborted; `None` where there is no thread any more."""
    found = ctx.db.get(thread)
    return None if found is None else found.get("aborts", 0)


def under_way_in(ctx: QueryCtx, thread: str) -> list[Document]:
    """The replies that are being made in a thread."""
    found = [ctx.db.query("messages").with_index("by_status", thread=thread, status=status) for status in UNDER_WAY]
    return [message for each in found for message in each.collect()]


def as_shown(ctx: QueryCtx, message: Document) -> dict[str, Any]:
    """A message with the text that it has so far."""
    shown = {field: value for field, value in message.items() if field not in _HIDDEN}
    if message["status"] in UNDER_WAY:
        shown["text"] = "".join(delta["text"] for delta in deltas_of(ctx, message["_id"]))
    return shown


def end_reply(ctx: MutationCtx, message: Document, changes: dict[str, Any]) -> None:
    """Give a reply that is being made its last status, and the text that was streamed if there is no other."""
    # What was streamed and what is kept change places in one commit, so that nobody sees neither or both.
    deltas = deltas_of(ctx, message["_id"])
    if message["watch"] is not None:
        ctx.scheduler.cancel(message["watch"])
    ctx.db.patch(message["_id"], {"text": "".join(delta["text"] for delta in deltas), "watch": None, **changes})
    for delta in deltas:
        ctx.db.delete(delta["_id"])
