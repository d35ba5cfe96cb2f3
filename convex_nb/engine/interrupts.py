"""Keeping KeyboardInterrupt out of the few lines that must not be torn."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # no stub: the part of `signal` without enums
import signal
import threading
from threading import get_ident
from types import FrameType

_SIGINT = int(signal.SIGINT)

# Written by the main thread only: Python runs signal handlers there and nowhere else.
_depth = 0
_pending = False
_previous: object = None
_main = threading.main_thread().ident


def _handle(number: int, frame: FrameType | None) -> None:
    global _pending
    if _depth:
        _pending = True
        return
    # One that still waits is delivered with this one, not at the end of some later commit.
    _pending = False
    if callable(_previous):
        _previous(number, frame)
    elif _previous != signal.SIG_IGN:
        raise KeyboardInterrupt


def _install() -> None:
    global _previous
    # A kernel sets its own handler for each cell, so this looks each time, past the enums of the public module,
    # which cost more than the look.
    current = _signal.getsignal(_SIGINT)
    if current is not _handle:
        _previous = current
        signal.signal(signal.SIGINT, _handle)


class Deferred:
    """While it is entered on the main thread, SIGINT waits; on leaving, it is delivered to the handler that was there.

    One instance serves everybody, nested or not. On other threads it does nothing: they receive no signals.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        global _depth
        if get_ident() == _main:
            if not _depth:
                _install()
            _depth += 1

    def __exit__(self, *exc_info: object) -> None:
        global _depth, _pending
        if get_ident() == _main:
            _depth -= 1
            if _pending and not _depth:
                _pending = False
                _handle(signal.SIGINT, None)


deferred = Deferred()
