"""One ES module of several: what a widget sends to the browser has nowhere to import from."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
_IMPORT: Final = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?!default)", re.MULTILINE)
_COMMENT: Final = re.compile(r"^[ ]*//.*\n|[ ]*/\*\*[^\n]*?\*/", re.MULTILINE)
_INDENT: Final = re.compile(r"^[ ]+|\n(?=\n)", re.MULTILINE)
_TEXT: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_ROOM: Final = re.compile(r" ?(=>|[{}()\[\]=,:;?<>&|*!]) ?")


@cache
def bundle(name: str) -> str:
    """Return a module of `static/` and all that it imports, each once, without comments and room between words.

    The modules share one scope then: no two give a name at the top level, and no text goes over several lines.
    """
    parts: dict[str, str] = {}
    _collect(name, parts)
    return "\n".join(map(_squeezed, _INDENT.sub("", _COMMENT.sub("", "".join(parts.values()))).split("\n")))


def _squeezed(line: str) -> str:
    # What is a template or a pattern is not told from code here: such lines stay as they are.
    if "`" in line or "/" in line:
        return line
    words = _TEXT.split(line)
    words[::2] = [_ROOM.sub(r"\1", code) for code in words[::2]]
    return "".join(words)


@cache
def style(*names: str) -> str:
    """Return style sheets of `static/` as one."""
    return "".join((STATIC / name).read_text(encoding="utf-8") for name in names)


def _collect(name: str, parts: dict[str, str]) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    for imported in _IMPORT.findall(text):
        if imported not in parts:
            _collect(imported, parts)
    parts[name] = _EXPORT.sub("", _IMPORT.sub("", text))
