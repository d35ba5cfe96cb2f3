"""A callback that follows a query."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from convex_nb.functions.live.shared_query import NOTHING_YET
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.values import copy_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.functions.live.shared_query import Outcome

log: Final = logging.getLogger("convex_nb")


class Followed(Protocol):
    """What a subscription is to: a query as the deployment knows it, or as a client sees it."""

    @property
    def path(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...


class Leaves(Protocol):
    """Who is told that a subscription is closed."""

    def leave(self, query: Any, follower: Subscription, /) -> None: ...


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
