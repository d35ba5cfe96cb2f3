"""`convex-nb run --watch`: a query that is followed from outside the process that writes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from convex_nb.cli.place import open_to_read
from convex_nb.language.encoding import to_json

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.run import Call

LOOK_SECONDS: Final = 0.2
"""How often it looks whether something was written."""


def watch(place: Path, call: Call, console: Console) -> NoReturn:
    """Print what a query returns now and whenever that has changed, until it is interrupted.

    Whatever writes the file is another process, so it is opened anew after each change. Raises what the query raises
    at first; later errors are printed, and it goes on.
    """
    said: str | None = None
    if sys.stderr.isatty():
        console.say(f"Following {call.path}; Ctrl+C ends it.")
    while True:
        seen: object = _state_of(place)
        try:
            with open_to_read(place) as deployment:
                value = call.on(deployment, console)
        except Exception as error:
            if said is None:
                raise
            if (text := f"{type(error).__name__}: {error}") != said:
                console.problem(error)
            # It may have been the moment: a file that was being moved, say.
            seen = None
        else:
            if (text := json.dumps(to_json(value))) != said:
                console.value(value)
        said = text
        time.sleep(LOOK_SECONDS)
        while _state_of(place) == seen:
            time.sleep(LOOK_SECONDS)


def _state_of(place: Path) -> list[tuple[int, int]]:
    """Return what changes with every commit: it is appended to the file's sidecar, or folded into the file."""
    states = []
    for file in (place, place.with_name(f"{place.name}-wal")):
        try:
            status = file.stat()
        except OSError:
            continue
        states.append((status.st_size, status.st_mtime_ns))
    return states
