"""`convex-nb run`: calls one function."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from convex_nb.cli.loading import add_load, find_function, load, sources_of, user_code
from convex_nb.cli.place import add_create, add_place, open_to_read, open_to_write, place_of, shift
from convex_nb.cli.problems import OK, UsageError
from convex_nb.language.encoding import loads
from convex_nb.language.errors import InvalidValueError, describe

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.deployment.deployment import Deployment

DESCRIPTION: Final = """\
Call a query, mutation or action, public or internal, and print what it returns as JSON.

What it prints and logs goes to stderr. A query opens the file for reading only, so it works beside a notebook that
writes it; a mutation or an action needs the file for itself."""
USAGE: Final = "[FILE] FUNCTION [ARGUMENTS] [--load MODULE] [--watch]"
EXAMPLES: Final = """\
  convex-nb run app.convex messages:send '{"author": "Ada", "body": "hello"}' --load my_app
  convex-nb run messages:recent --watch        FILE and --load are in pyproject.toml
  convex-nb run messages:send - < message.json"""

_EXPECTED: Final = """The arguments are one JSON object in one pair of quotes, as in '{"body": "hello"}'"""


def configure(parser: OptionParser) -> None:
    """Add the options of `run`."""
    add_place(parser)
    parser.add_argument("function", metavar="FUNCTION", nargs="?", help="its path, as in messages:send")
    parser.add_argument(
        "arguments", metavar="ARGUMENTS", nargs="?", help="one JSON object of arguments; - reads it from stdin"
    )
    add_load(parser)
    parser.add_argument("--watch", action="store_true", help="go on printing what a query returns, whenever it changes")
    add_create(parser)


def run(options: Namespace, console: Console) -> int:
    """Call the function; print its result."""
    shift(options, "function", "arguments")
    if options.function is None:
        raise UsageError("Which function? Write its path, as in messages:send. See convex-nb run --help.")
    place, sources, arguments = place_of(options), sources_of(options), _arguments(options.arguments)
    with user_code():
        function = find_function(sources, options.function)
    if options.watch:
        if function.kind != "query":
            raise UsageError(f"{options.function} is a {function.kind}: only queries can be watched.")
        from convex_nb.cli.watch import watch

        return watch(place, sources, options.function, arguments, console)
    reads = function.kind == "query"
    with open_to_read(place) if reads else open_to_write(place, create=options.create) as deployment:
        value = call(deployment, sources, options.function, arguments, console)
    console.value(value)
    return OK


def call(deployment: Deployment, sources: list[str], path: str, arguments: dict[str, Any], console: Console) -> Any:
    """Call a function of any kind; its log lines are printed, also when it raises."""
    with user_code():
        function = load(deployment, sources)[path]
        try:
            return deployment.run(function, arguments)
        finally:
            console.logged((line.path, line.level, line.message) for line in deployment.logs)


def _arguments(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        arguments = loads(sys.stdin.read() if text == "-" else text)
    except InvalidValueError as error:
        raise UsageError(f"{_EXPECTED}. {error}") from None
    if not isinstance(arguments, dict):
        raise UsageError(f"{_EXPECTED}, not {describe(arguments, 80)}.")
    return arguments
