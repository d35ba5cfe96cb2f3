"""What functions print: captured as their log lines, not the output of whichever cell runs just then."""

from __future__ import annotations

import builtins
import threading
from typing import Any, Final

from convex_nb.functions.execution import running

_print = builtins.print
_lock: Final = threading.Lock()
_users = 0


def _captured_print(
    *values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
) -> None:
    execution = running.get()
    if execution is None or file is not None:
        _print(*values, sep=sep, end=end, file=file, flush=flush)
        return
    text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
    execution.write_line("LOG", text.removesuffix("\n"))


_captured_print.__name__ = _captured_print.__qualname__ = "print"
_captured_print.__doc__ = _print.__doc__


def capture() -> None:
    """Capture `print` inside functions from now on. Outside of them it does what it did."""
    global _print, _users
    with _lock:
        _users += 1
        if _users == 1:
            _print = builtins.print
            builtins.print = _captured_print


def release() -> None:
    """Undo one `capture`; the last one puts Python's own `print` back, unless somebody has replaced ours since."""
    global _users
    with _lock:
        _users -= 1
        if not _users and builtins.print is _captured_print:
            builtins.print = _print
