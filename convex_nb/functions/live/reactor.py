"""Which followed queries run again, when, at which snapshot; and who is told.

A commit only leaves marks. Subscriptions are eager: the thread whose commit finds no flush running runs the marked
queries and the callbacks, the others leave their marks with it. Watched queries are told that they are stale, once,
and run together when somebody refreshes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from convex_nb.engine.materialised import Materialised
from convex_nb.engine.read_set import ReadSet
from convex_nb.functions.checks import check_arguments
from convex_nb.functions.live.far_queries import FarQueries
from convex_nb.functions.live.footing import Footing
from convex_nb.functions.live.foreground import foreground
from convex_nb.functions.live.groups import Groups
from convex_nb.functions.live.live_query import LiveQuery
from convex_nb.functions.live.reactor_statistics import ReactorStatistics
from convex_nb.functions.live.remote_query import RemoteQuery
from convex_nb.functions.live.shared_query import NOTHING_YET, Follower, SharedQuery
from convex_nb.functions.live.subscription import Subscription, check_callback
from convex_nb.functions.live.waiting import Waiting
from convex_nb.functions.origin import ADMINISTRATOR, Origin
from convex_nb.functions.runner import Result
from convex_nb.functions.tracebacks import strip
from convex_nb.language.errors import ConvexNbError, DeploymentPausedError
from convex_nb.language.ordering import same_key

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.cache import QueryCache
    from convex_nb.functions.registry import Entry, Registry

MOST_ROUNDS: Final = 8
"""Rounds that one flush makes before it hands over: a thread that commits once must not serve all others for ever."""

F = TypeVar("F", bound=Follower)

_number = attrgetter("number")


def reads_data(result: Result) -> bool:
    """Tell whether a result rests on data of the notebook, read by its names."""
    return result.ran is not None and any(bindings.has_data for _, _, bindings in result.ran if bindings is not None)


class Reactor:
    """All followed queries of a deployment. Safe for threads; starts none; holds no lock while user code runs.

    `hand_over` is called when a flush has gone on for long because other threads keep committing: it must see to it
    that somebody calls `flush`, for whom `handed_over` stays set until then.

    A query that reads data of the notebook by its names does not run while a cell runs on another thread, which may be
    changing them: it waits for a commit of that cell, when `on_held` is called if views wait, or for the cell's end.
    """

    def __init__(self, database: Database, registry: Registry, cache: QueryCache) -> None:
        self.hand_over: Callable[[], None] | None = None
        self.handed_over = False
        self.on_held: Callable[[], object] | None = None
        self.paused = False
        self.groups = Groups(database)
        self.far = FarQueries(database)
        self._database = database
        self._registry = registry
        self._cache = cache
        self._queries: dict[Hashable, SharedQuery] = {}
        self._waiting = Waiting()
        self._footing = Footing()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._flusher: int | None = None
        self._refreshing = threading.RLock()
        self._runs = 0
        self._announcements = 0
        self._rounds = 0
        database.on_commit.append(self._committed)
        registry.on_change.append(self._redefined)

    # -- following -----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        entry: Entry,
        given: Mapping[str, Any] | None,
        callback: Callable[[Any], object],
        on_error: Callable[[Exception], object] | None = None,
    ) -> Subscription:
        """Call `callback` with a query's value now, and after each commit that changes it."""
        check_callback(callback)
        subscription = self.attach(entry, given, lambda query: Subscription(self, query, callback, on_error))
        subscription.begin()
        return subscription

    def attach(
        self,
        entry: Entry,
        given: Mapping[str, Any] | None,
        make: Callable[[SharedQuery], F],
        origin: Origin = ADMINISTRATOR,
    ) -> F:
        """Run a query now, and after each commit that touches it; what `make` returns is offered each new outcome."""
        args = check_arguments(entry.function, entry.path, given, self._database)
        with self._lock:
            query = self._shared(entry, args, origin, is_eager=True)
            follower = make(query)
            query.subscriptions = (*query.subscriptions, follower)
        self._catch_up(query, follower)
        return follower

    def attach_remote(self, query: RemoteQuery, make: Callable[[SharedQuery], F]) -> F:
        """The same for a query that is followed from outside of this process; one like it is shared."""
        with self._lock:
            shared = self._queries.setdefault(query.key, query)
            follower = make(shared)
            shared.subscriptions = (*shared.subscriptions, follower)
        self._catch_up(shared, follower)
        return follower

    def watch(
        self,
        entry: Entry,
        given: Mapping[str, Any] | None,
        on_stale: Callable[[], object],
        origin: Origin = ADMINISTRATOR,
    ) -> LiveQuery:
        """Run a query now; `on_stale` is called when a commit has touched it, and it runs again in a `refresh`."""
        args = check_arguments(entry.function, entry.path, given, self._database)
        with self._lock:
            query = self._shared(entry, args, origin, is_eager=False)
            view = LiveQuery(self, query, on_stale)
            query.views = (*query.views, view)
        self._catch_up(query, view)
        view.seen = query.outcome.changes
        return view

    def leave(self, query: SharedQuery, follower: Follower | LiveQuery) -> None:
        """A follower is closed; with the last one its query is forgotten."""
        with self._lock:
            query.subscriptions = tuple([each for each in query.subscriptions if each is not follower])
            query.views = tuple([each for each in query.views if each is not follower])
            if not query.subscriptions and not query.views and self._queries.get(query.key) is query:
                del self._queries[query.key]
                self._waiting.forget(query)
                self.far.forget(query)
                self._footing.discard(query)
                self._database.subscriptions.remove(query)

    def close(self) -> None:
        """Forget every query. Nobody is called any more."""
        for query in list(self._queries.values()):
            for subscription in query.subscriptions:
                subscription.close()
            for view in query.views:
                view.close()

    def _shared(self, entry: Entry, args: dict[str, Any], origin: Origin, *, is_eager: bool) -> SharedQuery:
        # Who follows a path moves to its new code; a function that has no path of its own cannot be redefined.
        detached = None if self._registry.holds(entry) else entry
        identity = None if origin.identity is None else origin.identity.key
        key = (is_eager, entry.path if detached is None else entry.version, same_key(args), identity)
        query = self._queries.get(key)
        if query is None:
            query = SharedQuery(key, entry.path, detached, args, is_eager, Materialised(self._database), origin)
            self._queries[key] = query
        return query

    def _catch_up(self, query: SharedQuery, follower: Follower | LiveQuery) -> None:
        """Let a new follower begin with what its thread would read now."""
        with self._lock:
            # A run that is going on may be at an older snapshot than this thread's last commit.
            is_current = not (query.stale or query.running or query.outcome is NOTHING_YET)
        if not is_current:
            try:
                self._run(query, self._database.head)
                self.flush()
            except BaseException:
                follower.close()
                raise

    # -- marking -------------------------------------------------------------------------------------------------

    def _committed(self, commit: Commit) -> None:
        touched = self._database.touched(commit)
        if touched:
            with self._lock:
                for query in touched:
                    self._invalidate(query)

    def _redefined(self, paths: frozenset[str]) -> None:
        with self._lock:
            for query in self._queries.values():
                if query.path in paths and query.entry is None:
                    self._invalidate(query)
        self.flush()

    def invalidate(self) -> None:
        """Every followed query has to run again."""
        with self._lock:
            for query in self._queries.values():
                self._invalidate(query)

    def resume(self) -> None:
        """Take up again what waited, or was refused, because the deployment was paused."""
        self.paused = False
        with self._lock:
            for query in self._queries.values():
                if isinstance(query.outcome.error, DeploymentPausedError):
                    self._invalidate(query)
        self.far.wake()
        self.flush()

    def expire(self, query: SharedQuery) -> None:
        """One followed query has to run again."""
        with self._lock:
            self._invalidate(query)
        self.flush()

    def _invalidate(self, query: SharedQuery) -> None:
        if query.stale or self._queries.get(query.key) is not query:
            return
        query.stale = True
        if isinstance(query, RemoteQuery):
            self.far.invalidate(query)
        else:
            self._waiting.mark(query)

    def _look_again(self) -> None:
        """Mark what rests on code, or on names of the notebook, that is not the same any more."""
        moved = self._footing.moved(self._registry)
        with self._lock:
            self._waiting.release()
            for query in moved:
                self._invalidate(query)

    # -- running -------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Run what is marked and call the callbacks, unless somebody is at it already, who then does this as well."""
        me = threading.get_ident()
        if self._flusher == me:
            return
        if (self._footing.by_ran or self._waiting.held) and not foreground.holds_off():
            self._look_again()
            if self.far.due:
                self.far.wake()
        while self._waiting and not self.paused:
            try:
                with self._lock:
                    if self._flusher is not None:
                        return
                    self._flusher = me
                    self.handed_over = False
                for _ in range(MOST_ROUNDS):
                    self._round()
                    if not self._waiting:
                        break
                else:
                    if self.hand_over is not None:
                        self.handed_over = True
                        self.hand_over()
                        return
            finally:
                with self._idle:
                    if self._flusher == me:
                        self._flusher = None
                        self._idle.notify_all()

    def flush_far(self) -> bool:
        """Run what is followed from outside of this process and has been marked; whether more has been meanwhile."""
        return not self.paused and self.far.round(self._run, self._has_to_wait)

    def flush_slow(self) -> bool:
        """The same for what takes long."""
        with self._lock:
            # Whoever has marked one of these has marked everything that the same commit has touched.
            pass
        return not self.paused and self.far.slow_round(
            self._run, self._has_to_wait, lambda: list(self._queries.values())
        )

    def offer_held(self) -> None:
        """Call `on_held` if this is the running cell's thread and views wait for it."""
        if (
            self.on_held is not None
            and foreground.is_here()
            and any(query.reads_data for query in list(self._waiting.stale))
        ):
            self.on_held()

    def _round(self) -> None:
        self._rounds += 1
        waiting = self._waiting
        with self._lock:
            marks, waiting.marks = waiting.marks, {}
        for query in marks:
            for view in query.views:
                view.mark()
        snapshot = self._database.head
        for query in self._in_order(waiting.due):
            if self._has_to_wait(query):
                with self._lock:
                    waiting.hold(query)
            else:
                self._run(query, snapshot)
        # Only now, so that a callback which looks at another subscription finds the same moment there.
        for query in self._in_order(waiting.changed):
            # Before its callbacks, which may bring about the next change.
            waiting.changed.pop(query, None)
            try:
                for subscription in query.subscriptions:
                    subscription.offer(query.outcome)
            except BaseException:
                with self._lock:
                    waiting.announce(query)
                raise
        self.groups.move(snapshot)

    def refresh(self) -> list[LiveQuery]:
        """Run every stale watched query at one snapshot; return those with news since the last refresh."""
        # What an interrupt left undone.
        self.flush()
        with self._refreshing:
            self._run_stale()
            with self._lock:
                news, self._waiting.news = self._waiting.news, {}
                moved = []
                for query in news:
                    for view in query.views:
                        if view.seen != query.outcome.changes:
                            view.seen = query.outcome.changes
                            moved.append(view)
        # A commit that came while they ran may have marked them again.
        self.flush()
        return moved

    def wait_for_flush(self, seconds: float) -> bool:
        """Wait until the flush of another thread is over, but not longer; whether there was one."""
        with self._idle:
            elsewhere = self._flusher not in (None, threading.get_ident())
            if elsewhere:
                self._idle.wait(seconds)
            return elsewhere

    def settle(self) -> None:
        """Return when no invalidated query is left to run, here or on another thread. Views still have to refresh."""
        me = threading.get_ident()
        while not self.paused:
            self.flush()
            while self.flush_far() or self.flush_slow():
                pass
            with self._refreshing:
                self._run_stale()
            for query in self._in_order(self._waiting.news):
                for view in query.views:
                    view.mark()
            with self._idle:
                stale = not all(self._has_to_wait(query) for query in self._waiting.stale)
                if self._flusher == me or not (self._flusher or stale or self._waiting):
                    return
                if self._flusher is not None:
                    self._idle.wait()

    def _in_order(self, queries: Iterable[SharedQuery]) -> list[SharedQuery]:
        with self._lock:
            return sorted(queries, key=_number)

    def _run_stale(self) -> None:
        if self._waiting.stale and not self.paused:
            snapshot = self._database.head
            for query in self._in_order(self._waiting.stale):
                if not self._has_to_wait(query):
                    self._run(query, snapshot)

    def _has_to_wait(self, query: SharedQuery) -> bool:
        return query.reads_data and foreground.holds_off()

    def _run(self, query: SharedQuery, snapshot: Snapshot) -> None:
        with self._lock:
            self._waiting.begin(query)
            self.far.due.pop(query, None)
            # Before it runs, so that a commit which comes meanwhile marks it anew.
            query.stale = False
            query.running += 1
        claimed = query.claim.acquire(blocking=False)
        cells = foreground.cells
        try:
            result = self._result(query, snapshot, query.materialised if claimed else None)
            if foreground.cells != cells and reads_data(result) and query.outcome is not NOTHING_YET:
                # A cell has begun meanwhile, and may have rebound one name of two.
                with self._lock:
                    self._invalidate(query)
            else:
                self._install(query, result, snapshot)
        except BaseException:
            # Interrupted: the old result still stands, and is as old as before.
            with self._lock:
                self._invalidate(query)
            raise
        finally:
            if claimed:
                query.claim.release()
            with self._lock:
                query.running -= 1

    def _result(self, query: SharedQuery, snapshot: Snapshot, materialised: Materialised | None) -> Result:
        if isinstance(query, RemoteQuery):
            return query.run(self._database, self._registry, self._cache, snapshot, materialised, paused=self.paused)
        try:
            entry = query.entry or self._registry.find(query.path, "query")
            arguments = check_arguments(entry.function, entry.path, query.args, self._database)
        except ConvexNbError as error:
            strip(error)
            return Result(None, error, ReadSet(), snapshot)
        return self._cache.fetch(entry, arguments, snapshot, materialised, query.origin)

    def _install(self, query: SharedQuery, result: Result, snapshot: Snapshot) -> None:
        while True:
            last = query.outcome
            outcome = query.after(result, snapshot.timestamp)
            with self._lock:
                if query.outcome is not last:
                    continue
                if self._queries.get(query.key) is not query:
                    return
                if snapshot.timestamp < last.timestamp:
                    # Somebody ran it at a later snapshot meanwhile. What was marked since then was unmarked by us.
                    self._invalidate(query)
                    return
                touched = self._database.subscribe(result.read_set, query, snapshot.timestamp)
                query.outcome = outcome
                query.reads_data = reads_data(result)
                self._footing.put(query, result.ran)
                query.runs += 1
                self._runs += 1
                if outcome.changes != last.changes:
                    self._announcements += 1
                    if isinstance(query, RemoteQuery):
                        self.far.announce(query)
                    else:
                        self._waiting.announce(query)
                if touched or self._database.head.catalog is not snapshot.catalog:
                    self._invalidate(query)
                return

    # -- figures -------------------------------------------------------------------------------------------------

    def statistics(self) -> ReactorStatistics:
        """Sizes and counts."""
        with self._lock:
            queries = list(self._queries.values())
        return ReactorStatistics(
            subscriptions=sum([len(query.subscriptions) for query in queries]),
            watched=sum([len(query.views) for query in queries]),
            queries=len(queries),
            runs=self._runs,
            announcements=self._announcements,
            rounds=self._rounds,
        )

    def check(self) -> None:
        """Verify the bookkeeping. Raises `AssertionError` with what is wrong."""
        with self._lock:
            queries = set(self._queries.values())
            for query in queries:
                assert query.subscriptions or query.views, f"{query!r} is kept for nobody"
                waiting = self._waiting.has_to_run(query) or query in self.far.due
                assert query.stale == waiting, f"{query!r} is stale: {query.stale}, waiting to run: {waiting}"
            assert self._footing.queries <= queries, f"{self._footing.queries - queries} are forgotten but rest on code"
            self._waiting.check(queries)
            self.far.check(queries)
