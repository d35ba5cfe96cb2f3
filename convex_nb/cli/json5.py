"""JSON as people type it in a shell, which is JSON5: `{name: 'Ada', age: 36,}`."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from convex_nb.language.encoding import dumps, loads
from convex_nb.language.errors import InvalidValueError

_TOKEN: Final = re.compile(
    r"""
      (?P<gap> [\s\ufeff]+ | //[^\n]* | /\*.*?\*/ )
    | (?P<text> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<number> [+-]? (?: Infinity\b | NaN\b | 0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+) (?:[eE][+-]?\d+)? ) )
    | (?P<name> [^\W\d][\w$]* | \$[\w$]* )
    | (?P<mark> [][{}:,] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r'"|\\(?:x([0-9a-fA-F]{2})|u[0-9a-fA-F]{4}|(\r\n|.))', re.DOTALL)
_ESCAPED: Final = {"v": "\\u000b", "0": "\\u0000", "\n": "", "\r\n": ""}


def read_json5(text: str) -> Any:
    """Return the value of a JSON5 text; the tags of the lossless encoding count. Raises `InvalidValueError`."""
    try:
        return loads(text)
    except InvalidValueError:
        rewritten = _as_json(text)
        if rewritten is None:
            raise
        return loads(rewritten)


def _as_json(text: str) -> str | None:
    """The same in JSON; `None` where something cannot be read at all."""
    written: list[str] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return None
        position = token.end()
        kind, said = token.lastgroup, token[0]
        if kind == "gap":
            continue
        if kind == "text":
            said = _quoted(said[1:-1])
        elif kind == "number":
            said = _number(said)
        elif kind == "name" and text[position:].lstrip().startswith(":"):
            said = json.dumps(said)
        elif kind == "name" and said not in ("true", "false", "null"):
            # A text without its quotes.
            return None
        elif said in ("]", "}") and written[-1:] == [","] and written[-2:-1] not in ([], ["["], ["{"], [","]):
            written.pop()
        written.append(said)
    return " ".join(written)


def _number(said: str) -> str:
    if said[-1] in "yN":
        return dumps(float(said))
    if "x" in said.lower():
        return str(int(said, 16))
    return repr(int(said)) if said.lstrip("+-").isdecimal() else repr(float(said))


def _quoted(inner: str) -> str:
    return f'"{_ESCAPE.sub(_escape, inner)}"'


def _escape(match: re.Match[str]) -> str:
    said, hexadecimal, escaped = match[0], match[1], match[2]
    if said == '"':
        return '\\"'
    if hexadecimal:
        return f"\\u00{hexadecimal}"
    return said if escaped is None or escaped in '"\\/bfnrt' else _ESCAPED.get(escaped, escaped)
