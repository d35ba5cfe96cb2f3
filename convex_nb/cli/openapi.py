"""`convex-nb openapi`: the HTTP API of public functions, described."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from convex_nb.cli.loading import add_modules, loaded
from convex_nb.cli.problems import OK

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Print the public functions and HTTP actions of modules and folders as an OpenAPI 3.0 document in JSON, for tools that
call HTTP APIs or make clients of them. No deployment is opened. A server has the same at /openapi.json."""
USAGE: Final = "[MODULE ...]"
EXAMPLES: Final = """\
  convex-nb openapi my_app > openapi.json
  convex-nb openapi        where they are is in pyproject.toml"""


def configure(parser: OptionParser) -> None:
    """Add the options of `openapi`."""
    add_modules(parser)


def run(options: Namespace, console: Console) -> int:
    """Print the document."""
    with loaded(options) as catalogue:
        console.line(catalogue.openapi(), indent=None if console.json else 2)
    return OK
