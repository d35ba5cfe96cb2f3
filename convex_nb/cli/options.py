"""The options of a command: read, explained, and refused in one line with the nearest match."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from typing import Final, NoReturn

from convex_nb.cli.problems import UsageError

_UNRECOGNISED: Final = re.compile(r"unrecognized arguments: (?P<words>.*)", re.DOTALL)


class OptionParser(ArgumentParser):
    """Raises `UsageError` where its base class would end the process."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        unrecognised = _UNRECOGNISED.match(message)
        if unrecognised is not None:
            word = unrecognised["words"].split(" ")[0]
            if word.startswith("-"):
                message = f"{self.prog} has no option {word}.{nearest(word, self._option_string_actions)}"
            else:
                message = f"{word!r} is one word too many."
        else:
            message = message[:1].upper() + message[1:]
        raise UsageError(f"{message}{'' if message.endswith(('.', '?')) else '.'} See {self.prog} --help.")

    def parse_intermixed_args(self, args: list[str], namespace: None = None) -> Namespace:  # type: ignore[override]
        """Read options and words in any order; `--help` prints, whatever else is there."""
        if "--help" in args or "-h" in args:
            self.print_help()
            return Namespace(help=True)
        return super().parse_intermixed_args(args, namespace)


def command_parser(name: str, usage: str, description: str, examples: str) -> OptionParser:
    """Return the parser of a command, with the options that every command has."""
    parser = OptionParser(
        prog=f"convex-nb {name}",
        usage=f"convex-nb {name} {usage}".rstrip(),
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=partial(RawDescriptionHelpFormatter, max_help_position=30, width=100),
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("--help", "-h", action="store_true", help="show this")
    parser.add_argument("--json", action="store_true", help="for machines: JSON on stdout, errors as JSON on stderr")
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    return parser


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ` Did you mean ...?` for the nearest of `words`, or nothing when none is near."""
    close = get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else ""
