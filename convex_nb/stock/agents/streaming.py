"""Saving what a model says while it says it: whole chunks, so many milliseconds apart, one after another."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from convex_nb import InvalidValueError

if TYPE_CHECKING:
    from convex_nb import ActionCtx

Chunking: TypeAlias = Literal["word", "line"] | re.Pattern[str]
# Chinese and Japanese have no spaces: there each character ends what may be a word.
_WORD: Final = r"[\s\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff60\U00020000-\U0003ffff]"
_ENDS: Final = {"word": re.compile(_WORD), "line": re.compile(r"\n")}
_PARTS: Final = 1000
"""No delta is a smaller part of what there is: thousands, and not more, take their places in one transaction."""


class DeltaStreamer:
    """Saves the text of one message in deltas."""

    def __init__(self, ctx: ActionCtx, add_delta: Any, message: str, ends: re.Pattern[str], throttle: float) -> None:
        self._ctx = ctx
        self._add_delta = add_delta
        self._message = message
        self._ends = ends
        self._throttle = throttle
        self._text = ""
        self._number = 0
        self._saved = 0
        self._saved_at = -math.inf

    def add(self, text: str) -> bool:
        """Take more text, and save what is whole if it is time to; False when nobody wants more."""
        self._text += text
        now = self._ctx.now()
        if now - self._saved_at < self._throttle:
            return True
        end = max((match.end() for match in self._ends.finditer(self._text)), default=0)
        if end * _PARTS <= self._saved:
            return True
        self._saved += end
        delta, self._text = self._text[:end], self._text[end:]
        number, self._number = self._number, self._number + 1
        self._saved_at = now
        is_wanted: bool = self._ctx.run_mutation(self._add_delta, message=self._message, number=number, text=delta)
        return is_wanted


def to_ends(chunking: Chunking) -> re.Pattern[str]:
    """What is found where a chunk ends. Raises `InvalidValueError`."""
    found = chunking if isinstance(chunking, re.Pattern) else _ENDS.get(chunking)
    if found is None:
        raise InvalidValueError(
            f'Chunks are "word", "line", or what ends with a pattern of `re.compile`, not {chunking!r}. Nothing was '
            "asked.",
            value=chunking,
        )
    return found
