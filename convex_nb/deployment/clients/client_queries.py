"""What one client sees: its queries, moved together from one moment to the next, under its optimistic updates."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from convex_nb.deployment.clients.client_query import Attachment, ClientLive, ClientQuery
from convex_nb.deployment.clients.optimistic import OptimisticStore, Pending
from convex_nb.functions.checks import check_arguments
from convex_nb.functions.live.shared_query import NOTHING_YET, SharedQuery
from convex_nb.functions.live.subscription import Subscription, check_callback
from convex_nb.language.ordering import same_key
from convex_nb.language.values import copy_value

if TYPE_CHECKING:
    from collections.abc import Hashable

    from convex_nb.deployment.calling import Calling
    from convex_nb.deployment.clients.client_query import QueryKey
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.origin import Origin
    from convex_nb.functions.registry import Entry, Target

log: Final = logging.getLogger("convex_nb")

PATIENCE_SECONDS: Final = 1.0
"""How long a mutation that is committed waits for another thread to show it."""


class Nudged(Protocol):
    """Something made of queries that looks at them after each move."""

    def nudge(self) -> None: ...


class ClientQueries:
    """All queries that a client follows. Safe for threads.

    They move together: nobody sees results of two moments. Optimistic updates lie on top, in the order in which their
    mutations were asked for, and are made anew over each new moment, until one that has the mutation's own effect.
    Updates run under this object's lock, callbacks do not.
    """

    def __init__(
        self,
        deployment: Calling,
        origin: Callable[[], Origin],
        find: Callable[[Target], Entry],
        told: Callable[[Exception, str], Exception],
    ) -> None:
        self.reactor = deployment._reactor
        self.pages: tuple[Nudged, ...] = ()
        self._database = deployment._database
        self._registry = deployment._registry
        self._origin = origin
        self._find = find
        self._told = told
        self._queries: dict[QueryKey, ClientQuery] = {}
        self._pending: list[Pending] = []
        self._since = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._queries)

    # -- looking up ----------------------------------------------------------------------------------------------

    def key_of(self, function: Target, args: Mapping[str, Any] | None) -> QueryKey:
        """What stands for a query. Raises what refuses it."""
        entry = self._find(function)
        return self._name_of(entry), same_key(check_arguments(entry.function, entry.path, args, self._database))

    def get(self, key: QueryKey) -> ClientQuery | None:
        """The followed query of this key."""
        return self._queries.get(key)

    def all_of(self, function: Target) -> list[ClientQuery]:
        """The followed queries of a function."""
        name = self._name_of(self._find(function))
        return [query for key, query in self._queries.items() if key[0] == name]

    def _name_of(self, entry: Entry) -> Hashable:
        return entry.path if self._registry.holds(entry) else entry.version

    # -- following -----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        entry: Entry,
        given: Mapping[str, Any] | None,
        callback: Callable[[Any], object],
        on_error: Callable[[Exception], object] | None,
    ) -> Subscription:
        """Follow a query with callbacks."""
        check_callback(callback)
        subscription = self._follow(entry, given, lambda query: Subscription(self, query, callback, on_error))
        assert isinstance(subscription, Subscription)
        subscription.begin()
        return subscription

    def follow(self, entry: Entry, given: Mapping[str, Any] | None) -> ClientLive:
        """Follow a query without."""
        live = self._follow(entry, given, lambda query: ClientLive(self.reactor, self.leave, query))
        assert isinstance(live, ClientLive)
        return live

    def _follow(
        self,
        entry: Entry,
        given: Mapping[str, Any] | None,
        make: Callable[[ClientQuery], Subscription | ClientLive],
    ) -> Subscription | ClientLive:
        name = self._name_of(entry)
        # Before it is anybody's: this runs the query, and no lock is held while user code runs.
        origin = self._origin()
        query = self.reactor.attach(
            entry, given, lambda shared: ClientQuery(self._newer, (name, same_key(shared.args)), shared, origin), origin
        )
        with self._lock:
            kept = self._queries.setdefault(query.key, query)
            follower = make(kept)
            kept.followers = (*kept.followers, follower)
        if kept is not query:
            self.reactor.leave(query.shared, query)
        if origin is not self._origin():
            # Somebody has signed in meanwhile.
            self.act()
        self.reactor.groups.arrive(self)
        with self._lock:
            # The others may have to run first; then all move together.
            waits = kept.base is NOTHING_YET
            if waits:
                kept.base = kept.shared.outcome
            changed = self._show() if waits else []
        self._announce(changed)
        return follower

    def _newer(self) -> None:
        self.reactor.groups.expect(self)

    def leave(self, query: ClientQuery, follower: Subscription | ClientLive) -> None:
        """A follower is closed; with the last one its query is forgotten."""
        with self._lock:
            query.followers = tuple([each for each in query.followers if each is not follower])
            if query.followers or self._queries.get(query.key) is not query:
                return
            del self._queries[query.key]
        self.reactor.leave(query.shared, query.attachment)

    def act(self) -> None:
        """Follow the same queries for whomever the client acts for now; they run, and all move to that together."""
        origin = self._origin()
        with self._lock:
            queries = [query for query in self._queries.values() if query.origin is not origin]
        # Before anything is seen of it: this runs the queries, and no lock is held while user code runs.
        attachments = [self._attach_again(query, origin) for query in queries]
        left: list[tuple[SharedQuery, ClientQuery | Attachment]] = []
        with self._lock:
            for query, attachment in zip(queries, attachments, strict=True):
                if self._queries.get(query.key) is not query:
                    left.append((attachment.shared, attachment))
                else:
                    left.append((query.shared, query.attachment))
                    query.move_to(attachment, origin)
            # What was known is of somebody else.
            self._since = 0
        for shared, follower in left:
            self.reactor.leave(shared, follower)
        self.reactor.groups.arrive(self)

    def _attach_again(self, query: ClientQuery, origin: Origin) -> Attachment:
        entry = query.shared.entry or self._registry.find_public(query.path, "query")
        return self.reactor.attach(entry, query.args, lambda shared: Attachment(query, shared), origin)

    def close(self) -> None:
        """Forget every query."""
        for query in list(self._queries.values()):
            query.close()
        self.reactor.groups.forget(self)

    # -- moving --------------------------------------------------------------------------------------------------

    def move(self, snapshot: Snapshot) -> bool:
        """Take over all outcomes as of `snapshot`; false if one of them is still to come."""
        with self._lock:
            if snapshot.timestamp < self._since:
                return True
            if any(pending.is_committing for pending in self._pending):
                return False
            queries = list(self._queries.values())
            outcomes = self.reactor.groups.outcomes([each.shared for each in queries], snapshot, self._since)
            if outcomes is None:
                return False
            self._since = snapshot.timestamp
            for query, outcome in zip(queries, outcomes, strict=True):
                query.base = outcome
            self._pending = [
                pending
                for pending in self._pending
                if pending.committed_at is None or pending.committed_at > snapshot.timestamp
            ]
            changed = self._show()
        self._announce(changed)
        return True

    def _show(self, newest: Pending | None = None) -> list[ClientQuery]:
        """Make what is seen of what is known; the queries that changed. What `newest` raises, it raises."""
        store = OptimisticStore(self)
        for pending in [*self._pending, newest]:
            if pending is None or pending.update is None:
                continue
            before = dict(store.changed)
            try:
                pending.update(store, copy_value(pending.args))
            except Exception:
                if pending is newest:
                    raise
                log.exception("convex_nb: an optimistic update raised when it was made anew; it is left out")
                store.changed = before
        return [query for query in self._queries.values() if query.show(store.changed, self._told)]

    def _announce(self, changed: list[ClientQuery]) -> None:
        for pages in self.pages if changed else ():
            pages.nudge()
        for query in changed:
            for follower in query.followers:
                follower.offer(query.outcome)

    # -- optimistic updates --------------------------------------------------------------------------------------

    def expect(self, pending: Pending) -> Callable[[], None]:
        """Let an update be seen; returns what tells everybody. If it raises, nothing has changed."""
        with self._lock:
            changed = self._show(pending)
            self._pending.append(pending)
        return lambda: self._announce(changed)

    def settle(self, pending: Pending, committed_at: int | None) -> None:
        """The mutation is over: its effect shows from a commit on (0: it wrote nothing), or it failed (`None`)."""
        with self._lock:
            pending.is_committing = False
            pending.committed_at = committed_at
            if committed_at is None and pending in self._pending:
                self._pending.remove(pending)
                changed = self._show()
            else:
                changed = []
        self._announce(changed)

    def arrive(self, committed_at: int) -> None:
        """Move to the newest commit; return when what is seen is as of `committed_at` or later.

        Where another thread is at it, this waits for that one, though not for ever: it may be waiting for this one.
        """
        self.reactor.groups.arrive(self)
        until = monotonic() + PATIENCE_SECONDS
        while self._since < committed_at and self.reactor.wait_for_flush(max(0.0, until - monotonic())):
            self.reactor.flush()
            self.reactor.groups.arrive(self)
            if monotonic() > until:
                break
