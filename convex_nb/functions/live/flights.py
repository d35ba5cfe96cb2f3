"""Runs that are going on, so that whoever asks for the same meanwhile can wait for one instead of running it again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from convex_nb.functions.execution import running

if TYPE_CHECKING:
    from collections.abc import Hashable

    from convex_nb.functions.runner import Result

PATIENCE_SECONDS: Final = 5.0
"""How long somebody waits for another thread's run before making one: that thread may be waiting for this one."""


class Flight:
    """One run. `result` is set when it is over, unless it was interrupted."""

    __slots__ = ("landed", "result", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.result: Result | None = None
        # Made by the first who waits: hardly any run has one.
        self.landed: threading.Event | None = None


class Flights:
    """The runs of queries that are going on, by what was asked. Safe for threads."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._flights: dict[Hashable, Flight] = {}
        self._lock = threading.Lock()
        self._patience = patience

    def __len__(self) -> int:
        return len(self._flights)

    def begin(self, key: Hashable) -> tuple[Flight, bool]:
        """The run of this question, and whether it is the caller's own, who then makes it and calls `land`."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Flight()
            return flight, True

    def land(self, key: Hashable, flight: Flight, result: Result | None) -> None:
        """The run is over; `None` if it was interrupted."""
        with self._lock:
            flight.result = result
            if self._flights.get(key) is flight:
                del self._flights[key]
            if flight.landed is not None:
                flight.landed.set()

    def wait(self, key: Hashable, flight: Flight) -> Result | None:
        """Wait for another thread's run; `None` if it came to nothing, or if this caller must not wait.

        Code of a query or mutation never waits, since somebody may be waiting for it.
        """
        execution = running.get()
        if flight.thread == threading.get_ident() or (execution is not None and execution.kind != "action"):
            return None
        with self._lock:
            if self._flights.get(key) is not flight:
                return flight.result
            if flight.landed is None:
                flight.landed = threading.Event()
        if not flight.landed.wait(self._patience):
            with self._lock:
                # Nobody else shall lose as much time with it.
                if self._flights.get(key) is flight:
                    del self._flights[key]
        return flight.result
