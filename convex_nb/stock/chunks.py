"""Dividing a text into chunks, each of which is about one thing, as far as its form tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_ENDS: Final = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?])\s"), re.compile(r"\s"))
"""Where a text is divided: between paragraphs; where these are too long, between lines, then sentences, then words."""


def chunks_of(text: str, most: int) -> list[str]:
    """The text in chunks of at most so many characters, as few as that allows, without the space around them."""
    chunks: list[str] = []
    open_chunk = ""
    for piece in _pieces(text, most, 0):
        if len(open_chunk) + len(piece.rstrip()) > most:
            chunks.append(open_chunk)
            open_chunk = ""
        open_chunk += piece
    return [chunk.strip() for chunk in [*chunks, open_chunk] if chunk.strip()]


def _pieces(text: str, most: int, level: int) -> Iterator[str]:
    """The text in pieces that fit, each with the space behind it."""
    if len(text.rstrip()) <= most:
        yield text
    elif level == len(_ENDS):
        for start in range(0, len(text), most):
            yield text[start : start + most]
    else:
        start = 0
        for end in [*(match.end() for match in _ENDS[level].finditer(text)), len(text)]:
            yield from _pieces(text[start:end], most, level + 1)
            start = end
