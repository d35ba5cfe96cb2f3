"""Queries that are followed: what is shared by everybody who follows the same one, and the two ways to follow."""

from __future__ import annotations

import logging
import threading
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from convex_nb.engine.read_set import ReadSet
from convex_nb.functions.tracebacks import message_of
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.ordering import same_value
from convex_nb.language.values import copy_value

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from convex_nb.engine.materialised import Materialised
    from convex_nb.functions.live.reactor import Reactor
    from convex_nb.functions.logs.execution_log import Line
    from convex_nb.functions.origin import Origin
    from convex_nb.functions.registry import Entry, Ran
    from convex_nb.functions.runner import Result

log: Final = logging.getLogger("convex_nb")
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


class Follower(Protocol):
    """Who is told of the outcomes of a query."""

    def offer(self, outcome: Outcome, /) -> None:
        """A newer outcome. Called by whoever flushes, after all queries of the round have run."""
        ...

    def close(self) -> None:
        """Follow no longer."""
        ...


class Followed(Protocol):
    """What a subscription is to: a query as the deployment knows it, or as a client sees it."""

    @property
    def path(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...


class Leaves(Protocol):
    """Who is told that a subscription is closed."""

    def leave(self, query: Any, follower: Subscription, /) -> None: ...


NOTHING_YET: Final = Outcome(0, None, None, 0, ReadSet(), 0.0)


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


def check_callback(callback: object) -> None:
    """Raise `InvalidValueError` for what cannot be called with a value."""
    if not callable(callback):
        raise InvalidValueError(
            f"subscribe() takes a callback, a function of the value such as `print`, not {describe(callback, 80)}. "
            "Nothing is followed."
        )


class Subscription:
    """A callback that gets a query's value now and after each change; `close()` ends it.

    `value` is the last good value, `error` the current error or `None`. Callbacks of one subscription never overlap
    and never go back in time; of values that come faster than they are taken, the newest counts.
    """

    def __init__(
        self,
        reactor: Leaves,
        query: Followed,
        callback: Callable[[Any], object],
        on_error: Callable[[Exception], object] | None,
    ) -> None:
        self._reactor = reactor
        self._query = query
        self._callback = callback
        self._on_error = on_error
        self._lock = threading.Lock()
        self._offer = NOTHING_YET
        # Until `begin`, so that the first call is made by whoever subscribes, before that returns.
        self._delivering = True
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "error" if self.error is not None else "ok"
        return f"<Subscription to {self.path}: {state}>"

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def path(self) -> str:
        """The function's path."""
        return self._query.path

    @property
    def value(self) -> Any:
        """The last good value, in containers of the caller's own."""
        return copy_value(self._query.outcome.value)

    @property
    def error(self) -> Exception | None:
        """What the query raises at present."""
        return self._query.outcome.error

    @property
    def timestamp(self) -> int:
        """The commit at which the query ran last."""
        return self._query.outcome.timestamp

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._closed

    def close(self) -> None:
        """End it: the callback is not called again. Safe inside the callback, and twice."""
        self._closed = True
        self._reactor.leave(self._query, self)

    def offer(self, outcome: Outcome) -> None:
        """Take over an outcome and tell the callback, unless it has been told of this or of a newer one."""
        with self._lock:
            if outcome.changes <= self._offer.changes:
                return
            self._offer = outcome
            if self._delivering:
                # Another thread, or a caller further up on this one, is in the callback and will find this.
                return
            self._delivering = True
        self._deliver_all()

    def begin(self) -> None:
        """Tell the callback of the first outcome, and of what was offered meanwhile."""
        outcome = self._query.outcome
        with self._lock:
            if outcome.changes > self._offer.changes:
                self._offer = outcome
        self._deliver_all()

    def _deliver_all(self) -> None:
        while True:
            outcome = self._offer
            try:
                self._deliver(outcome)
            except BaseException:
                self._delivering = False
                raise
            with self._lock:
                if self._offer is outcome:
                    self._delivering = False
                    return

    def _deliver(self, outcome: Outcome) -> None:
        if self._closed:
            return
        try:
            if outcome.error is None:
                self._callback(copy_value(outcome.value))
            elif self._on_error is not None:
                self._on_error(outcome.error)
        except Exception:
            log.exception("convex_nb: a callback of a subscription to %s raised; the subscription goes on", self.path)


class LiveQuery:
    """A query that is marked when a commit touched it, and runs again when the deployment is refreshed.

    `value` and `error` are those of the last run; `value` is shared, not to be changed, and stays the same object
    while nothing has changed.
    """

    def __init__(self, reactor: Reactor, query: SharedQuery, on_stale: Callable[[], object]) -> None:
        self._reactor = reactor
        self._query = query
        self._on_stale = on_stale
        self._closed = False
        self.seen = 0
        """The result that the last refresh reported."""

    def __repr__(self) -> str:
        return f"<LiveQuery {self.path}: {self.status}{', stale' if self.stale else ''}>"

    @property
    def path(self) -> str:
        """The function's path."""
        return self._query.path

    @property
    def args(self) -> dict[str, Any]:
        """The arguments, normalised."""
        return self._query.args

    @property
    def value(self) -> Any:
        """The last good value."""
        return self._query.outcome.value

    @property
    def error(self) -> Exception | None:
        """What the last run raised, or `None`."""
        return self._query.outcome.error

    @property
    def status(self) -> Literal["ok", "error"]:
        """Whether the last run raised."""
        return "ok" if self._query.outcome.error is None else "error"

    @property
    def timestamp(self) -> int:
        """The commit at which it ran last."""
        return self._query.outcome.timestamp

    @property
    def tables(self) -> frozenset[str]:
        """The tables of which it read a range in the last run."""
        return frozenset(self._query.outcome.read_set.tables())

    @property
    def reads(self) -> list[str]:
        """What the last run read, index by index, such as "messages by by_author, 1 range". Costs O(ranges)."""
        read_set = self._query.outcome.read_set
        lines = [
            f"{table} by {index}, {len(starts)} range{'' if len(starts) == 1 else 's'}"
            for (table, index), (starts, _) in read_set.merged().items()
        ]
        points = len(read_set.ids)
        return [*lines, f"{points} document{'' if points == 1 else 's'} by id"] if points else lines

    @property
    def duration_ms(self) -> float:
        """How long the last run took."""
        return self._query.outcome.duration_ms

    @property
    def runs(self) -> int:
        """How often it has run."""
        return self._query.runs

    @property
    def stale(self) -> bool:
        """Whether a commit has touched what the last run read. While it runs again that is still so."""
        return self._query.stale or self._query.running > 0

    @property
    def reads_clock(self) -> bool:
        """Whether the last run looked at the time, so that another one may say something else."""
        return self._query.outcome.reads_clock

    def expire(self) -> None:
        """Have it run again in the next refresh though no commit has touched it: time has passed."""
        if not self._closed:
            self._reactor.expire(self._query)

    def mark(self) -> None:
        """Tell the view that it is stale. What it raises is logged."""
        if not self._closed:
            try:
                self._on_stale()
            except Exception:
                log.exception("convex_nb: the view of %s could not be marked", self.path)

    def close(self) -> None:
        """Follow no longer."""
        self._closed = True
        self._reactor.leave(self._query, self)
