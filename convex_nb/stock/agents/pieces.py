"""What a language model answers, piece by piece: from a function, a coroutine or a generator of either kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from inspect import isawaitable
from typing import Any, Final, TypeAlias

from convex_nb import InvalidValueError
from convex_nb.stock.agents.tools import MOST_BYTES
from convex_nb.stock.awaited import Loop

Piece: TypeAlias = "str | Mapping[str, Any]"
_FIELDS: Final = ("text", "tool_calls", "usage")
_END: Final = object()


class Answer:
    """What a model has said so far: its `text`, the `tool_calls` that it asks for, and the `usage` that it told."""

    def __init__(self) -> None:
        self.text = ""
        self.tool_calls: list[dict[str, Any]] = []
        self.usage: Any = None
        self._size = 0

    def add(self, piece: Piece) -> str:
        """Take a piece; return the text in it. Raises `InvalidValueError`."""
        if isinstance(piece, str):
            piece = {"text": piece}
        if not isinstance(piece, Mapping) or not piece.keys() <= set(_FIELDS):
            raise _no_piece(piece)
        for call in piece.get("tool_calls") or ():
            is_call = isinstance(call, Mapping) and isinstance(call.get("name"), str)
            if not is_call or not isinstance(call.get("args") or {}, Mapping):
                raise InvalidValueError(
                    'A model asks for a tool by `{"name": "...", "args": {...}}`, and an `"id"` if it gives one, not '
                    f"{call!r}. No tool was run.",
                    value=call,
                )
            self.tool_calls.append(dict(call))
        text = piece.get("text") or ""
        if not isinstance(text, str):
            raise _no_piece(piece)
        self._size += len(text.encode())
        if self._size > MOST_BYTES:
            raise InvalidValueError(
                f"A model answered with more than {MOST_BYTES} bytes of text, which do not fit into a message. What "
                "it said before is kept, and the answer has failed."
            )
        self.text += text
        self.usage = piece.get("usage") or self.usage
        return text


def pieces_of(reply: Any) -> Iterator[Any]:
    """What a model returned as pieces, each as soon as it is there. Raises what the model raises."""
    if isinstance(reply, str | Mapping):
        yield reply
    elif isawaitable(reply) or hasattr(reply, "__aiter__"):
        yield from _awaited(reply)
    elif isinstance(reply, Iterable):
        yield from reply
    else:
        raise _no_piece(reply)


def _awaited(reply: Any) -> Iterator[Any]:
    with Loop() as loop:
        if isawaitable(reply):
            reply = loop.result_of(reply)
        if not hasattr(reply, "__aiter__"):
            yield from pieces_of(reply)
            return
        iterator = aiter(reply)
        # One that is not read to its end is closed with the loop.
        while (piece := loop.run(_next_of(iterator))) is not _END:
            yield piece


async def _next_of(iterator: Any) -> Any:
    # A `StopAsyncIteration` would not come through the future that brings the piece.
    return await anext(iterator, _END)


def _no_piece(piece: Any) -> InvalidValueError:
    return InvalidValueError(
        "A model returns text, or a dict of "
        f"{', '.join(map(repr, _FIELDS))}, or pieces of these one after another, not {piece!r}. It was not kept.",
        value=piece,
    )
