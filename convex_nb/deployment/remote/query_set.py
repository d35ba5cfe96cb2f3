"""The queries that one far-away client follows, by its own numbers, moved together from one moment to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from convex_nb.functions.live.remote_query import RemoteQuery
from convex_nb.functions.live.shared_query import Outcome, SharedQuery

if TYPE_CHECKING:
    from convex_nb.deployment.calling import Calling
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.origin import Origin


class Wanted(NamedTuple):
    """A query that a client wants to follow. The journal is that of the last result it got, if it has one."""

    number: int
    path: str
    args: dict[str, Any]
    journal: str | None = None


class State(NamedTuple):
    """What there is to see at one moment: an outcome for each query of the set, which is of this version."""

    version: int
    identity_version: int
    timestamp: int
    outcomes: Mapping[int, Outcome]


class _Query:
    """One query of the set."""

    __slots__ = ("_set", "shared", "wanted")

    def __init__(self, query_set: QuerySet, wanted: Wanted, shared: SharedQuery) -> None:
        self._set = query_set
        self.wanted = wanted
        self.shared = shared

    def offer(self, outcome: Outcome) -> None:  # noqa: ARG002 (taken over when all queries have run)
        self._set.expect()

    def close(self) -> None:
        """The deployment closes."""
        self._set.forget(self)


class QuerySet:
    """All queries of one client. `modify` and `act_for` are for one thread at a time, the rest is safe for all.

    `state` is always of one moment. It changes when the deployment has moved on; then `on_move` is called, on whatever
    thread, which must not be held up.
    """

    def __init__(self, deployment: Calling, origin: Origin, on_move: Callable[[], object]) -> None:
        self._deployment = deployment
        self._reactor = deployment._reactor
        self._origin = origin
        self._on_move = on_move
        self._queries: dict[int, _Query] = {}
        self._lock = threading.Lock()
        self._wanted = (0, 0)
        self._is_committing = False
        self._closed = False
        self.state = State(0, 0, 0, {})

    def __len__(self) -> int:
        return len(self._queries)

    # -- what is followed ----------------------------------------------------------------------------------------

    def modify(self, version: int, added: Iterable[Wanted], removed: Iterable[int]) -> None:
        """Follow some queries more and some less; runs what is new. Then the set is of this version."""
        self._change((version, self._wanted[1]), self._attach(added), removed)

    def act_for(self, identity_version: int, origin: Origin) -> None:
        """Follow the same queries for somebody else. Runs them all."""
        self._origin = origin
        self._change((self._wanted[0], identity_version), self._attach([each.wanted for each in self._all()]), ())

    def _all(self) -> list[_Query]:
        with self._lock:
            return list(self._queries.values())

    def _attach(self, added: Iterable[Wanted]) -> list[_Query]:
        return [self._attach_one(wanted) for wanted in added]

    def _attach_one(self, wanted: Wanted) -> _Query:
        remote = RemoteQuery(self._deployment._database, wanted.path, wanted.args, self._origin, wanted.journal)
        return self._reactor.attach_remote(remote, lambda shared: _Query(self, wanted, shared))

    def _change(self, versions: tuple[int, int], added: Iterable[_Query], removed: Iterable[int]) -> None:
        gone: list[_Query | None] = []
        # In one piece: a state of the old version has none of the new queries.
        with self._lock:
            gone += [self._queries.pop(number, None) for number in removed]
            for query in added:
                gone.append(self._queries.get(query.wanted.number))
                self._queries[query.wanted.number] = query
            self._wanted = versions
        for former in gone:
            if former is not None:
                self._reactor.leave(former.shared, former)
        if self._closed:
            self.close()
        self.arrive()

    def forget(self, query: _Query) -> None:
        """The deployment has stopped following it."""
        with self._lock:
            if self._queries.get(query.wanted.number) is query:
                del self._queries[query.wanted.number]

    def close(self) -> None:
        """Follow nothing."""
        self._closed = True
        for query in self._all():
            self.forget(query)
            self._reactor.leave(query.shared, query)
        self._reactor.far.groups.forget(self)

    # -- moving --------------------------------------------------------------------------------------------------

    def expect(self) -> None:
        """Something has changed: move at the end of the round."""
        self._reactor.far.groups.expect(self)

    def arrive(self) -> None:
        """Move to the newest commit, or as soon as every query can."""
        if not self._closed:
            self._reactor.far.groups.arrive(self)

    def committing(self, is_committing: bool) -> None:
        """Whether a mutation of this client is on its way into the database.

        Its effect is not to be seen before the client has been told that it is done.
        """
        with self._lock:
            self._is_committing = is_committing

    def move(self, snapshot: Snapshot) -> bool:
        """Take over the outcomes as of `snapshot`; false if one of them is still to come."""
        with self._lock:
            state = self.state
            if snapshot.timestamp < state.timestamp:
                return True
            if self._is_committing:
                return False
            shared = [query.shared for query in self._queries.values()]
            since = state.timestamp if self._wanted == (state.version, state.identity_version) else 0
            outcomes = self._reactor.far.groups.outcomes(shared, snapshot, since)
            if outcomes is None:
                return False
            self.state = State(*self._wanted, snapshot.timestamp, dict(zip(self._queries, outcomes, strict=True)))
        self._on_move()
        return True
