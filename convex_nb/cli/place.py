"""Which deployment a command works on, and opening it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from convex_nb.cli.options import OptionParser
from convex_nb.cli.problems import UsageError
from convex_nb.cli.project import find_project
from convex_nb.language.errors import StorageError

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment


class SharedPlace:
    """A PostgreSQL database as the place of a deployment: a `Path` as far as commands ask. It shows no password."""

    def __init__(self, uri: str) -> None:
        """Raises `InvalidValueError` for what is no address, without repeating it."""
        from convex_nb.deployment.data.place import address_text

        self.uri = uri
        self._text = address_text(uri)

    def __str__(self) -> str:
        return self._text

    @property
    def stem(self) -> str:
        """The name of the database."""
        return self._text.rpartition("/")[2]

    def exists(self) -> bool:
        """Whether there is anything to be begun is for the server to say."""
        return True


Place: TypeAlias = Path | SharedPlace
"""Where a deployment is."""


def _place(text: str) -> Place:
    return SharedPlace(text) if _is_address(text) else Path(text)


def _is_address(text: str) -> bool:
    return text.startswith(("postgresql://", "postgres://"))


def add_place(parser: OptionParser) -> None:
    """Let the command line name the deployment: as its first word, or with `--file`."""
    parser.add_argument(
        "place",
        metavar="FILE",
        nargs="?",
        help="the deployment: *.convex, or postgresql://...; see --file",
    )
    parser.add_argument("--file", metavar="FILE", help="the deployment, whatever its name; else [tool.convex_nb] says")


def add_create(parser: OptionParser) -> None:
    """Let a command that writes begin a new deployment."""
    parser.add_argument("--create", action="store_true", help="begin a new deployment if the file does not exist")


def shift(options: Namespace, *names: str) -> None:
    """Where the first word is no deployment, the words mean what they would mean after one."""
    values = [getattr(options, name) for name in ("place", *names)]
    if values[0] is not None and not values[0].endswith(".convex") and not _is_address(values[0]):
        if values[-1] is not None:
            raise UsageError(f"{values[-1]!r} is one word too many.")
        values = [None, *values[:-1]]
    for name, value in zip(("place", *names), values, strict=True):
        setattr(options, name, value)


def place_of(options: Namespace) -> Place:
    """Return the place that was named, here or by the project. Raises `UsageError` where none was."""
    if options.place is not None and options.file is not None:
        raise UsageError(f"Two deployments are named, {_place(options.place)} and {_place(options.file)}: which one?")
    named = options.place or options.file
    if named is not None:
        return _place(named)
    file = find_project().file
    if file is None:
        here = [each.name for each in sorted(Path().glob("*.convex"))]
        raise UsageError(
            "Which deployment? Write its file after the command, or name it once in pyproject.toml: [tool.convex_nb] "
            f'file = "app.convex".{" Here there is: " + ", ".join(here) + "." if here else ""}'
        )
    return file


def opened_as(place: Place) -> Path | str:
    """What `convex_nb.open` takes for a place."""
    return place.uri if isinstance(place, SharedPlace) else place


def open_to_read(place: Place) -> Deployment:
    """Open a deployment as it is now, beside whoever writes it."""
    from convex_nb.deployment.opening import open as open_deployment

    return open_deployment(opened_as(place), read_only=True)


def open_to_write(place: Place, *, create: bool = False) -> Deployment:
    """Open a deployment for writing. Raises `StorageError` for a file that does not exist, unless it may be made."""
    from convex_nb.deployment.opening import open as open_deployment

    if not create and not place.exists():
        raise StorageError(
            f"There is no file {place}: nothing was done. Add --create to begin a new one.", path=str(place)
        )
    deployment = open_deployment(opened_as(place))
    # A command is over soon, and must not begin what it could not end.
    deployment.schedules.hold()
    return deployment
