"""The options of a magic: read with help on hand, refused in one line with the nearest match."""

from __future__ import annotations

import ast
import difflib
import re
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from IPython.core.error import UsageError
from IPython.core.magic_arguments import parse_argstring

_ARGUMENTS: Final = re.compile(r"(?:^|\s)--args(?:=|\s+|$)(?P<text>.*?)(?=\s--?[a-z]|$)", re.DOTALL)
_NEXT_ARGUMENT: Final = re.compile(r"\s+(?=[A-Za-z_]\w*\s*=(?!=))")
_UNRECOGNISED: Final = re.compile(r"unrecognized arguments: (?P<words>.*)")


def parse_options(magic: Callable[..., Any], line: str, namespace: Mapping[str, Any]) -> Namespace:
    """Return the options of a magic's line; `args` is a dict of evaluated arguments, or None where none were given.

    `--args` takes Python expressions, `name=expression`, or one dict. Raises `UsageError`.
    """
    name = "%%" + magic.__name__
    arguments, module = None, None
    found = _ARGUMENTS.search(line)
    if found:
        arguments, module = _arguments(found["text"].strip(), namespace, name)
        line = line[: found.start()] + line[found.end() :]
    parser = magic.parser  # type: ignore[attr-defined]
    parser.allow_abbrev = False
    try:
        options: Namespace = parse_argstring(magic, line)
    except UsageError as error:
        raise UsageError(_explained(str(error), name, parser._option_string_actions)) from None
    for key, value in vars(options).items():
        if isinstance(value, str):
            setattr(options, key, value.strip("\"'"))
    options.args = arguments
    if module is not None:
        if options.module is not None:
            raise UsageError(f"{name}: {module!r} is one word too many. See {name}?")
        options.module = module
    return options


def read_arguments(text: str, namespace: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the arguments in `a=1 b="x"`, or in a dict, evaluated. Raises `UsageError`."""
    call = _as_call(text)
    if call is None:
        raise UsageError(f"{name}: arguments are name=expression, not {text!r}.")
    return _evaluated(call, namespace, name)


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ` Did you mean ...?` for the nearest of `words`, or nothing when none is near."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""


def _explained(message: str, name: str, options: Iterable[str]) -> str:
    unrecognised = _UNRECOGNISED.match(message)
    if unrecognised is None:
        return f"{name}: {message}. See {name}?"
    word = unrecognised["words"].split()[0]
    if word.startswith("-"):
        return f"{name} has no option {word}.{nearest(word, options)} See {name}?"
    return f"{name}: {word!r} is one word too many. See {name}?"


def _arguments(text: str, namespace: Mapping[str, Any], name: str) -> tuple[dict[str, Any], str | None]:
    """Evaluate the text after `--args`; a bare last word is the module."""
    for candidate, module in ((text, None), _without_last_word(text)):
        call = _as_call(candidate)
        if call is not None:
            return _evaluated(call, namespace, name), module
    raise UsageError(f"{name}: --args takes name=expression, not {text!r}. See {name}?")


def _without_last_word(text: str) -> tuple[str, str | None]:
    rest, _, word = text.rpartition(" ")
    return rest, word


def _as_call(text: str) -> ast.Call | None:
    """Read `a=1 b="x"` as the call `f(a=1, b="x")`, and a dict in quotes or not as `f(**dict)`."""
    quoted = re.fullmatch(r"(['\"])(\{.*\})\1", text, re.DOTALL)
    text = quoted[2] if quoted else text
    if text.startswith("{"):
        return _parsed(f"f(**{text})")
    pieces: list[str] = []
    for piece in _NEXT_ARGUMENT.split(text):
        # A piece that does not end an expression goes on: the space was inside a text or brackets.
        if pieces and _parsed(f"f({pieces[-1]})") is None:
            pieces[-1] += " " + piece
        else:
            pieces.append(piece)
    call = _parsed(f"f({', '.join(piece.rstrip(',') for piece in pieces)})")
    return call if call is not None and not call.args and call.keywords else None


def _parsed(text: str) -> ast.Call | None:
    try:
        expression = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    return expression if isinstance(expression, ast.Call) else None


def _evaluated(call: ast.Call, namespace: Mapping[str, Any], name: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for keyword in call.keywords:
        text = ast.unparse(keyword.value)
        try:
            value = eval(compile(ast.Expression(keyword.value), "<--args>", "eval"), dict(namespace))
        except Exception as error:
            raise UsageError(f"{name}: --args: {text} is not a value here: {type(error).__name__}: {error}") from None
        arguments |= {keyword.arg: value} if keyword.arg is not None else value
    return arguments
