"""`convex-nb codegen`: documents and functions as typed Python."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convex_nb.cli.loading import add_load, load, sources_of, user_code
from convex_nb.cli.place import add_place, open_to_read, place_of, shift
from convex_nb.cli.problems import FAILED, OK, UsageError
from convex_nb.cli.project import find_project
from convex_nb.language.errors import StorageError

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser
    from convex_nb.language.schema import SchemaDefinition

DESCRIPTION: Final = """\
Write a Python module with the types of documents and functions, so that mypy and editors check those who use them:

  from convex_api import Api

  Api(deployment).messages.send(author="Ada", body="hello")

Functions are those of modules and folders, documents those of the schema that FILE has; without one there are none. The
same functions and schema always give the same text."""
USAGE: Final = "[FILE] [PATH] [--load MODULE] [--check]"
EXAMPLES: Final = """\
  convex-nb codegen app.convex convex_api.py --load my_app
  convex-nb codegen convex_api.py           FILE and --load are in pyproject.toml
  convex-nb codegen convex_api.py --check   for continuous integration"""


def configure(parser: OptionParser) -> None:
    """Add the options of `codegen`."""
    add_place(parser)
    parser.add_argument("target", metavar="PATH", nargs="?", help="the module to write; stdout unless given")
    add_load(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if PATH is not up to date")


def run(options: Namespace, console: Console) -> int:
    """Write the module, or compare it."""
    from convex_nb.deployment.opening import open as open_deployment

    shift(options, "target")
    if options.check and options.target is None:
        raise UsageError("Which module is to be checked? Write its path after the command.")
    sources = sources_of(options)
    schema = _schema(options)
    with open_deployment() as catalogue:
        if schema is not None:
            catalogue.push(schema)
        with user_code():
            load(catalogue, sources)
        text = catalogue.codegen()
    if options.target is None:
        print(text, end="")
        return OK
    return _compare(Path(options.target), text, console, write=not options.check)


def _schema(options: Namespace) -> SchemaDefinition | None:
    """Return the schema of the deployment that was named; a project's may not have been begun."""
    if options.place is None and options.file is None:
        file = find_project().file
        if file is None or not file.exists():
            return None
    with open_to_read(place_of(options)) as deployment:
        return deployment.schema


def _compare(path: Path, text: str, console: Console, *, write: bool) -> int:
    try:
        is_current = path.is_file() and path.read_text(encoding="utf-8") == text
        if write and not is_current:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}.", path=str(path)) from None
    if console.json:
        console.line({"path": str(path), "upToDate": is_current or write, "written": write and not is_current})
    elif is_current:
        console.say(f"{path} is up to date.")
    else:
        console.say(f"{path} was written." if write else f"{path} is not up to date: run convex-nb codegen {path}.")
    return OK if is_current or write else FAILED
