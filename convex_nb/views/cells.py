"""One value as one cell: for the browser, and as text for static tables and terminals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from convex_nb.language.errors import InvalidIdError
from convex_nb.language.ids import decode_id
from convex_nb.language.values import UNDEFINED, Id, Int64
from convex_nb.views.messages import Cell

TEXT_MOST: Final = 500
"""Characters of a text that travel to a cell; the rest stays in the kernel."""
PREVIEW_MOST: Final = 160
ID_LEAST: Final = 31
ID_MOST: Final = 37
BYTES_SHOWN: Final = 8


def encode_cell(value: Any) -> Cell:
    """Return the cell of a value. The cost is bounded: neither a long text nor a deep object is walked to its end."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        if (id := as_id(value)) is not None:
            return {"k": "id", "v": str(id), "of": id.table or ""}
        if len(value) <= TEXT_MOST:
            return value
        return {"k": "text", "v": value[:TEXT_MOST], "n": len(value)}
    if isinstance(value, Int64):
        return {"k": "int64", "v": str(value)}
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return {"k": "float", "v": number_text(value)}
    if isinstance(value, int):
        return value
    if isinstance(value, bytes):
        return {"k": "bytes", "v": value[:BYTES_SHOWN].hex(" "), "n": len(value)}
    if value is UNDEFINED:
        return {"k": "missing"}
    return {"k": "json", "v": preview(value)}


def as_id(value: Any) -> Id | None:
    """Return the id that a value is, also where it came from a file and is a text like others; None if it is none."""
    if isinstance(value, Id):
        return value
    if not isinstance(value, str) or not ID_LEAST <= len(value) <= ID_MOST or not value.isalnum():
        return None
    try:
        decode_id(value)
    except InvalidIdError:
        return None
    return Id(value)


def encode_time(value: Any) -> Cell:
    """Return the cell of a `_creationTime`, which the browser shows in its own zone."""
    return {"k": "time", "v": value} if isinstance(value, (int, float)) else encode_cell(value)


def number_text(value: float) -> str:
    """Return a number as the reference writes it: no trailing `.0`, `NaN`, `Infinity`."""
    if isinstance(value, int):
        return int.__repr__(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)


def cell_text(value: Any) -> str:
    """Return a value on one line, for a static table: `null`, nothing for a missing field, ids shortened."""
    if value is None:
        return "null"
    if value is UNDEFINED:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Id):
        return short_id(value)
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, (int, float)):
        return number_text(value)
    return preview(value)


def one_line(text: str, most: int = PREVIEW_MOST) -> str:
    """Return a text without line breaks and control characters, its end cut."""
    head = text[: most + 1]
    if not head.isprintable():
        head = "".join(map(_shown, head))
    return head if len(head) <= most else head[: most - 1] + "…"


_JOINERS = frozenset("\u200c\u200d")  # they hold emoji and some scripts together


def _shown(character: str) -> str:
    # Marks that turn the direction of writing would reorder what stands beside them: they are shown, not obeyed.
    if character.isprintable() or character in _JOINERS:
        return character
    return "⏎" if character == "\n" else "⇥" if character == "\t" else f"\\u{ord(character):04x}"


def escaped(text: str) -> str:
    """Return a text of JSON in which marks that cannot be seen are written as escapes; it means the same."""
    return "".join(
        each if each.isprintable() or each == "\n" or each in _JOINERS else json.dumps(each)[1:-1] for each in text
    )


def short_id(value: str) -> str:
    return value if len(value) <= 12 else f"{value[:5]}…{value[-4:]}"


def time_text(milliseconds: float) -> str:
    """Return a time since the epoch in UTC, to the millisecond."""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return number_text(milliseconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def preview(value: Any, most: int = PREVIEW_MOST) -> str:
    """Return a value as one line of JSON-like text of at most `most` characters; walks no further than that."""
    parts: list[str] = []
    length = 0
    for part in _pieces(value):
        parts.append(part)
        length += len(part)
        if length > most:
            return "".join(parts)[: most - 1] + "…"
    return "".join(parts)


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield "{"
        for number, (key, item) in enumerate(value.items()):
            yield f"{', ' if number else ''}{one_line(str(key))}: "
            yield from _pieces(item)
        yield "}"
    elif isinstance(value, (list, tuple)):
        yield "["
        for number, item in enumerate(value):
            if number:
                yield ", "
            yield from _pieces(item)
        yield "]"
    elif isinstance(value, str):
        yield json.dumps(one_line(value), ensure_ascii=False)
    elif isinstance(value, bytes):
        shown = value[:BYTES_SHOWN].hex(" ")
        yield f"bytes({len(value)}: {shown}{'…' if len(value) > BYTES_SHOWN else ''})"
    elif isinstance(value, Int64):
        yield f"{value}n"
    elif value is None or isinstance(value, (bool, int, float)):
        yield cell_text(value)
    elif value is UNDEFINED:
        yield "undefined"
    else:
        yield one_line(repr(value))
