"""The terminal: results on stdout, everything else on stderr, colours and progress only where somebody looks."""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TextIO

from convex_nb.cli.problems import UsageError, as_json, message_of, place_of
from convex_nb.language.encoding import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convex_nb.views.sheet import Sheet

REDRAW_SECONDS: Final = 0.1


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

    def confirm(self, question: str) -> bool:
        """Ask, if there is somebody to ask; whoever starts this from a script has decided already."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def progress(self, what: str) -> Progress:
        """A line that says how far `what` has come, on a terminal only."""
        return Progress(what, sys.stderr.isatty() and not self.json)


class Progress:
    """`with console.progress("importing") as progress: ... progress(done, total)`; gone when the block ends."""

    def __init__(self, what: str, shown: bool) -> None:
        self._what = what
        self._shown = shown
        self._width = 0
        self._next = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int, total: int | None = None, /) -> None:
        """So much is done, of so much if that is known."""
        if not self._shown or monotonic() < self._next:
            return
        self._next = monotonic() + REDRAW_SECONDS
        share = f" of {total:,} ({100 * done // total} %)" if total else ""
        text = f"{self._what}: {done:,}{share}"
        print("\r" + text.ljust(self._width), end="", file=sys.stderr, flush=True)
        self._width = len(text)


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
