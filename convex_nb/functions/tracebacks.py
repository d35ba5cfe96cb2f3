"""Tracebacks that show the user's code and not ours."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from types import TracebackType
from typing import Final

from convex_nb.language.errors import DeterminismError

_PACKAGE: Final = str(Path(__file__).parent.parent) + "/"
_LIBRARIES: Final = ("<frozen ", *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_GENERATED: Final = ("<v.", "<key of", "<decoder of")


def is_ours(traceback: TracebackType) -> bool:
    """Tell whether a frame belongs to this package, generated code included."""
    return traceback.tb_frame.f_code.co_filename.startswith((_PACKAGE, *_GENERATED))


def user_traceback(traceback: TracebackType | None) -> TracebackType | None:
    """Return the same chain of frames without this package's own; `None` if nothing else is in it."""
    return _chain([frame for frame in _frames(traceback) if not is_ours(frame)])


def up_to_user(traceback: TracebackType | None) -> TracebackType | None:
    """Return the same chain up to the user's last line, without what libraries did from there on."""
    frames = _frames(traceback)
    own = [place for place, frame in enumerate(frames) if not _is_library(frame)]
    return _chain(frames[: own[-1] + 1] if own else frames)


def _is_library(traceback: TracebackType) -> bool:
    return traceback.tb_frame.f_code.co_filename.startswith(_LIBRARIES)


def _frames(traceback: TracebackType | None) -> list[TracebackType]:
    frames: list[TracebackType] = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    return frames


def _chain(frames: list[TracebackType]) -> TracebackType | None:
    chain: TracebackType | None = None
    for frame in reversed(frames):
        chain = TracebackType(chain, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return chain


def message_of(error: BaseException) -> str:
    """Return an error's message; nothing for one of a class of the user's own that fails at this."""
    try:
        return str(error)
    except Exception:
        return ""


def strip(error: BaseException) -> None:
    """Take our frames out of the tracebacks of an error and of everything that it came from."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = user_traceback(each.__traceback__)
            if isinstance(each, DeterminismError):
                # How the library came to what was refused is of no help.
                each.__traceback__ = up_to_user(each.__traceback__)
            pending += (each.__cause__, each.__context__)
            if isinstance(each, BaseExceptionGroup):
                pending += each.exceptions
