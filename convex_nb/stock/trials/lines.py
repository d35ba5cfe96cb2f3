"""Messages as a reader of the playground sees them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from convex_nb import to_plain_json
from convex_nb.stock.agents.component import UNDER_WAY
from convex_nb.views.cells import preview
from convex_nb.views.dashboard.blocks import Line, Tone

if TYPE_CHECKING:
    from convex_nb.stock.agents.context import ModelMessage
    from convex_nb.stock.agents.threads import Message

TEXT_MOST: Final = 4_000
"""Characters of a message that are shown among others, its first or, while it is made, its last."""
HEADS: Final = ["#", "who", "text", "status", "usage"]
_TONES: Final[Mapping[str, Tone]] = {"failed": "bad", "aborted": "soft"}


def message_lines(messages: Sequence[Message], opened: str | None) -> Iterator[Line]:
    """Yield a line for each message, with the tool calls that it makes and those of them that have no result."""
    answered = {(each["order"], each["tool_call_id"]) for each in messages}
    for each in messages:
        who = each["tool_name"] or each["agent_name"] or each["user"]
        calls = [
            f"→ {_call(call)}{'' if (each['order'], call['id']) in answered else ' (no result yet)'}"
            for call in each["tool_calls"]
        ]
        parts = [] if each["parts"] is None else [preview(each["parts"])]
        error = [f"✗ {each['error']}"] if each["error"] else []
        # What a tool raised is the error of a message that is saved as it should be.
        status = "failed" if error else each["status"]
        usage = "" if each["usage"] is None else preview(each["usage"])
        number = f"{each['order']:g}.{each['step_order']:g}"
        yield {
            "key": each["_id"],
            "cells": [
                number,
                " ".join(filter(None, [each["role"], who])),
                "\n".join(filter(None, [_cut(each), *parts, *calls, *error])),
                status,
                usage,
            ],
            "tone": _TONES.get(status, "plain"),
            "on": each["_id"] == opened,
        }


def context_lines(context: Iterable[ModelMessage]) -> Iterator[Line]:
    """Yield a line for each message that a model would read."""
    for number, each in enumerate(context):
        content = each["content"]
        calls = [f"→ {_call(call)}" for call in each.get("tool_calls") or ()]
        text = "\n".join(filter(None, [content if isinstance(content, str) else as_json(content), *calls]))
        yield {"key": str(number), "cells": [str(each["role"]), text]}


def as_json(value: Any) -> str:
    """A value in full, as indented JSON."""
    return json.dumps(to_plain_json(value), ensure_ascii=False, indent=2)


def is_under_way(messages: Iterable[Message]) -> bool:
    """Whether one of them is being made."""
    return any(each["status"] in UNDER_WAY for each in messages)


def _cut(message: Message) -> str:
    text = message["text"]
    if len(text) <= TEXT_MOST:
        return text
    return f"…{text[-TEXT_MOST:]}" if message["status"] in UNDER_WAY else f"{text[:TEXT_MOST]}…"


def _call(call: Mapping[str, Any]) -> str:
    return f"{call['name']}({', '.join([f'{name}={preview(value)}' for name, value in call['args'].items()])})"
