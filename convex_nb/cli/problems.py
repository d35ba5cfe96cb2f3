"""What went wrong, as an exit code and as a line or two."""

from __future__ import annotations

import json
import re
from pathlib import Path
from sysconfig import get_paths
from traceback import extract_tb
from typing import Any, Final

from convex_nb.language.errors import (
    ConvexError,
    ConvexNbError,
    DeploymentLockedError,
    StorageCorruptError,
    ValidationError,
)

OK: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
LOCKED: Final = 3
DAMAGED: Final = 4
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

_NOT_THE_USERS: Final = tuple(
    str(folder) for folder in {get_paths()["stdlib"], get_paths()["purelib"], Path(__file__).parent.parent, "<"}
)
_PYTHON_OPTION: Final = re.compile(r"`(?P<name>mode|encoding|format)=(?P<quote>['\"])(?P<value>[\w-]+)(?P=quote)`")


class UsageError(Exception):
    """A command line that cannot be run as it was written; nothing was done."""


def exit_code_of(error: Exception) -> int:
    """Return the exit code that tells a script what kind of failure this is."""
    if isinstance(error, UsageError):
        return WRONG_USAGE
    if isinstance(error, DeploymentLockedError):
        return LOCKED
    return DAMAGED if isinstance(error, StorageCorruptError) else FAILED


def message_of(error: BaseException) -> str:
    """Return what to say about an error: its sentence, and its class where the sentence alone would be a riddle."""
    text = _text_of(error)
    if isinstance(error, ValidationError):
        # A sentence, and parts of it on lines of their own.
        head, *parts = filter(None, text.splitlines())
        text = f"{head} {'; '.join(parts)}".strip()
    if isinstance(error, (ConvexNbError, UsageError)) and not isinstance(error, ConvexError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def place_of(error: BaseException) -> str:
    """Return where in the user's own code an error was raised, `tasks.py, line 3, in add`; nothing if nowhere."""
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(_NOT_THE_USERS)]
    if not frames:
        return ""
    file, line, name, _ = frames[-1]
    near = Path(file).relative_to(Path.cwd()) if Path(file).is_relative_to(Path.cwd()) else file
    return f"{near}, line {line}, in {name}"


def as_json(error: BaseException) -> str:
    """Return an error as one line of JSON: its class, its message, and those of its parts that JSON can say."""
    parts: dict[str, Any] = {"type": type(error).__name__, "message": _text_of(error)}
    if place := place_of(error):
        parts["place"] = place
    for name, value in vars(error).items():
        if not name.startswith("_") and name not in parts and _is_plain(value):
            parts[name] = value
    return json.dumps({"error": parts})


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    text = "\n".join([text, *getattr(error, "__notes__", [])]).strip()
    return _PYTHON_OPTION.sub(_as_option, text)


def _as_option(found: re.Match[str]) -> str:
    """Return what a message says to write in Python as it is written here."""
    name, value = found["name"], found["value"]
    return f"--{value.replace('_', '-')}" if name == "mode" else f"--{name} {value}"


def _is_plain(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
