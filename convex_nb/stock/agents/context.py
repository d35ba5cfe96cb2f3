"""What a model gets to read: which messages, in which order, and in which form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from convex_nb import InvalidValueError

if TYPE_CHECKING:
    from convex_nb import ActionCtx

ModelMessage: TypeAlias = dict[str, Any]


class ContextOptions(TypedDict, total=False):
    """What of a thread a model reads: so many recent messages (100), with those of tools or without (without).

    And what is found by the words of the prompt, `text_search`, or by its meaning, `vector_search` (neither): at most
    `search_limit` messages (10), `before` of those before each (2) and `after` of those after it (1), from this thread
    or, with `search_other_threads`, from all threads of its user.
    """

    recent_messages: int
    exclude_tool_messages: bool
    text_search: bool
    vector_search: bool
    search_limit: int
    before: int
    after: int
    search_other_threads: bool


class ContextParts(TypedDict):
    """The messages of a context in their usual order: those found, recent ones, those that the caller adds, the prompt,
    and what answers it so far."""

    search: list[ModelMessage]
    recent: list[ModelMessage]
    messages: list[ModelMessage]
    prompt: list[ModelMessage]
    replies: list[ModelMessage]


ContextHandler: TypeAlias = "Callable[[ActionCtx, ContextParts], Sequence[ModelMessage]]"
_USUAL: Final[ContextOptions] = {
    "recent_messages": 100,
    "exclude_tool_messages": True,
    "text_search": False,
    "vector_search": False,
    "search_limit": 10,
    "before": 2,
    "after": 1,
    "search_other_threads": False,
}


def to_options(options: Mapping[str, Any] | None) -> ContextOptions:
    """All options, the usual ones where nothing is said. Raises `InvalidValueError`."""
    found: Any = {**_USUAL, **(options or {})}
    for name, value in found.items():
        if name not in _USUAL:
            raise InvalidValueError(f"A context has no option {name!r}: it takes {', '.join(_USUAL)}.", value=options)
        usual: Any = _USUAL[name]  # type: ignore[literal-required]
        if type(value) is not type(usual) or value < 0:
            wanted = "True or False" if isinstance(usual, bool) else "a whole number, and not negative"
            raise InvalidValueError(f"The option {name!r} of a context is {wanted}, not {value!r}.", value=options)
    return found  # type: ignore[no-any-return]


def to_model_message(message: Mapping[str, Any]) -> ModelMessage:
    """What a model reads of a saved message."""
    found: ModelMessage = {"role": message["role"], "content": message["parts"] or message["text"]}
    if message["tool_calls"]:
        found["tool_calls"] = message["tool_calls"]
    if message["tool_call_id"] is not None:
        found.update(tool_call_id=message["tool_call_id"], name=message["tool_name"])
    return found


def in_order(parts: ContextParts) -> list[ModelMessage]:
    """The messages of a context, one after another."""
    return list(chain.from_iterable(parts.values()))  # type: ignore[arg-type]


def without_orphans(messages: Sequence[ModelMessage]) -> list[ModelMessage]:
    """Messages without calls that have no result, and results that have no call: models refuse either."""
    for each in messages:
        is_message = isinstance(each, Mapping) and {"role", "content"} <= each.keys()
        if not is_message or not all("id" in call for call in each.get("tool_calls") or ()):
            raise InvalidValueError(
                "A model reads messages such as `{'role': 'user', 'content': 'Hello'}`, and each of their `tool_calls` "
                f"has an `id`, unlike {each!r}. Nothing was asked.",
                value=each,
            )
    waiting: dict[str, int] = {}
    answered: set[tuple[int, str]] = set()
    orphans: set[int] = set()
    for number, each in enumerate(messages):
        waiting.update({call["id"]: number for call in each.get("tool_calls") or ()})
        if "tool_call_id" in each:
            # Some models count their calls from the same number in each answer: the last call is the one that is meant.
            caller = waiting.pop(each["tool_call_id"], None)
            orphans.update([number] if caller is None else [])
            answered.update([] if caller is None else [(caller, each["tool_call_id"])])
    kept = []
    for number, each in enumerate(messages):
        calls = [call for call in each.get("tool_calls") or () if (number, call["id"]) in answered]
        rest = {name: value for name, value in each.items() if name != "tool_calls"}
        if calls:
            kept.append({**rest, "tool_calls": calls})
        elif number not in orphans and (rest["content"] or "tool_calls" not in each):
            kept.append(rest)
    return kept
