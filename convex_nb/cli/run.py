"""`convex-nb run`: calls one function."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from convex_nb.cli.call import Call
from convex_nb.cli.component import add_component
from convex_nb.cli.json5 import read_json5
from convex_nb.cli.loading import add_load, find_function, sources_of, user_code, within
from convex_nb.cli.place import add_create, add_place, open_to_read, open_to_write, place_of, shift
from convex_nb.cli.problems import OK, UsageError
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Call a query, mutation or action, public or internal, and print what it returns as JSON.

What it prints and logs goes to stderr. A query opens the file for reading only, so it works beside a notebook that
writes it; a mutation or an action needs the file for itself."""
USAGE: Final = "[FILE] FUNCTION [ARGUMENTS] [--component PATH] [--load MODULE] [--watch]"
EXAMPLES: Final = """\
  convex-nb run app.convex messages:send '{"author": "Ada", "body": "hello"}' --load my_app
  convex-nb run messages:recent --watch        FILE and --load are in pyproject.toml
  convex-nb run my_app/messages.py:send "{author: 'Ada', body: 'hello'}"
  convex-nb run messages:send - < message.json
  convex-nb run messages:mine --identity '{"subject": "ada", "name": "Ada"}'"""


def configure(parser: OptionParser) -> None:
    """Add the options of `run`."""
    add_place(parser)
    parser.add_argument("function", metavar="FUNCTION", nargs="?", help="its path, as in messages:send")
    parser.add_argument(
        "arguments",
        metavar="ARGUMENTS",
        nargs="?",
        help="one object of arguments in JSON or JSON5; - reads it from stdin",
    )
    add_component(parser, "a function")
    add_load(parser)
    parser.add_argument(
        "--identity", metavar="JSON", help="call it as this user, whose claims are a JSON object; public functions only"
    )
    parser.add_argument("--watch", action="store_true", help="go on printing what a query returns, whenever it changes")
    add_create(parser)


def run(options: Namespace, console: Console) -> int:
    """Call the function; print its result."""
    shift(options, "function", "arguments")
    if options.function is None:
        raise UsageError("Which function? Write its path, as in messages:send. See convex-nb run --help.")
    place, sources = place_of(options), sources_of(options)
    arguments = {} if options.arguments is None else _object(options.arguments, "The arguments are")
    identity = None if options.identity is None else _object(options.identity, "--identity takes")
    if options.component and (identity is not None or options.watch):
        raise UsageError("--component calls as the owner, once: leave --identity and --watch out.")
    call = Call(sources, options.component, within(sources, options.function), arguments, identity)
    with user_code():
        function = find_function(sources, call.path, options)
    if options.watch:
        if function.kind != "query":
            raise UsageError(f"{call.path} is a {function.kind}: only queries can be watched.")
        from convex_nb.cli.watch import watch

        watch(place, call, console)
    reads = function.kind == "query"
    with open_to_read(place) if reads else open_to_write(place, create=options.create) as deployment:
        value = call.on(deployment, console)
    console.value(value)
    return OK


def _object(text: str, what: str) -> dict[str, Any]:
    expected = f'{what} one JSON object in one pair of quotes, as in \'{{"name": "Ada"}}\''
    try:
        form = read_json5(sys.stdin.read() if text == "-" else text)
    except InvalidValueError as error:
        raise UsageError(f"{expected}. {error}") from None
    if not isinstance(form, dict):
        raise UsageError(f"{expected}, not {describe(form, 80)}.")
    return form
