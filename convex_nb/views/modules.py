"""One ES module of several: what a widget sends to the browser has nowhere to import from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
_IMPORT: Final = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?!default)", re.MULTILINE)
_TOKEN: Final = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<room>\s+)|(?P<word>[\w$]+)"""
    r"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|(?P<template>`)|(?P<slash>/)|.""",
    re.DOTALL,
)
_PATTERN: Final = re.compile(r"/(?:\\.|\[(?:\\.|[^]\\\n])*]|[^/\\\n[])+/[a-z]*")
_IN_TEMPLATE: Final = re.compile(r"\\.|`|\$\{|[^`$\\]+|\$", re.DOTALL)


@cache
def bundle(name: str) -> str:
    """Return a module of `static/` and all that it imports, each once, without comments and room between words.

    The modules share one scope then: no two give a name at the top level, and every statement ends with a semicolon.
    """
    parts: dict[str, str] = {}
    _collect(name, parts)
    return "".join(_squeezed("".join(parts.values())))


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


def _squeezed(code: str) -> Iterator[str]:
    """Yield the tokens of JavaScript: room only between words, a line for each declaration of the module."""
    last, room, depth = "", "", 0
    for token in _tokens(code):
        if token.isspace():
            room += token
            continue
        if last + token not in (";}", ",}", ",]", ",)"):
            yield last
        if room and depth == 0 and "\n" in room:
            yield "\n"
        elif room and last and ((_is_word(last[-1]) and _is_word(token[0])) or (last in "+-" and token in "+-")):
            yield " "
        depth += (token in "{([") - (token in "})]")
        last, room = token, ""
    yield last


def _tokens(code: str) -> Iterator[str]:
    """Yield words, texts, templates, patterns, marks and room; leave comments out."""
    at, last = 0, ";"
    while found := _TOKEN.match(code, at):
        end = found.end()
        if found.lastgroup == "template":
            end = _end_of_template(code, at)
        elif found.lastgroup == "slash" and last in "(,=:[!&|?{};>" and (pattern := _PATTERN.match(code, at)):
            end = pattern.end()
        if found.lastgroup != "comment":
            yield code[at:end]
        if found.lastgroup not in ("comment", "room"):
            last = code[end - 1]
        at = end


def _end_of_template(code: str, start: int) -> int:
    at = start + 1
    while found := _IN_TEMPLATE.match(code, at):
        at = found.end()
        if found[0] == "`":
            return at
        if found[0] == "${":
            depth = 1
            for token in _tokens(code[at:]):
                at += len(token)
                depth += (token == "{") - (token == "}")
                if not depth:
                    break
    raise ValueError(f"A template has no end: {code[start : start + 40]}")


def _is_word(character: str) -> bool:
    return character.isalnum() or character in "_$"
