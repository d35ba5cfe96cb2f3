"""How far something long is: one line that is written over and over, and gone at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO, TypeAlias

Progress: TypeAlias = Callable[[int, int], object]
"""Called with how much is done and how much there is; 0 where that is not known."""

PATIENCE_SECONDS: Final = 1.0
"""Nothing is shown of what takes less."""
_EVERY_SECONDS: Final = 0.2
_CELLS: Final = 24


@contextmanager
def shown_progress(label: str, progress: Progress | None) -> Iterator[Progress]:
    """Give what reports to `progress`, or where that is `None` to a line on a terminal or under a cell."""
    if progress is not None:
        yield progress
        return
    # A notebook paints what comes by stderr as a warning, and goes on doing so when the line is gone.
    line = ProgressLine(label, sys.stdout if _is_of_kernel(sys.stdout) else sys.stderr)
    try:
        yield line
    finally:
        line.clear()


class ProgressLine:
    """`importing trips ██████░░░░ 60% of 1,000,000, 4 s left`, once it takes longer than a second."""

    def __init__(self, label: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._label = label
        self._stream = stream
        self._clock = clock
        self._begun = clock()
        self._next = self._begun + PATIENCE_SECONDS
        self._width = 0

    def __call__(self, done: int, total: int) -> None:
        now = self._clock()
        if now >= self._next and is_watched(self._stream):
            self._next = now + _EVERY_SECONDS
            self._write(f"{self._label} {self._text(done, total, now - self._begun)}")

    def _text(self, done: int, total: int, seconds: float) -> str:
        if not total:
            return f"{done:,} rows"
        cells = _CELLS * done // total
        left = seconds * (total - done) / done if done else 0.0
        return f"{'█' * cells}{'░' * (_CELLS - cells)} {done * 100 // total}% of {total:,}, {left:.0f} s left"

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)

    def clear(self) -> None:
        """Take the line away, if there is one."""
        if self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()
            self._width = 0


def is_watched(stream: TextIO) -> bool:
    """Whether somebody looks at what is written: on a terminal, or under a notebook's cell."""
    return stream.isatty() or _is_of_kernel(stream)


def _is_of_kernel(stream: TextIO) -> bool:
    return type(stream).__module__.startswith("ipykernel")
