"""`convex-nb dev`: serves, and takes over code as it is edited."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convex_nb.cli import serve
from convex_nb.cli.loading import find_function, load, sources_of, user_code, within

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.deployment.deployment import Deployment

DESCRIPTION: Final = """\
Let Convex clients connect to a deployment, as `serve` does, and load functions again whenever one of their files has
changed: clients go on with the new code. A file that cannot be loaded leaves the former code in place."""
USAGE: Final = f"{serve.USAGE} [--run FUNCTION]"
EXAMPLES: Final = """\
  convex-nb dev app.convex --load my_app --create
  convex-nb dev                         FILE and --load are in pyproject.toml
  convex-nb dev --run messages:seed"""


def configure(parser: OptionParser) -> None:
    """Add the options of `dev`."""
    serve.configure(parser)
    parser.add_argument(
        "--run", metavar="FUNCTION", help="call it once, before clients connect; if it fails nothing is served"
    )
    parser.set_defaults(component="")


def run(options: Namespace, console: Console) -> int:
    """Serve until somebody interrupts it, with the newest code."""
    sources = sources_of(options)
    path = None if options.run is None else within(sources, options.run)
    if path is not None:
        with user_code():
            find_function(sources, path, options)
    seen: dict[Path, int] = {}

    def begin(deployment: Deployment) -> None:
        if path is not None:
            with user_code():
                deployment.run(deployment.functions[path])

    def look(deployment: Deployment) -> None:
        now = _files(deployment)
        if seen and now != seen:
            try:
                with user_code():
                    load(deployment, sources)
            except Exception as error:
                console.problem(error)
            else:
                console.say(f"Loaded again: {', '.join(sorted(_changed(seen, now)))}")
        seen.clear()
        seen.update(now)

    return serve.serve(options, console, begin, look)


def _files(deployment: Deployment) -> dict[Path, int]:
    """When each file beside those that define functions was changed last."""
    folders = {Path(function.handler.__code__.co_filename).parent for function in deployment.functions.values()}
    files = {}
    for folder in folders:
        for file in folder.rglob("*.py"):
            try:
                files[file] = file.stat().st_mtime_ns
            except OSError:
                # It is being replaced.
                continue
    return files


def _changed(before: dict[Path, int], after: dict[Path, int]) -> set[str]:
    return {file.name for file in before.keys() | after.keys() if before.get(file) != after.get(file)}
