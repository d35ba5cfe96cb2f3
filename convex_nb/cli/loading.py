"""Where a command finds functions: modules and folders, named by `--load` or by the project."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convex_nb.cli.component import component_of
from convex_nb.cli.options import OptionParser
from convex_nb.cli.problems import OK, UsageError
from convex_nb.cli.project import find_project
from convex_nb.language.errors import FunctionNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.cli.console import Console
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.definition import Function


def add_load(parser: OptionParser) -> None:
    """Let the command line say where functions are."""
    parser.add_argument(
        "--load",
        metavar="MODULE",
        action="append",
        default=[],
        help="a module, a .py file or a folder of them that defines functions; may be repeated; "
        "else [tool.convex_nb] says",
    )


def sources_of(options: Namespace) -> list[str]:
    """Return what `Deployment.load` is to be given, importable from here. Raises `UsageError` where nothing is said."""
    named: list[str] = options.load
    folder = Path.cwd()
    if not named:
        project = find_project()
        folder = project.folder
        named = [] if project.functions is None else [project.functions]
    if not named:
        raise UsageError(
            "Where are the functions? Say --load my_app, or name them once in pyproject.toml: [tool.convex_nb] "
            'functions = "my_app".'
        )
    return [_importable(name, folder) for name in named]


def _importable(name: str, folder: Path) -> str:
    """Return a name that can be imported from wherever this process was started."""
    place = folder / name
    if place.suffix == ".py":
        if not place.is_file():
            raise UsageError(f"There is no file {place} to load functions from.")
        _look_in(place.parent)
        return place.stem
    _look_in(folder)
    return place.resolve().as_posix() if place.is_dir() else name


def _look_in(folder: Path) -> None:
    if str(folder.resolve()) not in sys.path:
        sys.path.insert(0, str(folder.resolve()))


def within(sources: list[str], path: str) -> str:
    """Return the path of a function as the sources have it, if it is named by its file: `my_app/messages.py:send`."""
    file, colon, name = path.partition(":")
    for folder in map(Path, sources) if file.endswith(".py") else ():
        place = Path(file).resolve()
        if folder.is_dir() and place.is_relative_to(folder.resolve()):
            return f"{place.relative_to(folder.resolve()).as_posix()}{colon}{name}"
    return path


def load(deployment: Deployment, sources: list[str]) -> Mapping[str, Function]:
    """Register the functions of all sources; return them by path."""
    for source in sources:
        deployment.load(source)
    return deployment.functions


def add_modules(parser: OptionParser) -> None:
    """The same, for a command that is about functions only: `MODULE` is `--load MODULE`."""
    parser.add_argument("modules", metavar="MODULE", nargs="*", help="the same as --load MODULE")
    add_load(parser)


@contextmanager
def loaded(options: Namespace) -> Iterator[Deployment]:
    """A deployment of nobody's, in which there is nothing but the functions that a command line names."""
    from convex_nb.deployment.opening import open as open_deployment

    options.load += options.modules
    sources = sources_of(options)
    with open_deployment() as catalogue:
        with user_code():
            load(catalogue, sources)
        yield catalogue


def printing(document: Callable[[Deployment], Any]) -> Callable[[Namespace, Console], int]:
    """The `run` of a command that prints JSON about functions: what is made of a deployment that has only them."""

    def run(options: Namespace, console: Console) -> int:
        with loaded(options) as catalogue:
            console.line(document(catalogue), indent=None if console.json else 2)
        return OK

    return run


@contextmanager
def user_code() -> Iterator[None]:
    """Around code of the user's: what it writes by itself goes to stderr, for stdout is the result's alone."""
    with redirect_stdout(sys.stderr):
        yield


def find_function(sources: list[str], path: str, options: Namespace) -> Function:
    """Return the function that a command line means, without opening its deployment.

    Raises `FunctionNotFoundError`, naming the nearest, and `ComponentError`.
    """
    from convex_nb.deployment.opening import open as open_deployment

    with open_deployment() as catalogue:
        functions = load(catalogue, sources)
        owner = component_of(catalogue, options) if options.component else catalogue
        functions = owner.functions if options.component else functions
        function = functions.get(path)
        if function is None:
            try:
                owner.query(path)
            except FunctionNotFoundError as error:
                hint = "" if error.available else f" There are: {', '.join(functions)}."
                raise FunctionNotFoundError(
                    str(error).partition(" Has its cell")[0] + hint, path=path, available=error.available
                ) from None
            raise AssertionError(path)
        return function
