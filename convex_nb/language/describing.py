"""Values and texts as messages show them: never long."""

from __future__ import annotations

from collections.abc import Iterator

_SHOWN_CHARACTERS = 400


def shorten(text: str, characters: int = _SHOWN_CHARACTERS) -> str:
    """Return `text`, its middle replaced by an ellipsis when it is longer than `characters`."""
    if len(text) <= characters:
        return text
    head = characters * 2 // 3
    tail = characters - head - 1
    return f"{text[:head]}…{text[-tail:]}"


def counted(number: int, noun: str) -> str:
    """Return `1 document`, `2,000 queries`, `3 indexes`."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("x") else f"{noun}s"
    return f"{number:,} {plural}"


def describe(value: object, characters: int = _SHOWN_CHARACTERS) -> str:
    """Return `repr(value)`, or its beginning: never long, never deep, and never failing, whatever `value` is."""
    parts: list[str] = []
    room = characters
    for part in _parts(value, 6, characters):
        parts.append(part)
        room -= len(part)
        if room < 0:
            return "".join(parts)[: characters - 1] + "…"
    return "".join(parts)


def _parts(value: object, levels: int, characters: int) -> Iterator[str]:
    if isinstance(value, (dict, list)) and value and not levels:
        yield "{…}" if isinstance(value, dict) else "[…]"
    elif isinstance(value, dict):
        opening = "{"
        for key, item in value.items():
            yield f"{opening}{shorten(_repr(key), characters)}: "
            yield from _parts(item, levels - 1, characters)
            opening = ", "
        yield "}" if value else "{}"
    elif isinstance(value, list):
        opening = "["
        for item in value:
            yield opening
            yield from _parts(item, levels - 1, characters)
            opening = ", "
        yield "]" if value else "[]"
    elif isinstance(value, (str, bytes)) and len(value) > characters:
        yield _repr(value[:characters]) + "…"
    else:
        yield shorten(_repr(value), characters)


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
