"""One query of one client: what the deployment knows of it, and what the client sees instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb.functions.live.shared_query import NOTHING_YET, Outcome, SharedQuery
from convex_nb.functions.live.subscription import Subscription
from convex_nb.language.ordering import same_value
from convex_nb.language.values import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from convex_nb.functions.live.reactor import Reactor
    from convex_nb.functions.origin import Origin

QueryKey: TypeAlias = tuple["Hashable", "Hashable"]
"""What stands for a function, and for its arguments."""


class ClientQuery:
    """One query of one client: the deployment's outcome of it, and what the client sees instead."""

    def __init__(self, on_newer: Callable[[], object], key: QueryKey, shared: SharedQuery, origin: Origin) -> None:
        """`on_newer` is called when the deployment has a newer outcome."""
        self._on_newer = on_newer
        self.key = key
        self.shared = shared
        self.base = NOTHING_YET
        self.outcome = NOTHING_YET
        self.followers: tuple[Subscription | ClientLive, ...] = ()
        # The deployment's change that the present error came with.
        self._failure = 0
        # Who is offered outcomes for it, as whom.
        self.attachment: ClientQuery | Attachment = self
        self.origin = origin

    def __repr__(self) -> str:
        return f"ClientQuery({self.path!r}, {self.args!r}, {len(self.followers)} followers)"

    @property
    def path(self) -> str:
        """The function's path."""
        return self.shared.path

    @property
    def args(self) -> dict[str, Any]:
        """The arguments, normalised."""
        return self.shared.args

    @property
    def loaded(self) -> Any:
        """The result without optimistic updates; `UNDEFINED` if it is not loaded, or fails."""
        return UNDEFINED if self.base is NOTHING_YET or self.base.error is not None else self.base.value

    def offer(self, outcome: Outcome) -> None:  # noqa: ARG002 (taken over when all queries have run)
        """The deployment has a newer outcome: the client is to move."""
        self._on_newer()

    def close(self) -> None:
        """The deployment closes: so does everything that follows."""
        for follower in self.followers:
            follower.close()

    def move_to(self, attachment: Attachment, origin: Origin) -> None:
        """Be the query of another identity from the next move on."""
        self.shared, self.attachment, self.origin = attachment.shared, attachment, origin
        self._failure = -1

    def show(self, layers: Mapping[QueryKey, Any], told: Callable[[Exception, str], Exception]) -> bool:
        """Take over what there is to see; whether it differs from before."""
        old, base = self.outcome, self.base
        value, error = base.value, base.error
        if self.key in layers:
            value, error = layers[self.key], None
        if error is None:
            changed = old.changes == 0 or old.error is not None or not _is_same(old.value, value)
            value = value if changed else old.value
        else:
            changed = old.error is None or self._failure != base.changes
            value = old.value
            error = told(error, self.path) if changed else old.error
            self._failure = base.changes
        self.outcome = base._replace(changes=old.changes + changed, value=value, error=error)
        return changed


class Attachment:
    """Stands for a query with the deployment, once its client has come to act for somebody else."""

    def __init__(self, query: ClientQuery, shared: SharedQuery) -> None:
        self._query = query
        self.shared = shared

    def offer(self, outcome: Outcome) -> None:
        """The deployment has a newer outcome."""
        self._query.offer(outcome)

    def close(self) -> None:
        """The deployment closes."""
        self._query.close()


class ClientLive:
    """A query that a client follows without a callback."""

    stale = False
    """A client's queries are always of one moment."""

    def __init__(
        self, reactor: Reactor, leave: Callable[[ClientQuery, ClientLive], object], query: ClientQuery
    ) -> None:
        self._reactor = reactor
        self._leave = leave
        self._query = query

    @property
    def value(self) -> Any:
        """The last good value."""
        value = self._query.outcome.value
        # Pages have no way to be loading again.
        return self._query.base.value if value is UNDEFINED else value

    @property
    def error(self) -> Exception | None:
        """What it raises at present."""
        return self._query.outcome.error

    @property
    def timestamp(self) -> int:
        """The commit at which it ran last."""
        return self._query.outcome.timestamp

    @property
    def duration_ms(self) -> float:
        """How long its last run took."""
        return self._query.outcome.duration_ms

    @property
    def tables(self) -> Iterable[str]:
        """The tables that it reads."""
        return self._query.outcome.read_set.tables()

    @property
    def reads_clock(self) -> bool:
        """Whether its last run looked at the time."""
        return self._query.outcome.reads_clock

    def expire(self) -> None:
        """Have it run again though no commit has touched it: time has passed."""
        self._reactor.expire(self._query.shared)

    def offer(self, outcome: Outcome) -> None:
        """Looked at when somebody wants to know."""

    def close(self) -> None:
        """Follow no longer."""
        self._leave(self._query, self)


def _is_same(old: Any, new: Any) -> bool:
    return old is new or (old is not UNDEFINED and new is not UNDEFINED and same_value(old, new))
