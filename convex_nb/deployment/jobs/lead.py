"""The thread that runs due jobs one after another, until one of them takes too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

PATIENCE_SECONDS: Final = 0.2
"""So long a mutation has the other jobs wait, for their order's sake; then they go on beside it."""


class Lead(threading.Thread):
    """Runs `look`, then `on_end`. Whoever finds it stuck in a call puts another one in its place."""

    def __init__(self, look: Callable[[], None], on_end: Callable[[Lead], None]) -> None:
        super().__init__(name="convex_nb jobs in turn", daemon=True)
        self._look = look
        self._on_end = on_end
        self._busy_since: float | None = None

    def run(self) -> None:
        """Look, and say so."""
        try:
            self._look()
        finally:
            self._on_end(self)

    def call(self, function: Callable[[], None]) -> None:
        """Run a function here; as long as it runs this is busy."""
        self._busy_since = time.monotonic()
        try:
            function()
        finally:
            self._busy_since = None

    @property
    def is_stuck(self) -> bool:
        """Whether what it runs has taken too long already."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > PATIENCE_SECONDS
