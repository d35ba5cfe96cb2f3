"""First come, first served: one at a time, in the order of arrival."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Turn:
    """A place in a queue. `with turn:` waits until it is the first, and makes way for the next at the end."""

    __slots__ = ("_came", "_turns", "thread")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._came = threading.Event()
        self.thread = threading.get_ident()

    def __enter__(self) -> None:
        try:
            self._came.wait()
        except BaseException:
            self.leave()
            raise

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()

    def come(self) -> None:
        """It is the first."""
        self._came.set()

    def leave(self) -> None:
        """Give the place up, whether it has come or not. Twice is fine."""
        self._turns.leave(self)


class Turns:
    """A fair lock whose order is settled when a place is taken, not when it is waited for. Safe for threads."""

    def __init__(self) -> None:
        self._queue: deque[Turn] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queue)

    def take(self) -> Turn:
        """A place at the end of the queue."""
        turn = Turn(self)
        with self._lock:
            self._queue.append(turn)
            if self._queue[0] is turn:
                turn.come()
        return turn

    def is_held_here(self) -> bool:
        """Whether it is this thread's turn, so that waiting for another one would never end."""
        queue = self._queue
        return bool(queue) and queue[0].thread == threading.get_ident()

    def leave(self, turn: Turn) -> None:
        """Take a place out of the queue."""
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
                if self._queue:
                    self._queue[0].come()
