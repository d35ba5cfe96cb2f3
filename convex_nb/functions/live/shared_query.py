"""A query that is followed: what all who follow the same one share."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from convex_nb.engine.read_set import ReadSet
from convex_nb.functions.tracebacks import message_of
from convex_nb.language.ordering import same_value

if TYPE_CHECKING:
    from collections.abc import Hashable

    from convex_nb.engine.materialised import Materialised
    from convex_nb.functions.live.live_query import LiveQuery
    from convex_nb.functions.logs.execution_log import Line
    from convex_nb.functions.origin import Origin
    from convex_nb.functions.registry import Entry, Ran
    from convex_nb.functions.runner import Result

_numbers: Final = count(1)


class Outcome(NamedTuple):
    """The newest result of a followed query, as its followers see it.

    `value` is the last good value and stays the same object while it stays the same value; `error` is the current
    error; `changes` counts the results that were to be announced. `lines` are what the run printed that gave it, and
    `journal` says where its page ended.
    """

    changes: int
    value: Any
    error: Exception | None
    timestamp: int
    read_set: ReadSet
    duration_ms: float
    reads_clock: bool = False
    lines: list[Line] | None = None
    journal: str | None = None


NOTHING_YET: Final = Outcome(0, None, None, 0, ReadSet(), 0.0)


class Follower(Protocol):
    """Who is told of the outcomes of a query."""

    def offer(self, outcome: Outcome, /) -> None:
        """A newer outcome. Called by whoever flushes, after all queries of the round have run."""
        ...

    def close(self) -> None:
        """Follow no longer."""
        ...


class SharedQuery:
    """One function with one set of arguments, for all who follow it. Changed by the reactor only, under its lock."""

    __slots__ = (
        "args",
        "claim",
        "entry",
        "is_eager",
        "key",
        "materialised",
        "number",
        "origin",
        "outcome",
        "path",
        "ran",
        "reads_data",
        "running",
        "runs",
        "stale",
        "subscriptions",
        "views",
    )

    def __init__(
        self,
        key: Hashable,
        path: str,
        entry: Entry | None,
        args: dict[str, Any],
        is_eager: bool,
        materialised: Materialised,
        origin: Origin,
    ) -> None:
        self.key = key
        self.origin = origin
        self.path = path
        # Of a function that is in no registry; any other is looked up for each run, so that new code is picked up.
        self.entry = entry
        self.args = args
        self.is_eager = is_eager
        # Somebody may be going through the followers: the tuples are replaced.
        self.subscriptions: tuple[Follower, ...] = ()
        self.views: tuple[LiveQuery, ...] = ()
        self.materialised = materialised
        # Nobody waits for it: whoever runs the query first may use the ranges that are carried over.
        self.claim = threading.Lock()
        self.outcome = NOTHING_YET
        # The code that the outcome rests on, and whether any name of the notebook in it stands for data.
        self.ran: list[Ran] | None = None
        self.reads_data = False
        self.runs = 0
        self.running = 0
        self.stale = False
        # Those that a commit touched run, and are announced, in the order in which they were first followed.
        self.number = next(_numbers)

    def __repr__(self) -> str:
        return f"SharedQuery({self.path!r}, {self.args!r}, {len(self.subscriptions) + len(self.views)} followers)"

    def after(self, result: Result, timestamp: int) -> Outcome:
        """The outcome that a new result leads to. Costs O(size of the value) at worst."""
        last = self.outcome
        value = last.value
        if result.error is None:
            if last.changes and same_value(last.value, result.value):
                changed = last.error is not None
            else:
                changed, value = True, result.value
        else:
            error = last.error
            changed = (
                error is None or type(error) is not type(result.error) or message_of(error) != message_of(result.error)
            )
        return Outcome(
            last.changes + changed,
            value,
            result.error,
            timestamp,
            result.read_set,
            result.duration_ms,
            result.reads_clock,
            result.lines,
            result.journal,
        )
