"""An error as a reader wants it: one sentence, and the lines of their own code that led there."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from convex_nb.views.messages import Problem

PACKAGE: Final = str(Path(__file__).parent.parent)


def message_of(error: BaseException) -> str:
    """Return what an error says, with the name of its class unless the text says it already."""
    name, text = type(error).__name__, str(error)
    if type(error).__module__.startswith("convex_nb.") or text.startswith(name):
        return text or name
    return f"{name}: {text}" if text else name


def is_ours(filename: str) -> bool:
    """Tell whether a file belongs to this package, whose frames no reader wants to see."""
    return filename.startswith(PACKAGE)


def problem_of(error: BaseException) -> Problem:
    """Return an error with the frames that are not this package's own."""
    frames = [
        frame
        for frame in traceback.extract_tb(own_frames(error.__traceback__))
        if not frame.filename.startswith("<frozen")
    ]
    lines = [
        f"{place_name(frame.filename)}, line {frame.lineno}, in {frame.name}\n    {frame.line or ''}".rstrip()
        for frame in frames
    ]
    notes = getattr(error, "__notes__", [])
    return {"message": "\n".join([message_of(error), *notes]), "traceback": "\n".join(lines)}


def own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return a traceback without this package's frames. The original stays as it is."""
    if frames is None:
        return None
    rest = own_frames(frames.tb_next)
    if is_ours(frames.tb_frame.f_code.co_filename):
        return rest
    return TracebackType(rest, frames.tb_frame, frames.tb_lasti, frames.tb_lineno)


def place_name(filename: str) -> str:
    """Return how a notebook calls a file: `Cell In[3]` for a cell's."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive else None
    named = shell.compile.format_code_name(filename) if shell else None
    return " ".join(named) if named else filename
