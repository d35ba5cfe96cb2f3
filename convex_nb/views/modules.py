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


@cache
def bundle(name: str) -> str:
    """Return a module of `static/` and all that it imports, each once, without comments and indentation.

    The modules share one scope then: no two give a name at the top level, and no text goes over several lines.
    """
    parts: dict[str, str] = {}
    _collect(name, parts)
    return _INDENT.sub("", _COMMENT.sub("", "".join(parts.values())))


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
