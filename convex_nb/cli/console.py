"""The terminal: results on stdout, everything else on stderr, colours and progress only where somebody looks."""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from convex_nb.cli.problems import UsageError, as_json, message_of, place_of
from convex_nb.language.encoding import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from convex_nb.views.sheet import Sheet


class Console:
    """Where a command speaks. With `json` it does so for machines."""

    def __init__(self, *, json: bool = False, debug: bool = False) -> None:
        self.json = json
        self._debug = debug
        for stream in (sys.stdout, sys.stderr):
            # A character that the terminal's encoding lacks is shown as its number.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

    # -- results -------------------------------------------------------------------------------------------------

    def value(self, value: Any) -> None:
        """Print a value losslessly: on many lines for people, on one for machines."""
        self.line(to_json(value), indent=None if self.json else 2)

    def line(self, form: Any, *, indent: int | None = None) -> None:
        """Print JSON, and let it go at once: somebody may be waiting for each line."""
        print(json.dumps(form, ensure_ascii=not _is_unicode(sys.stdout), indent=indent), flush=True)

    def sheet(self, sheet: Sheet) -> None:
        """Print a table for people."""
        print(sheet.text())

    # -- everything else -----------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Tell people what was done; machines have the result."""
        if not self.json:
            print(text, file=sys.stderr)

    def logged(self, lines: Iterable[tuple[str, str, str]]) -> None:
        """Print the log lines of functions: path, level and text of each."""
        for path, level, text in lines:
            if self.json:
                print(json.dumps({"log": {"function": path, "level": level, "message": text}}), file=sys.stderr)
                continue
            print(f"{_dim(path)} {level}  {text}", file=sys.stderr)

    def problem(self, error: Exception) -> None:
        """Print an error: a line or two, one of JSON for machines, or all there is to know."""
        if self.json:
            print(as_json(error), file=sys.stderr)
            return
        if self._debug and not isinstance(error, UsageError):
            traceback.print_exception(error)
        place = "" if isinstance(error, UsageError) else place_of(error)
        print(f"{_red('error:')} {message_of(error)}", *([f"  at {place}"] if place else []), sep="\n", file=sys.stderr)

    @property
    def progress(self) -> Callable[[int, int], object] | None:
        """Who is told how far something long is: nobody for machines, else whoever shows it on a terminal."""
        return _told_nothing if self.json else None

    def confirm(self, question: str) -> bool:
        """Ask, if there is somebody to ask; whoever starts this from a script has decided already."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _told_nothing(_done: int, _total: int) -> None:
    """Report progress to nobody."""


def quiet_stdout() -> None:
    """Whoever read stdout has gone: let nothing complain about it while the interpreter ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _red(text: str) -> str:
    return f"\x1b[31m{text}\x1b[0m" if _has_colours() else text


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if _has_colours() else text


def _has_colours() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _is_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf")
