"""Which deployment a command works on, and opening it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from convex_nb.cli.options import OptionParser
from convex_nb.cli.problems import UsageError
from convex_nb.cli.project import find_project
from convex_nb.language.errors import StorageError

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment


def add_place(parser: OptionParser) -> None:
    """Let the command line name the deployment: as its first word, or with `--file`."""
    parser.add_argument("place", metavar="FILE", nargs="?", help="the deployment, if it ends in .convex; see --file")
    parser.add_argument("--file", metavar="FILE", help="the deployment, whatever its name; else [tool.convex_nb] says")


def add_create(parser: OptionParser) -> None:
    """Let a command that writes begin a new deployment."""
    parser.add_argument("--create", action="store_true", help="begin a new deployment if the file does not exist")


def shift(options: Namespace, *names: str) -> None:
    """Where the first word is no deployment, the words mean what they would mean after one."""
    values = [getattr(options, name) for name in ("place", *names)]
    if values[0] is not None and not values[0].endswith(".convex"):
        if values[-1] is not None:
            raise UsageError(f"{values[-1]!r} is one word too many.")
        values = [None, *values[:-1]]
    for name, value in zip(("place", *names), values, strict=True):
        setattr(options, name, value)


def place_of(options: Namespace) -> Path:
    """Return the file that was named, here or by the project. Raises `UsageError` where none was."""
    if options.place is not None and options.file is not None:
        raise UsageError(f"Two deployments are named, {options.place} and {options.file}: which one?")
    named = options.place or options.file
    if named is not None:
        return Path(named)
    file = find_project().file
    if file is None:
        here = [each.name for each in sorted(Path().glob("*.convex"))]
        raise UsageError(
            "Which deployment? Write its file after the command, or name it once in pyproject.toml: [tool.convex_nb] "
            f'file = "app.convex".{" Here there is: " + ", ".join(here) + "." if here else ""}'
        )
    return file


def open_to_read(place: Path) -> Deployment:
    """Open a deployment as it is now, beside whoever writes it."""
    from convex_nb.deployment.opening import open as open_deployment

    return open_deployment(place, read_only=True)


def open_to_write(place: Path, *, create: bool = False) -> Deployment:
    """Open a deployment for writing. Raises `StorageError` for a file that does not exist, unless it may be made."""
    from convex_nb.deployment.opening import open as open_deployment

    if not create and not place.exists():
        raise StorageError(
            f"There is no file {place}: nothing was done. Add --create to begin a new one.", path=str(place)
        )
    deployment = open_deployment(place)
    # A command is over soon, and must not begin what it could not end.
    deployment.schedules.hold()
    return deployment
