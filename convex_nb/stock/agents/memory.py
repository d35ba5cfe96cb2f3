"""What an agent remembers: messages that are found by their words, and by vectors of what they mean."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from convex_nb import InvalidValueError, v
from convex_nb.stock.agents.component import DIMENSIONS, component, message_of
from convex_nb.stock.agents.pieces import result_of

if TYPE_CHECKING:
    from convex_nb import Document, MutationCtx, QueryCtx

Embed: TypeAlias = Callable[[list[str]], Any]
_EMBEDDED: Final = 100
"""How many messages get their vectors at one time."""

_WORDS: Final = 16
"""How many words a text search looks for."""

_FUSION: Final = 60
"""How little it matters whether a message is found first or second: the usual constant of reciprocal rank fusion."""


@component.query(args={"prompt_message": v.id("messages")})
def without_vectors(ctx: QueryCtx, prompt_message: str) -> Any:
    """The newest messages of a prompt's thread that have no vector yet."""
    thread = message_of(ctx, prompt_message)["thread"]
    found = ctx.db.query("messages").with_index("by_vector", thread=thread, vector=None).order("desc")
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
    prompt = message_of(ctx, prompt_message)
    field = "user" if how["other_threads"] and prompt["user"] is not None else "thread"
    known = set(how["known"])

    def is_wanted(message: Document) -> bool:
        is_earlier = message["thread"] != prompt["thread"] or message["order"] < prompt["order"]
        is_of_tools = message["role"] == "tool" or bool(message["tool_calls"])
        is_refused = message["status"] != "success" or (how["exclude_tool_messages"] and is_of_tools)
        return is_earlier and not is_refused and message["_id"] not in known

    found: dict[str, Document] = {}
    scores: dict[str, float] = {}
    # What is known or comes later is found as well, so that more has to be asked for.
    most = min(4 * limit + len(known), 256)
    for ranked in (
        _by_text(ctx, prompt, field, most) if by_text else (),
        _by_vector(ctx, prompt, field, most) if by_vector else (),
    ):
        for rank, message in enumerate(filter(is_wanted, ranked)):
            found[message["_id"]] = message
            scores[message["_id"]] = scores.get(message["_id"], 0) + 1 / (_FUSION + rank)
    best = sorted(found, key=lambda id: (-scores[id], id))[:limit]
    around = [near for id in best for near in _around(ctx, found[id], how["before"], how["after"], is_wanted)]
    chosen = {each["_id"]: each for each in around}
    return sorted(chosen.values(), key=lambda each: each["_creationTime"])


def embedded(embed: Embed, texts: Sequence[str]) -> list[list[float]]:
    """A vector for each text, of a length that is indexed. Raises `InvalidValueError`, and what `embed` raises."""
    vectors = [[float(number) for number in vector] for vector in result_of(embed(list(texts)))]
    if len(vectors) != len(texts):
        raise InvalidValueError(
            f"`embed` gets a list of texts and returns a vector for each: {len(vectors)} came for {len(texts)}. None "
            "was kept.",
            value=vectors,
        )
    return [_padded(vector) for vector in vectors]


def _padded(vector: list[float]) -> list[float]:
    # Zeros change no angle, so that a few indexes are enough for vectors of any length.
    length = next((dimensions for dimensions in DIMENSIONS if len(vector) <= dimensions), None)
    if length is None or not vector or not all(map(math.isfinite, vector)):
        raise InvalidValueError(
            f"A vector has from 1 to {DIMENSIONS[-1]} finite numbers, unlike one of {len(vector)} that `embed` "
            "returned. None was kept.",
            value=vector,
        )
    return [*vector, *[0.0] * (length - len(vector))]


def _by_text(ctx: QueryCtx, prompt: Document, field: str, most: int) -> Iterable[Document]:
    # Long words are rare ones, mostly. The longest is the last, of which beginnings are found too.
    words = sorted(dict.fromkeys(re.findall(r"\w+", prompt["text"].lower())), key=len)[-_WORDS:]
    if not words:
        return ()
    return (
        ctx.db.query("messages")
        .with_search_index("search_text", lambda q: q.search("text", " ".join(words)).eq(field, prompt[field]))
        .take(most)
    )


def _by_vector(ctx: QueryCtx, prompt: Document, field: str, most: int) -> Iterable[Document]:
    own = prompt["vector"] and ctx.db.get(prompt["vector"])
    if not own:
        return ()
    vector = own["vector"]
    matches = ctx.db.vector_search(
        "vectors", f"by_{len(vector)}", vector=vector, limit=most, filter=lambda q: q.eq(field, prompt[field])
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
