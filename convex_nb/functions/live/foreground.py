"""The cell that runs, during which names of the notebook may change at any moment."""

from __future__ import annotations

import threading


class Foreground:
    """Which thread runs a cell, if any does. A script has no cells, and nothing is ever held off."""

    def __init__(self) -> None:
        self._thread: int | None = None
        self.cells = 0
        """How many cells have begun: two readings that differ have had one begin between them."""

    def begin(self) -> None:
        """A cell begins on this thread."""
        self.cells += 1
        self._thread = threading.get_ident()

    def end(self) -> None:
        """The cell is over."""
        self._thread = None

    def is_here(self) -> bool:
        """Tell whether the running cell is this thread's."""
        return self._thread == threading.get_ident()

    def holds_off(self) -> bool:
        """Tell whether a cell runs on another thread, so that this one should not look at the notebook's names."""
        return self._thread is not None and self._thread != threading.get_ident()


foreground = Foreground()
