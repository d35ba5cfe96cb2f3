"""`convex-nb run --watch`: a query that is followed from outside the process that writes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from convex_nb.cli.place import SharedPlace, open_to_read
from convex_nb.language.encoding import to_json

if TYPE_CHECKING:
    from convex_nb.cli.call import Call
    from convex_nb.cli.console import Console
    from convex_nb.cli.place import Place
    from convex_nb.deployment.deployment import Deployment

LOOK_SECONDS: Final = 0.2
"""How often it looks whether something was written."""


def watch(place: Place, call: Call, console: Console) -> NoReturn:
    """Print what a query returns now and whenever that has changed, until it is interrupted.

    Whatever writes the file is another process, so it is opened anew after each change; a deployment in PostgreSQL
    follows by itself. Raises what the query raises at first; later errors are printed, and it goes on.
    """
    if isinstance(place, SharedPlace):
        with open_to_read(place) as deployment:
            _watch(lambda: nullcontext(deployment), lambda: deployment.timestamp, call, console)
    _watch(lambda: open_to_read(place), lambda: _state_of(place), call, console)


def _watch(
    opened: Callable[[], AbstractContextManager[Deployment]],
    state: Callable[[], object],
    call: Call,
    console: Console,
) -> NoReturn:
    said: str | None = None
    if sys.stderr.isatty():
        console.say(f"Following {call.path}; Ctrl+C ends it.")
    while True:
        seen: object = state()
        try:
            with opened() as deployment:
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
        while state() == seen:
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
