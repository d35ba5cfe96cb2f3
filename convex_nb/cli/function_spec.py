"""`convex-nb function-spec`: functions for other programs."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Final

from convex_nb.cli.loading import add_modules, loaded
from convex_nb.cli.problems import OK

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Print the functions and HTTP actions of modules and folders as JSON, in the form that Convex's own tools exchange: kind,
visibility, and the validators of arguments and results. No deployment is opened."""
USAGE: Final = "[MODULE ...]"
EXAMPLES: Final = """\
  convex-nb function-spec my_app > functions.json
  convex-nb function-spec --json        where they are is in pyproject.toml"""


def configure(parser: OptionParser) -> None:
    """Add the options of `function-spec`."""
    add_modules(parser)


def run(options: Namespace, console: Console) -> int:
    """Print what there is."""
    with loaded(options) as catalogue:
        console.line(catalogue.function_spec(), indent=None if console.json else 2)
    return OK
