"""An error as a reader wants it: one sentence, and the lines of their own code that led there."""

from __future__ import annotations

import sys
import traceback

from convex_nb.functions.tracebacks import user_traceback
from convex_nb.views.messages import Problem

__all__ = ["message_of", "place_name", "problem_of", "user_traceback"]


def message_of(error: BaseException) -> str:
    """Return what an error says, with the name of its class unless the text says it already."""
    name, text = type(error).__name__, str(error)
    if type(error).__module__.startswith("convex_nb.") or text.startswith(name):
        return text or name
    return f"{name}: {text}" if text else name


def problem_of(error: BaseException) -> Problem:
    """Return an error with the frames that are the user's own, as text."""
    lines = [
        f"{place_name(frame.filename)}, line {frame.lineno}, in {frame.name}\n    {frame.line or ''}".rstrip()
        for frame in traceback.extract_tb(user_traceback(error.__traceback__))
    ]
    notes = getattr(error, "__notes__", [])
    return {"message": "\n".join([message_of(error), *notes]), "traceback": "\n".join(lines)}


def place_name(filename: str) -> str:
    """Return how a notebook calls a file: `Cell In[3]` for a cell's."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive else None
    named = shell.compile.format_code_name(filename) if shell else None
    return " ".join(named) if named else filename
