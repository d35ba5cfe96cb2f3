"""`convex-nb COMMAND`: finds the command, runs it, and turns whatever happens into an exit code."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final, NamedTuple, Protocol

from convex_nb._version import __version__
from convex_nb.cli.console import Console, quiet_stdout
from convex_nb.cli.options import OptionParser, command_parser, nearest
from convex_nb.cli.problems import BROKEN_PIPE, INTERRUPTED, OK, UsageError, exit_code_of


class Command(NamedTuple):
    """Where a command lives, and what it does in a few words. Its module is imported when it is asked for."""

    module: str
    summary: str


COMMANDS: Final[dict[str, Command]] = {
    "run": Command("run", "call a query, mutation or action and print what it returns"),
    "serve": Command("serve", "let apps connect to a deployment by HTTP and WebSocket"),
    "dev": Command("dev", "the same, loading functions again whenever their files change"),
    "functions": Command("functions", "list functions with their arguments"),
    "function-spec": Command("function_spec", "print the validators of functions as JSON, for other programs"),
    "openapi": Command("openapi", "print the HTTP API of public functions as an OpenAPI document"),
    "codegen": Command("codegen", "write a typed Python module of documents and functions"),
    "rules": Command("rules", "print how to write for convex_nb, for assistants that write code"),
    "mcp": Command("mcp", "give a language model tools for a deployment"),
    "data": Command("data", "list tables, or print the documents of one"),
    "env": Command("env", "list, get, set and unset environment variables"),
    "history": Command("history", "say what was changed about a deployment, its documents aside"),
    "logs": Command("logs", "print and follow what functions did and printed"),
    "insights": Command("insights", "say which functions read too much, or get into each other's way"),
    "import": Command("import_command", "import a file into a table, or a ZIP file into many"),
    "export": Command("export", "write all tables to a ZIP file, or one to CSV, JSON, Parquet or Arrow"),
    "backup": Command("backup", "copy everything to a new file and verify it"),
    "restore": Command("restore", "put a backup in the place of everything"),
    "repair": Command("repair", "save what verifies of a damaged file to a new one"),
}

HEAD: Final = f"convex_nb {__version__}: a reactive backend that lives inside a Jupyter notebook"
USAGE: Final = "convex-nb COMMAND [FILE] [...]"
NOTES: Final = """\
FILE is a deployment such as app.convex. In a project it is written once, in pyproject.toml:

  [tool.convex_nb]
  file = "app.convex"
  functions = "my_app"

convex-nb COMMAND --help   options and examples
convex-nb --version        the version

In a notebook:   %load_ext convex_nb
In a checkout:   make demo   run the tour and check what it shows
                 make test   run every test
                 make lab    open the tour in JupyterLab"""


class Module(Protocol):
    """What the module of a command has."""

    DESCRIPTION: str
    USAGE: str
    EXAMPLES: str

    @staticmethod
    def configure(parser: OptionParser) -> None:
        """Add the command's options."""
        ...

    @staticmethod
    def run(options: Namespace, console: Console) -> int:
        """Do it; the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, of the process unless `argv` is given; return its exit code. Raises nothing."""
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console(json="--json" in words, debug="--debug" in words)
    try:
        code = _run(words, console)
        if sys.stdout is not None:  # somebody may have closed it
            sys.stdout.flush()
    except BrokenPipeError:
        quiet_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        console.say("Interrupted.")
        return INTERRUPTED
    except Exception as error:
        with suppress(BrokenPipeError):
            console.problem(error)
        return exit_code_of(error)
    return code


def _run(words: list[str], console: Console) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        if len(words) > 1 and words[0] == "help":
            return _run([words[1], "--help"], console)
        print(_help())
        return OK
    if words[0] in ("-V", "--version"):
        print(f"convex_nb {__version__}")
        return OK
    name, *rest = words
    if name.startswith("-"):
        raise UsageError(f"The command comes first: {USAGE}.")
    if name.endswith(".convex"):
        raise UsageError(f"The command comes before the file: convex-nb COMMAND {name}.")
    if name not in COMMANDS:
        raise UsageError(f"There is no command {name!r}.{nearest(name, COMMANDS)}")
    module: Module = import_module(f"convex_nb.cli.{COMMANDS[name].module}")  # type: ignore[assignment]
    parser = command_parser(name, module.USAGE, module.DESCRIPTION, module.EXAMPLES)
    module.configure(parser)
    options = parser.parse_intermixed_args(rest)
    return OK if options.help else module.run(options, console)


def _help() -> str:
    lines = [HEAD, "", f"Usage: {USAGE}", ""]
    lines += [f"  {name:<15}{command.summary}" for name, command in COMMANDS.items()]
    return "\n".join([*lines, "", NOTES])
