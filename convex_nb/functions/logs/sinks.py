"""Where events go besides memory: callables and files, in batches, off the path of the calls that they tell of."""

from __future__ import annotations

import json
import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError, StorageError

if TYPE_CHECKING:
    from convex_nb.functions.logs.events import Event

Sink: TypeAlias = Callable[[list["Event"]], object]
"""Gets the events of each batch, in order."""

MOST_WAITING: Final = 4096
"""Calls whose events may wait to be delivered; the oldest are dropped when there are more."""

log: Final = logging.getLogger("convex_nb")


class Sinks:
    """The log sinks of a deployment. Safe for threads; `wake` asks somebody to call `deliver`.

    What is put waits for the next `deliver`. A sink that raises misses that batch, which is said once until it works
    again; the others get theirs. Calls that a sink itself makes are not delivered: they would never end.
    """

    def __init__(self, events_of: Callable[[Any], Iterable[Event]]) -> None:
        self.wake: Callable[[], object] = lambda: None
        self.open_address: Callable[[str, Mapping[str, Any]], Sink] = _no_addresses
        """Makes a sink of an address and options, for whoever has threads."""
        self.gather: Callable[[], object] = lambda: None
        """Called before each delivery, by one thread at a time: puts what nobody has put yet."""
        self.any = False
        """Whether there is one: asked at every call."""
        self.dropped = 0
        self._events_of = events_of
        self._sinks: tuple[Sink, ...] = ()
        self._failing: set[int] = set()
        self._waiting: deque[Any] = deque(maxlen=MOST_WAITING)
        self._lock = threading.Lock()
        self._deliverer: int | None = None

    def __len__(self) -> int:
        return len(self._sinks)

    def add(self, sink: Sink) -> None:
        """Deliver to `sink` whatever happens from now on."""
        self.deliver()
        self._sinks = (*self._sinks, sink)
        self.any = True

    def remove(self, sink: Sink) -> None:
        """Deliver what waits, and nothing to `sink` after that. One that is not there is no error."""
        self.deliver()
        self._sinks = tuple([each for each in self._sinks if each is not sink])
        self.any = bool(self._sinks)
        self._failing.discard(id(sink))
        _close(sink)

    def close(self) -> None:
        """Deliver what waits, and let the sinks end that have a `close`."""
        self.deliver()
        for sink in self._sinks:
            _close(sink)

    def put(self, call: Any) -> None:
        """Let the events of a call be delivered with the next batch. Never blocks."""
        if self._deliverer == threading.get_ident():
            return
        self.dropped += len(self._waiting) == MOST_WAITING
        self._waiting.append(call)
        self.wake()

    def deliver(self) -> None:
        """Give every sink what waits. What they raise is logged; interrupts end it, and that batch is lost."""
        if self._deliverer == threading.get_ident():
            return
        # Taken even if nothing waits: another thread may be about to deliver what did.
        with self._lock:
            self.gather()
            if not self._waiting:
                return
            self._deliverer = threading.get_ident()
            try:
                calls = [self._waiting.popleft() for _ in range(len(self._waiting))]
                events = [event for call in calls for event in self._events_of(call)]
                for sink in self._sinks:
                    self._deliver(sink, list(events))
            finally:
                self._deliverer = None

    def _deliver(self, sink: Sink, events: list[Event]) -> None:
        try:
            sink(events)
        except Exception:
            if id(sink) not in self._failing:
                self._failing.add(id(sink))
                log.exception("convex_nb: a log sink failed and missed %d events; the next ones go to it", len(events))
        else:
            self._failing.discard(id(sink))


class EndingSink(ABC):
    """A sink that is to know when it gets nothing more."""

    @abstractmethod
    def __call__(self, events: list[Event]) -> object: ...

    @abstractmethod
    def close(self) -> None:
        """Let go of what it holds; what it got before is not lost if that can be had in a few seconds."""


def _close(sink: Sink) -> None:
    if isinstance(sink, EndingSink):
        sink.close()


class JsonLinesFile:
    """A sink that appends each event as a line of JSON to a file. The file may be moved or removed meanwhile."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self([])

    def __repr__(self) -> str:
        return f"JsonLinesFile({str(self.path)!r})"

    def __call__(self, events: list[Event]) -> None:
        """Append events. Raises `StorageError` where that cannot be done."""
        text = "".join([json.dumps(event, ensure_ascii=False) + "\n" for event in events])
        try:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as error:
            raise StorageError(
                f"Log events cannot be written to {self.path}: {error.strerror or error}.", path=str(self.path)
            ) from None


def is_address(given: object) -> TypeGuard[str]:
    """Whether this is where events are to be posted, and no file."""
    return isinstance(given, str) and given.lower().startswith(("https://", "http://"))


def _no_addresses(address: str, _: Mapping[str, Any]) -> Sink:
    raise InvalidValueError(
        f"Log events cannot be posted here, to {address}: this Python has no threads.", value=address
    )


def as_sink(given: object) -> Sink:
    """Return a callable as it is, and a path as a file of JSON lines. Raises `InvalidValueError` and `StorageError`."""
    if isinstance(given, (str, PathLike)):
        return JsonLinesFile(given)
    if callable(given):
        return given
    raise InvalidValueError(
        f"A log sink is a callable that takes a list of events, or the path of a file, not {describe(given, 80)}.",
        value=given,
    )
