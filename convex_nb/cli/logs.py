"""`convex-nb logs`: what functions did and printed, from the file that a deployment hands its log on to."""

from __future__ import annotations

import json
import time
from argparse import ArgumentTypeError, Namespace
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from convex_nb.cli.component import add_component
from convex_nb.cli.problems import OK, UsageError
from convex_nb.cli.project import find_project
from convex_nb.language.errors import InvalidValueError, StorageError
from convex_nb.language.qualified_names import qualified

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Print the newest log lines and failures, and with --follow those that come, from a file of JSON lines.

The log of a deployment is in its process. This file is where one hands it on to, from then on:
dep.logs.add_sink("app.log.jsonl"). With --json the events are printed as they are."""
USAGE: Final = "[LOG] [--follow] [--success] [--component PATH] [--history N] [--jsonl]"
EXAMPLES: Final = """\
  convex-nb logs app.log.jsonl --follow
  convex-nb logs --success --history 1000        [tool.convex_nb] logs = "app.log.jsonl" is in pyproject.toml"""

HISTORY: Final = 100
LOOK_SECONDS: Final = 0.2
"""How often it looks whether something was written."""


def configure(parser: OptionParser) -> None:
    """Add the options of `logs`."""
    add_log(parser)
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes, until it is interrupted")
    parser.add_argument("--success", action="store_true", help="show calls that succeeded as well")
    parser.add_argument(
        "--history", metavar="N", type=_amount, default=HISTORY, help=f"begin with so many lines; {HISTORY} unless said"
    )
    add_component(parser, "the functions")
    parser.add_argument("--jsonl", action="store_true", help="print the events as they are, one a line; so does --json")


def run(options: Namespace, console: Console) -> int:
    """Print what was logged, and follow it."""
    tail = log_of(options)
    console.json = console.json or options.jsonl
    wanted = partial(_is_wanted, success=options.success, component=options.component)
    _print(deque(filter(wanted, tail.new()), maxlen=options.history), console)
    if options.follow:
        _follow(tail, wanted, console)
    return OK


def add_log(parser: OptionParser) -> None:
    """Let the command line name the file of events."""
    parser.add_argument("log", metavar="LOG", nargs="?", help="the file of events; else [tool.convex_nb] says")


def log_of(options: Namespace) -> LogTail:
    """Return the log that was named, here or by the project. Raises `UsageError` where none was, and `StorageError`."""
    place = find_project().logs if options.log is None else Path(options.log)
    if place is None:
        raise UsageError(
            'Which log? Write the file that dep.logs.add_sink("app.log.jsonl") writes, or name it once in '
            'pyproject.toml: [tool.convex_nb] logs = "app.log.jsonl".'
        )
    if not place.is_file():
        raise StorageError(
            f"There is no file {place}: a log is kept from `dep.logs.add_sink(path)` on.", path=str(place)
        )
    return LogTail(place)


def _follow(tail: LogTail, wanted: Callable[[dict[str, Any]], bool], console: Console) -> NoReturn:
    while True:
        time.sleep(LOOK_SECONDS)
        _print(filter(wanted, tail.new()), console)


class LogTail:
    """Reads a growing file of JSON lines; begins anew when it has become shorter."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._position = 0
        self._line = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """The events since the last time. Raises `InvalidValueError` naming a line that is none."""
        with self._place.open("rb") as file:
            if file.seek(0, 2) < self._position:
                self._position = self._line = 0
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    # It is being written.
                    return
                self._position += len(line)
                self._line += 1
                yield self._event(line)

    def _event(self, line: bytes) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "topic" not in event:
            raise InvalidValueError(f"Line {self._line} of {self._place} is no event of a log.", value=str(self._place))
        return event


def _is_wanted(event: dict[str, Any], success: bool, component: str) -> bool:
    if component and event.get("function", {}).get("component_path") != component:
        return False
    return success or event["topic"] == "console" or event.get("status") == "failure"


def _print(events: Iterable[dict[str, Any]], console: Console) -> None:
    from convex_nb.views.cells import one_line, time_text

    for event in events:
        if console.json:
            console.line(event)
            continue
        function = event.get("function", {})
        path = qualified(function.get("component_path", ""), function.get("path", event["topic"]))
        if event["topic"] == "function_execution":
            took = f"{event.get('execution_time_ms', 0):.1f} ms"
            level = "OK" if event.get("status") == "success" else "FAILED"
            text = " ".join(filter(None, (event.get("error_message"), f"({took})")))
        else:
            said = {name: value for name, value in event.items() if name not in ("topic", "timestamp", "convex")}
            level, text = event.get("log_level", "LOG"), event.get("message", json.dumps(said))
        print(time_text(event.get("timestamp", 0)), path, level, one_line(str(text), 4096), sep="  ", flush=True)


def _amount(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a number of lines")
    return int(text)
