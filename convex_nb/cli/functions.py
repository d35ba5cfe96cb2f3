"""`convex-nb functions`: what can be called."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from convex_nb.cli.loading import add_modules, loaded
from convex_nb.cli.problems import OK

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.functions.definition import Function

DESCRIPTION: Final = """\
List the functions of modules and folders with their arguments. No deployment is opened.

--json prints, for each, its path, kind, visibility, and the validators of its arguments and of its result."""
USAGE: Final = "[MODULE ...]"
EXAMPLES: Final = """\
  convex-nb functions my_app
  convex-nb functions --json        where they are is in pyproject.toml"""


def configure(parser: OptionParser) -> None:
    """Add the options of `functions`."""
    add_modules(parser)


def run(options: Namespace, console: Console) -> int:
    """Print the functions."""
    from convex_nb.views.sheet import Heading, Sheet

    with loaded(options) as catalogue:
        functions = catalogue.functions
    if console.json:
        console.line([_form(path, function) for path, function in functions.items()])
    else:
        rows = [[path, _kind(function), function.signature] for path, function in functions.items()]
        console.sheet(Sheet([Heading("function"), Heading("kind"), Heading("arguments")], rows))
    return OK


def _kind(function: Function) -> str:
    return function.kind if function.visibility == "public" else f"internal {function.kind}"


def _form(path: str, function: Function) -> dict[str, Any]:
    return {
        "path": path,
        "kind": function.kind,
        "visibility": function.visibility,
        "args": function.args.json,
        "returns": None if function.returns is None else function.returns.json,
    }
