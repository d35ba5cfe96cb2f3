"""One ES module of several: what a widget sends to the browser has nowhere to import from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from string import ascii_letters
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
_WORD: Final = re.compile(r"[A-Za-z_$][\w$]*")
_SHORT: Final = [*ascii_letters, *map("".join, product(ascii_letters, repeat=2))]
_IN_TEMPLATE: Final = re.compile(r"\\.|`|\$\{|[^`$\\]+|\$", re.DOTALL)


@cache
def bundle(name: str) -> str:
    """Return a module of `static/` and all that it imports, each once, without comments and room between words.

    The modules share one scope then: no two give a name at the top level, and every statement ends with a semicolon.
    """
    parts: dict[str, str] = {}
    _collect(name, parts)
    return "".join(_squeezed(list(_tokens("".join(parts.values())))))


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


def _squeezed(tokens: list[str]) -> Iterator[str]:
    """Yield the tokens of a module: room only between words, a line for each declaration, short names. What may not be
    written to is known by then, and `let` is shorter."""
    last, room, depth = "", "", 0
    short = _short_names([token for token in tokens if not token.isspace()])
    for token in tokens:
        if token.isspace():
            room += token
            continue
        token = "let" if token == "const" else short.get(token, token)
        if last + token not in (";}", ",}", ",]", ",)"):
            yield last
        if room and depth == 0 and "\n" in room:
            yield "\n"
        elif room and last and ((_is_word(last[-1]) and _is_word(token[0])) or (last in "+-" and token in "+-")):
            yield " "
        depth += (token in "{([") - (token in "})]")
        last, room = token, ""
    yield last


def _short_names(tokens: list[str]) -> dict[str, str]:
    """Return names that are declared and are nothing else anywhere: no property, no key, no method, not in a template.
    A name that is the same for all of its declarations may be any other for all of them."""
    declared: set[str] = set()
    others: set[str] = set()
    opened: list[int] = []
    padded = ["", *tokens, "", ""]
    for place, token in enumerate(tokens):
        before, after = padded[place], padded[place + 2]
        if token in ("{", "(", "["):
            opened.append(place)
        elif token in ("}", ")", "]"):
            start = opened.pop()
            if padded[place + 2 : place + 4] == ["=", ">"]:
                declared.update(name for at, name in enumerate(tokens[start:place], start) if padded[at] in ("(", ","))
        elif token[0] == "`":
            others.update(_WORD.findall(token))
        elif _WORD.fullmatch(token):
            in_braces = bool(opened) and tokens[opened[-1]] == "{"
            is_key = in_braces and before in ("{", ",") and after in (":", ",", "}", "=")
            is_method = after == "(" and before in ("{", "}", ";")
            if before in (".", "get", "async") or is_key or is_method:
                others.add(token)
            if before in ("const", "let", "function", "class") or padded[place + 2 : place + 4] == ["=", ">"]:
                declared.add(token)
    uses = Counter(tokens)
    long = [name for name in declared - others if _WORD.fullmatch(name) and len(name) > 2]
    free = (name for name in _SHORT if name not in uses and name not in others)
    return dict(zip(sorted(long, key=lambda name: (-uses[name], name)), free, strict=False))


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
