"""What functions print, log and warn: captured as their log lines, not the output of whichever cell runs just then."""

from __future__ import annotations

import builtins
import logging
import threading
import warnings
from typing import Any, Final

from convex_nb.functions.execution import running

_lock: Final = threading.Lock()
_users = 0
_print = builtins.print
_call_handlers = logging.Logger.callHandlers
_showwarning = warnings.showwarning


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
_captured_print.__doc__ = builtins.print.__doc__


def _captured_call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    execution = running.get()
    if execution is None:
        _call_handlers(logger, record)
    else:
        execution.write_line(_level(record.levelno), record.getMessage())


def _captured_showwarning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    execution = running.get()
    if execution is None or file is not None:
        _showwarning(message, category, filename, lineno, file, line)
    else:
        execution.write_line("WARN", f"{category.__name__}: {message}")


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "ERROR"
    if number >= logging.WARNING:
        return "WARN"
    return "INFO" if number >= logging.INFO else "DEBUG"


_CAPTURED: Final[tuple[tuple[Any, str, str, Any], ...]] = (
    (builtins, "print", "_print", _captured_print),
    (logging.Logger, "callHandlers", "_call_handlers", _captured_call_handlers),
    (warnings, "showwarning", "_showwarning", _captured_showwarning),
)
"""Whose attribute is replaced, its name, where the original is kept in this module, and what replaces it."""


def capture() -> None:
    """Capture output inside functions from now on. Outside of them everything does what it did."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            for owner, name, kept, ours in _CAPTURED:
                globals()[kept] = getattr(owner, name)
                setattr(owner, name, ours)


def release() -> None:
    """Undo one `capture`. The last one puts back what was there, except where somebody has replaced ours since."""
    global _users
    with _lock:
        _users -= 1
        if not _users:
            for owner, name, kept, ours in _CAPTURED:
                if getattr(owner, name) is ours:
                    setattr(owner, name, globals()[kept])
