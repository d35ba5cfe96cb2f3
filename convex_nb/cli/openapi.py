"""`convex-nb openapi`: the HTTP API of public functions, described."""

from __future__ import annotations

from typing import Final

from convex_nb.cli.loading import add_modules, printing

DESCRIPTION: Final = """\
Print the public functions and HTTP actions of modules and folders as an OpenAPI 3.0 document in JSON, for tools that
call HTTP APIs or make clients of them. No deployment is opened. A server has the same at /openapi.json."""
USAGE: Final = "[MODULE ...]"
EXAMPLES: Final = """\
  convex-nb openapi my_app > openapi.json
  convex-nb openapi        where they are is in pyproject.toml"""

configure: Final = add_modules
run: Final = printing(lambda catalogue: catalogue.openapi())
