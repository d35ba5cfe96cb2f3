"""`convex-nb serve`: lets apps connect to a deployment, without a notebook."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from convex_nb.cli.loading import add_load, load, sources_of, user_code
from convex_nb.cli.place import add_create, add_place, opened_as, place_of, shift
from convex_nb.cli.problems import OK, UsageError
from convex_nb.language.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.cli.place import Place
    from convex_nb.deployment.deployment import Deployment

DESCRIPTION: Final = """\
Let Convex clients connect to a deployment by HTTP and WebSocket, until Ctrl+C.

It has the file for itself: a notebook that has it open can serve it as well, with %convex serve. Scheduled functions
and crons run. Needs the extra: pip install 'convex-nb[server]'."""
USAGE: Final = "[FILE] [--load MODULE] [--port N]"
EXAMPLES: Final = """\
  convex-nb serve app.convex --load my_app
  convex-nb serve --create              FILE and --load are in pyproject.toml
  convex-nb serve --prod --host 0.0.0.0 --port 80"""


def configure(parser: OptionParser) -> None:
    """Add the options of `serve`."""
    add_place(parser)
    add_load(parser)
    parser.add_argument("--port", metavar="N", type=int, help="3210 if that is free, unless given; 0 for any")
    parser.add_argument("--site-port", metavar="N", type=int, help="where HTTP actions are; one above, unless given")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at; 0.0.0.0 lets other machines in")
    parser.add_argument(
        "--origin", metavar="URL", action="append", default=[], help="a web page that may connect; may be repeated"
    )
    parser.add_argument("--prod", action="store_true", help="do not tell clients what went wrong inside functions")
    add_create(parser)


def run(options: Namespace, console: Console) -> int:
    """Serve until somebody interrupts it."""
    return serve(options, console, _nothing, _nothing)


def serve(
    options: Namespace, console: Console, begin: Callable[[Deployment], object], look: Callable[[Deployment], object]
) -> int:
    """Serve what the options say; `begin` is called once before that, `look` again and again."""
    shift(options)
    place, sources = place_of(options), sources_of(options)
    if not options.create and not place.exists():
        raise StorageError(
            f"There is no file {place}: nothing is served. Add --create to begin a new one.", path=str(place)
        )
    for name, port in (("--port", options.port), ("--site-port", options.site_port)):
        if port is not None and not 0 <= port < 65536:
            raise UsageError(f"{name} is a number from 0 to 65535, not {port}.")
    with _opened(place, options.prod) as deployment:
        with user_code():
            load(deployment, sources)
        said = 0

        def tell_logs() -> None:
            nonlocal said
            lines = [line for line in deployment.logs if line.number > said]
            if lines:
                said = lines[-1].number
                console.logged((line.path, line.level, line.message) for line in lines)

        try:
            begin(deployment)
        finally:
            tell_logs()
        server = deployment.serve(options.port, site_port=options.site_port, host=options.host, origins=options.origin)
        _tell(console, server, deployment)
        while True:
            time.sleep(LOOK_SECONDS)
            look(deployment)
            tell_logs()
    return OK


LOOK_SECONDS: Final = 0.3
"""How often what functions printed is printed."""


def _nothing(_: Deployment) -> None:
    """Have nothing to add."""


def _opened(place: Place, is_production: bool) -> Deployment:
    from convex_nb.deployment.opening import open as open_deployment

    return open_deployment(opened_as(place), mode="prod" if is_production else "dev")


def _tell(console: Console, server: Any, deployment: Deployment) -> None:
    if console.json:
        console.line({"url": server.url, "siteUrl": server.site_url, "adminKey": server.admin_key})
    else:
        print(server.url, flush=True)
        console.say(f"{len(deployment.functions)} functions. HTTP actions: {server.site_url}. Ctrl+C ends it.")
