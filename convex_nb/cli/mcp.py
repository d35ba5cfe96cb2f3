"""`convex-nb mcp`: the deployment as tools for a language model."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from convex_nb._version import __version__
from convex_nb.cli.loading import add_load, load, sources_of, user_code
from convex_nb.cli.logs import LogTail
from convex_nb.cli.place import add_create, add_place, open_to_read, open_to_write, place_of, shift
from convex_nb.cli.problems import OK, UsageError, message_of
from convex_nb.cli.project import find_project
from convex_nb.language.errors import InvalidValueError, MissingDependencyError

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.cli.place import Place
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.deployment.tools.tools import Tool

DESCRIPTION: Final = """\
Give a language model tools for a deployment, by the Model Context Protocol on stdin and stdout: status, tables, data,
runOneoffQuery (SQL that only reads), functionSpec, run, logs, envList, envGet, envSet, envRemove.

The file is open only while a tool uses it, so that a notebook can have it; to change something in it, none may. Whoever
talks to this may do what you may, unless --read-only is said. Needs the extra: pip install 'convex-nb[mcp]'."""
USAGE: Final = "[FILE] [--load MODULE] [--read-only] [--disable-tools NAMES]"
EXAMPLES: Final = """\
  convex-nb mcp app.convex --load my_app
  convex-nb mcp --read-only                 FILE and --load are in pyproject.toml
  convex-nb mcp --disable-tools envSet,envRemove

in the configuration of a client:
  {"mcpServers": {"convex": {"command": "convex-nb", "args": ["mcp", "--file", "/home/ada/app.convex"]}}}"""
INSTRUCTIONS: Final = """\
A reactive database and its functions. Begin with `status` and `tables`. Read with `data`, or with SQL by
`runOneoffQuery`. Change documents by calling mutations with `run`; `functionSpec` says which there are. Values that
JSON lacks are tagged: {"$integer": ...} is a 64-bit integer, {"$bytes": ...} bytes."""


def configure(parser: OptionParser) -> None:
    """Add the options of `mcp`."""
    add_place(parser)
    add_load(parser)
    parser.add_argument("--read-only", action="store_true", help="offer nothing that could change something")
    parser.add_argument("--disable-tools", metavar="NAMES", help="tools that are not offered, with commas")
    parser.add_argument("--prod", action="store_true", help="this is a deployment that others depend on: refuse")
    parser.add_argument(
        "--dangerously-enable-production-deployments", action="store_true", help="with --prod: do not refuse"
    )
    add_create(parser)


def run(options: Namespace, console: Console) -> int:
    """Serve until the client goes."""
    shift(options)
    if options.prod and not options.dangerously_enable_production_deployments:
        raise UsageError(
            "This is a production deployment, and a model could read and change all of it: nothing is offered. "
            "If it shall, add --dangerously-enable-production-deployments."
        )
    try:
        from mcp.server import MCPServer
    except ImportError as error:
        raise MissingDependencyError(
            f"This needs a package that is not installed: {error.name}. Nothing is offered. Install the extra: "
            "pip install 'convex-nb[mcp]'",
            package=error.name or "",
        ) from error
    from convex_nb.deployment.tools.tools import Tools

    place = place_of(options)
    if not options.create:
        # Better now, where somebody reads it, than at the first tool.
        open_to_read(place).close()
    tools = Tools(_opened(place, _sources(options), options.create), _events, read_only=options.read_only)
    disabled = [name.strip() for name in (options.disable_tools or "").split(",") if name.strip()]
    try:
        chosen = tools.chosen(disabled)
    except InvalidValueError as error:
        raise UsageError(str(error)) from None
    server = MCPServer(f"convex-nb {place.stem}", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING")
    for tool in chosen.values():
        _add(server, tool)
    console.say(f"{len(chosen)} tools for {place}, on stdin and stdout.")
    server.run("stdio")
    return OK


def _sources(options: Namespace) -> list[str]:
    try:
        return sources_of(options)
    except UsageError:
        # Without functions there are still documents to look at.
        if options.load:
            raise
        return []


def _opened(place: Place, sources: list[str], create: bool) -> Any:
    # A file is written by one at a time, and modules are run one after another.
    lock = threading.Lock()

    @contextmanager
    def opened(*, to_write: bool = False, to_call: bool = False) -> Iterator[Deployment]:
        with lock, open_to_write(place, create=create) if to_write else open_to_read(place) as deployment:
            if to_call:
                with user_code():
                    load(deployment, sources)
            yield deployment

    return opened


def _events() -> Iterable[dict[str, Any]]:
    place = find_project().logs
    if place is None or not place.is_file():
        raise UsageError(
            'There is no log to read: it is the file that dep.logs.add_sink("app.log.jsonl") writes, and that '
            '[tool.convex_nb] logs = "app.log.jsonl" in pyproject.toml names.'
        )
    return LogTail(place).new()


def _add(server: MCPServer, tool: Tool) -> None:
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

    def anticipated(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> dict[str, Any]:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                # The model is to read what was wrong, whatever it was.
                raise ToolError(message_of(error)) from error

        return call

    hints = ToolAnnotations(read_only_hint=not tool.changes, destructive_hint=tool.changes, open_world_hint=False)
    server.add_tool(anticipated(tool.function), tool.name, annotations=hints)
