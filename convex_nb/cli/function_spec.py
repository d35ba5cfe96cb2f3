"""`convex-nb function-spec`: functions for other programs."""

from __future__ import annotations

from typing import Final

from convex_nb.cli.loading import add_modules, printing

DESCRIPTION: Final = """\
Print the functions and HTTP actions of modules and folders as JSON, in the form that Convex's own tools exchange: kind,
visibility, and the validators of arguments and results. No deployment is opened."""
USAGE: Final = "[MODULE ...]"
EXAMPLES: Final = """\
  convex-nb function-spec my_app > functions.json
  convex-nb function-spec --json        where they are is in pyproject.toml"""

configure: Final = add_modules
run: Final = printing(lambda catalogue: catalogue.function_spec())
