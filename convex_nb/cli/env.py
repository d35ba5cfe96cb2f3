"""`convex-nb env`: the environment variables of a deployment."""

from __future__ import annotations

import sys
from argparse import Namespace
from getpass import getpass
from typing import TYPE_CHECKING, Final

from convex_nb.cli.options import nearest
from convex_nb.cli.place import add_create, add_place, open_to_read, open_to_write, place_of, shift
from convex_nb.cli.problems import OK, UsageError
from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
List, get, set and unset the environment variables that functions read with ctx.env.

A value that is not on the command line is read from stdin, so that it stays out of the shell's history. list and get
open the file for reading only; set and unset need it for themselves."""
USAGE: Final = "[FILE] list | get NAME | set NAME VALUE | set NAME=VALUE | set NAME | unset NAME"
EXAMPLES: Final = """\
  convex-nb env app.convex list
  convex-nb env set GREETING hello        FILE is in pyproject.toml
  convex-nb env set API_KEY < key.txt"""

VERBS: Final = {"list": 0, "get": 1, "set": 2, "unset": 1, "remove": 1}
"""What can be done, and how many words may follow."""


def configure(parser: OptionParser) -> None:
    """Add the options of `env`."""
    add_place(parser)
    parser.add_argument("verb", metavar="VERB", nargs="?", help="list, get, set or unset")
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="letters, digits and underscores, beginning with a letter"
    )
    parser.add_argument("value", metavar="VALUE", nargs="?", help="without it, stdin is read")
    add_create(parser)


def run(options: Namespace, console: Console) -> int:
    """List, get, set or unset."""
    shift(options, "verb", "name", "value")
    verb, words = options.verb or "list", [word for word in (options.name, options.value) if word is not None]
    if verb not in VERBS:
        raise UsageError(f"env cannot {verb!r}.{nearest(verb, VERBS)} It can list, get, set and unset.")
    if len(words) > VERBS[verb]:
        raise UsageError(f"{words[-1]!r} is one word too many after env {verb}.")
    if verb != "list" and not words:
        raise UsageError(f"Which variable? Write its name after env {verb}.")
    if verb in ("set", "unset", "remove"):
        _change(options, "set" if verb == "set" else "unset", words, console)
        return OK
    with open_to_read(place_of(options)) as deployment:
        shown = dict(deployment.env) if verb == "list" else _value(deployment.env, words[0])
    if console.json:
        console.line(shown)
    elif isinstance(shown, str):
        print(shown)
    else:
        for name, value in shown.items():
            print(f"{name}={value}")
        if not shown:
            console.say("There are no environment variables.")
    return OK


def _change(options: Namespace, verb: str, words: list[str], console: Console) -> None:
    name, value = _pair(*words) if verb == "set" else (words[0], "")
    with open_to_write(place_of(options), create=options.create and verb == "set") as deployment:
        if verb == "set":
            deployment.env[name] = value
        else:
            _value(deployment.env, name)
            del deployment.env[name]
    if console.json:
        console.line({verb: name})
    else:
        console.say(f"{name} was {verb}.")


def _value(env: Mapping[str, str], name: str) -> str:
    if name not in env:
        raise InvalidValueError(f"There is no environment variable {name!r}.{nearest(name, env)}", value=name)
    return env[name]


def _pair(name: str, value: str | None = None) -> tuple[str, str]:
    if value is None and "=" in name:
        name, _, value = name.partition("=")
    if value is None:
        value = getpass(f"Value of {name}: ") if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    return name, value
