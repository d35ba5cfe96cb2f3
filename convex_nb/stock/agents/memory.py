"""What an agent remembers: messages that are found by their words, and by vectors of what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from convex_nb import v
from convex_nb.stock.agents.component import component
from convex_nb.stock.retrieval import fused, index_of, words_of

if TYPE_CHECKING:
    from convex_nb import Document, MutationCtx, QueryCtx

_EMBEDDED: Final = 100
"""How many messages get their vectors at one time."""


@component.query(args={"prompt_message": v.id("messages")})
def without_vectors(ctx: QueryCtx, prompt_message: str) -> Any:
    """The newest messages of a prompt's thread that have no vector yet."""
    prompt = ctx.db.get(prompt_message)
    if prompt is None:
        return []
    found = ctx.db.query("messages").with_index("by_vector", thread=prompt["thread"], vector=None).order("desc")
    said = found.filter(lambda q: (q.field("status") == "success") & (q.field("text") != ""))
    return [{"message": each["_id"], "text": each["text"]} for each in said.take(_EMBEDDED)]


@component.mutation(args={"messages": v.array(v.id("messages")), "vectors": v.array(v.any())}, returns=v.null())
def save_vectors(ctx: MutationCtx, messages: list[str], vectors: list[list[float]]) -> None:
    for message, vector in zip(messages, vectors, strict=True):
        found = ctx.db.get(message)
        if found is not None and found["vector"] is None:
            fields = {"message": message, "thread": found["thread"], "user": found["user"], "vector": vector}
            ctx.db.patch(message, {"vector": ctx.db.insert("vectors", fields)})


@component.query(
    args={
        "prompt_message": v.id("messages"),
        "by_text": v.boolean(),
        "by_vector": v.boolean(),
        "other_threads": v.boolean(),
        "limit": v.number(),
        "before": v.number(),
        "after": v.number(),
        "exclude_tool_messages": v.boolean(),
        "known": v.array(v.string()),
    }
)
def search(ctx: QueryCtx, prompt_message: str, by_text: bool, by_vector: bool, limit: int, **how: Any) -> Any:
    """Messages like the prompt from before it, with some before and after each, oldest first; none that is known."""
    prompt = ctx.db.get(prompt_message)
    if prompt is None:
        return []
    field = "user" if how["other_threads"] and prompt["user"] is not None else "thread"
    known = set(how["known"])

    def is_wanted(message: Document) -> bool:
        is_earlier = message["thread"] != prompt["thread"] or message["order"] < prompt["order"]
        is_of_tools = message["role"] == "tool" or bool(message["tool_calls"])
        is_refused = message["status"] != "success" or (how["exclude_tool_messages"] and is_of_tools)
        # A thread may have been another user's before.
        is_own = message["user"] == prompt["user"] or field == "thread"
        return is_own and is_earlier and not is_refused and message["_id"] not in known

    # What is known or comes later is found as well, so that more has to be asked for.
    most = min(4 * limit + len(known), 256)
    rankings = [
        list(filter(is_wanted, _by_text(ctx, prompt, field, most) if by_text else ())),
        list(filter(is_wanted, _by_vector(ctx, prompt, field, most) if by_vector else ())),
    ]
    found = {each["_id"]: each for ranking in rankings for each in ranking}
    best = fused([each["_id"] for each in ranking] for ranking in rankings)[:limit]
    around = [near for id in best for near in _around(ctx, found[id], how["before"], how["after"], is_wanted)]
    chosen = {each["_id"]: each for each in around}
    return sorted(chosen.values(), key=lambda each: each["_creationTime"])


def _by_text(ctx: QueryCtx, prompt: Document, field: str, most: int) -> Iterable[Document]:
    words = words_of(prompt["text"])
    if not words:
        return ()
    return (
        ctx.db.query("messages")
        .with_search_index("search_text", lambda q: q.search("text", words).eq(field, prompt[field]))
        .take(most)
    )


def _by_vector(ctx: QueryCtx, prompt: Document, field: str, most: int) -> Iterable[Document]:
    own = prompt["vector"] and ctx.db.get(prompt["vector"])
    if not own:
        return ()
    vector = own["vector"]
    matches = ctx.db.vector_search(
        "vectors", index_of(vector), vector=vector, limit=most, filter=lambda q: q.eq(field, prompt[field])
    )
    entries = [ctx.db.get(match["_id"]) for match in matches]
    found = [ctx.db.get(entry["message"]) for entry in entries if entry is not None]
    return [message for message in found if message is not None]


def _around(
    ctx: QueryCtx, message: Document, before: int, after: int, is_wanted: Callable[[Document], bool]
) -> list[Document]:
    order = message["order"]
    near = ctx.db.query("messages").with_index(
        "by_order", lambda q: q.eq("thread", message["thread"]).gte("order", order - before).lte("order", order + after)
    )
    wanted = [each for each in near.collect() if is_wanted(each)]
    place = [each["_id"] for each in wanted].index(message["_id"])
    return wanted[max(place - before, 0) : place + after + 1]
