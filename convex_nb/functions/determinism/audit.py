"""The second net: files, sockets and processes, however a query or mutation comes by them.

Python tells an audit hook of them before they happen. A hook cannot be removed again, so there is one, which does
nothing outside of queries and mutations.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from convex_nb.functions.determinism.refusal import ACTIONS, is_excused, refuse
from convex_nb.functions.execution import running

if TYPE_CHECKING:
    from collections.abc import Callable

_FILES: Final = "Read and write files in an action or in a cell, and pass what is in them as an argument."
_FAMILIES: Final = {
    **dict.fromkeys(("open", "os", "shutil", "tempfile", "glob", "pathlib", "mmap", "fcntl", "sqlite3"), _FILES),
    **dict.fromkeys(("socket", "urllib", "http", "ftplib", "imaplib", "poplib", "smtplib", "webbrowser"), ACTIONS),
    **dict.fromkeys(("subprocess", "pty", "syslog", "signal", "_thread", "winreg", "msvcrt"), ACTIONS),
}
"""What to do instead, by the first part of an event's name."""
_PROCESSES: Final = ("os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "os.forkpty", "os.startfile")

_hooked = False
_watched: dict[str, Callable[[], None]] = {}


def install() -> None:
    """Add the hook, once in a process."""
    global _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(_hook)


def when_imported(module: str, then: Callable[[], None]) -> None:
    """Call `then` when somebody is about to import a module for the first time; it may import it itself."""
    _watched[module] = then


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if running is None:
        # The interpreter is on its way out, and has emptied this module; a hook is never removed.
        return
    if event == "import":
        then = _watched.pop(arguments[0], None)
        if then is not None:
            then()
        return
    execution = running.get()
    if execution is None or execution.transaction is None:
        return
    advice = _FAMILIES.get(event.partition(".")[0])
    if advice is not None and not is_excused() and not (event == "open" and _is_installed(*arguments)):
        refuse(execution, _operation(event, arguments), ACTIONS if event.startswith(_PROCESSES) else advice)


def _is_installed(path: Any, _: Any, flags: int) -> bool:
    """Tell whether a file is only read, and comes with Python, an installed package or the machine itself.

    Code brings such data along, and looks up how many processors there are. What has no path is open already.
    """
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not isinstance(path, str):
        return True
    return not flags & (os.O_WRONLY | os.O_RDWR) and os.path.realpath(path).startswith(_installed())


@cache
def _installed() -> tuple[str, ...]:
    from zoneinfo import TZPATH

    paths = sysconfig.get_paths()
    folders = {*(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")), *TZPATH}
    return ("/proc/", "/sys/", *[os.path.realpath(folder) + os.sep for folder in folders])


def _operation(event: str, arguments: tuple[Any, ...]) -> str:
    """How the event is called in a message: `open('data.csv')`."""
    if event == "socket.__new__":
        return "A socket"
    first = arguments[0] if arguments else None
    if isinstance(first, bytes):
        first = first.decode(errors="replace")
    shown = repr(first if len(first) <= 80 else first[:79] + "…") if isinstance(first, str) else ""
    return f"`{event}({shown})`"
