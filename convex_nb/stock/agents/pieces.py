"""What a language model answers, piece by piece: from a function, a coroutine or a generator of either kind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from inspect import isawaitable
from typing import Any, Final, TypeAlias

from convex_nb import InvalidValueError

Piece: TypeAlias = "str | Mapping[str, Any]"
_FIELDS: Final = ("text", "tool_calls", "usage")
_END: Final = object()


class Answer:
    """What a model has said so far: its `text`, the `tool_calls` that it asks for, and the `usage` that it told."""

    def __init__(self) -> None:
        self.text = ""
        self.tool_calls: list[dict[str, Any]] = []
        self.usage: Any = None

    def add(self, piece: Piece) -> str:
        """Take a piece; return the text in it. Raises `InvalidValueError`."""
        if isinstance(piece, str):
            piece = {"text": piece}
        if not isinstance(piece, Mapping) or not piece.keys() <= set(_FIELDS):
            raise _no_piece(piece)
        for call in piece.get("tool_calls") or ():
            is_call = isinstance(call, Mapping) and isinstance(call.get("name"), str)
            if not is_call or not isinstance(call.get("args", {}), Mapping):
                raise InvalidValueError(
                    'A model asks for a tool by `{"name": "...", "args": {...}}`, and an `"id"` if it gives one, not '
                    f"{call!r}. No tool was run.",
                    value=call,
                )
            self.tool_calls.append(dict(call))
        text = piece.get("text") or ""
        if not isinstance(text, str):
            raise _no_piece(piece)
        self.text += text
        self.usage = piece.get("usage") or self.usage
        return text


def pieces_of(reply: Any) -> Iterator[Any]:
    """What a model returned as pieces, each as soon as it is there. Raises what the model raises.

    Coroutines run on a loop on a thread of their own, since a cell or an action may be inside of one already.
    """
    if isinstance(reply, str | Mapping):
        yield reply
    elif isawaitable(reply) or hasattr(reply, "__aiter__"):
        yield from _awaited(reply)
    elif isinstance(reply, Iterable):
        yield from reply
    else:
        raise _no_piece(reply)


def result_of(value: Any) -> Any:
    """What a plain or an `async` function returned, waited for."""
    if not isawaitable(value):
        return value
    with _Loop() as loop:
        return loop.run(_waiting_for(value))


def _awaited(reply: Any) -> Iterator[Any]:
    with _Loop() as loop:
        if isawaitable(reply):
            reply = loop.run(_waiting_for(reply))
        if not hasattr(reply, "__aiter__"):
            yield from pieces_of(reply)
            return
        iterator = aiter(reply)
        try:
            while (piece := loop.run(_next_of(iterator))) is not _END:
                yield piece
        finally:
            if hasattr(iterator, "aclose"):
                loop.run(iterator.aclose())


async def _waiting_for(value: Any) -> Any:
    return await value


async def _next_of(iterator: Any) -> Any:
    # A `StopAsyncIteration` would not come through the future that brings the piece.
    return await anext(iterator, _END)


class _Loop:
    """An event loop on a thread of its own."""

    def __enter__(self) -> _Loop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="convex_nb model", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            # An interrupt comes here, and not into the loop.
            future.cancel()
            raise


def _no_piece(piece: Any) -> InvalidValueError:
    return InvalidValueError(
        "A model returns text, or a dict of "
        f"{', '.join(map(repr, _FIELDS))}, or pieces of these one after another, not {piece!r}. It was not kept.",
        value=piece,
    )
