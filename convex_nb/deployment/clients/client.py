"""A client: it calls public functions as somebody, and sees its own changes at once."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from convex_nb.deployment.cells import of_cell
from convex_nb.deployment.clients.client_queries import ClientQueries
from convex_nb.deployment.clients.optimistic import OptimisticUpdate, Pending
from convex_nb.deployment.clients.paginated import PAGE_SIZE, PaginatedQuery, option_of
from convex_nb.deployment.clients.principal import Principal
from convex_nb.deployment.clients.redaction import told_to_client
from convex_nb.deployment.clients.turns import Turn, Turns
from convex_nb.functions.checks import check_arguments
from convex_nb.functions.definition import merge_arguments
from convex_nb.functions.identity import to_identity
from convex_nb.functions.origin import Origin
from convex_nb.language.describing import describe
from convex_nb.language.errors import DeploymentClosedError, DeterminismError, InvalidValueError

if TYPE_CHECKING:
    from convex_nb.deployment.calling import Calling
    from convex_nb.engine.reading.reader import DatabaseWriter
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.execution import Execution
    from convex_nb.functions.live.subscription import Subscription
    from convex_nb.functions.registry import Entry, Target


class ConnectionState(NamedTuple):
    """What a client has under way. One that is in this process is connected until it is closed."""

    is_connected: bool
    inflight_mutations: int
    inflight_actions: int

    @property
    def has_inflight_requests(self) -> bool:
        """Whether anything is under way."""
        return bool(self.inflight_mutations or self.inflight_actions)


class Client:
    """A client of a deployment, acting for `identity`, or for nobody. `dep.client()` makes one.

    It calls public functions only; an internal one is as if it were not there. Its mutations run one at a time, in the
    order in which they were asked for, on whatever threads. All that it follows moves together.
    """

    def __init__(self, deployment: Calling, identity: Mapping[str, Any] | None = None) -> None:
        self._deployment = deployment
        clock = deployment._database.clock
        self._principal = Principal(deployment._tokens, clock.now_ns, to_identity(identity))
        self._turns = Turns()
        self._actions = 0
        self._counting = threading.Lock()
        self._asking = threading.RLock()
        self._queries = ClientQueries(
            deployment,
            lambda: self._principal.origin,
            lambda target: self._find(target, "query"),
            lambda error, path: self._told(error, "query", path),
        )
        self._closed = False

    def __repr__(self) -> str:
        identity = self._principal.origin.identity
        who = "nobody" if identity is None else identity.claims["tokenIdentifier"]
        return f"<Client for {who}{', closed' if self._closed else ''}: {len(self._queries)} queries followed>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def identity(self) -> dict[str, Any] | None:
        """The claims that functions get from `ctx.auth.get_user_identity()`."""
        identity = self._principal.origin.identity
        return None if identity is None else dict(identity.claims)

    @property
    def connection_state(self) -> ConnectionState:
        """What this client has under way."""
        return ConnectionState(not self._closed, len(self._turns), self._actions)

    def set_auth(
        self, token: str | Callable[..., str | None] | None, on_change: Callable[[bool], object] | None = None
    ) -> None:
        """Act for the bearer of a token, or of those that `token(force_refresh)` fetches; `None` for nobody.

        All that this client follows runs again for that identity, and moves to it together. A token that has expired
        is fetched anew before the next call; where that fails, the client acts for nobody, and `on_change(False)` is
        called. Raises `AuthenticationError` for a token that no provider vouches for; nothing changes then.
        """
        self._check_open()
        self._principal.sign_in(token, on_change)
        self._queries.act()

    # -- calls ---------------------------------------------------------------------------------------------------

    def query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a query at the newest commit. Optimistic updates do not show in it. Raises what it raises."""
        entry = self._find(function, "query")
        given = merge_arguments(entry.path, args, kwargs)
        return self._telling("query", entry.path, lambda: self._deployment._query(entry, given, self._principal.origin))

    def mutation(
        self,
        function: Target,
        args: Mapping[str, Any] | None = None,
        /,
        *,
        optimistic: OptimisticUpdate | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run a mutation when those asked for before are over, and commit it. Raises what it raises.

        `optimistic(store, args)` changes the results that this client sees at once, until the mutation's own effect is
        there or it has failed; see `OptimisticStore`. If it raises, the mutation does not run.
        """
        entry = self._find(function, "mutation")
        if self._turns.is_held_here():
            raise DeterminismError(
                f'"{entry.path}" did not run: a mutation of the same client called it, for whose end it would wait for '
                "ever. Call it with `ctx.run_mutation`.",
                operation="client.mutation",
            )
        if inspect.iscoroutinefunction(optimistic) or not (optimistic is None or callable(optimistic)):
            what = "an `async def`" if callable(optimistic) else describe(optimistic, 80)
            raise InvalidValueError(
                f'"{entry.path}" did not run: its optimistic update is a plain `def`, since it is made anew over each '
                f"new result, not {what}.",
                value=optimistic,
            )
        given = merge_arguments(entry.path, args, kwargs)
        # Before anything is shown.
        arguments = self._telling(
            "mutation",
            entry.path,
            lambda: check_arguments(entry.function, entry.path, given, self._deployment._database),
        )
        pending = Pending(optimistic, arguments)
        # The order of the queue is the order in which updates lie on one another.
        with self._asking:
            try:
                announce = self._queries.expect(pending)
            except Exception as error:
                error.add_note(f'The optimistic update of "{entry.path}" raised this: the mutation did not run.')
                raise
            turn = self._turns.take()
        value, committed_at = self._telling(
            "mutation", entry.path, lambda: self._in_turn(entry, given, pending, turn, announce)
        )
        self._deployment._after_commit()
        self._queries.arrive(committed_at)
        return value

    def _in_turn(
        self,
        entry: Entry,
        given: Mapping[str, Any] | None,
        pending: Pending,
        turn: Turn,
        announce: Callable[[], None],
    ) -> tuple[Any, int]:
        committed_at: int | None = None
        try:
            announce()
            with turn:
                value, committed_at = self._run(entry, given, pending)
        finally:
            turn.leave()
            self._queries.settle(pending, committed_at)
        return value, committed_at

    def _run(self, entry: Entry, given: Mapping[str, Any] | None, pending: Pending) -> tuple[Any, int]:
        executions: list[Execution] = []
        handler = self._deployment._runner.body_of(entry, given)

        def body(execution: Execution, db: DatabaseWriter) -> Any:
            pending.is_committing = False
            executions.append(execution)
            value = handler(execution, db)
            pending.is_committing = True
            return value

        acting = self._principal.origin
        origin = Origin(acting.caller, acting.identity, queue_length=len(self._turns))
        value = self._deployment._runner.transact(body, entry.path, origin)
        return value, executions[-1].committed_at

    def action(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once, and wait for it; it waits for no mutation. Raises what it raises."""
        entry = self._find(function, "action")
        given = merge_arguments(entry.path, args, kwargs)
        with self._counted():
            return self._telling(
                "action", entry.path, lambda: self._deployment._action(entry, given, self._principal.origin)
            )

    async def action_async(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once, without holding up the loop. Raises what it raises."""
        entry = self._find(function, "action")
        given = merge_arguments(entry.path, args, kwargs)
        with self._counted():
            try:
                return await self._deployment._action_async(entry, given, self._principal.origin)
            except Exception as error:
                told = self._told(error, "action", entry.path)
            raise told

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._counting:
            self._actions += 1
        try:
            yield
        finally:
            with self._counting:
                self._actions -= 1

    # -- following -----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        function: Target,
        args: Mapping[str, Any] | None,
        callback: Callable[[Any], object],
        on_error: Callable[[Exception], object] | None = None,
    ) -> Subscription:
        """Call `callback(value)` now and whenever what this client sees changes, `on_error(error)` if the query raises.

        A callback that looks at another subscription of this client finds the same moment there. A subscription that a
        notebook's cell makes ends when the cell runs again, or is deleted.
        """
        entry = self._find(function, "query")
        return of_cell(self._queries.subscribe(entry, args, callback, on_error))

    def paginated(
        self, function: Target, /, num_items: int = PAGE_SIZE, args: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> ClientPages:
        """Follow a paginated query page by page: `.results`, `.status`, `.load_more(n)`, `.close()`."""
        entry = self._find(function, "query")
        return ClientPages(
            self._queries, entry, num_items, merge_arguments(entry.path, args, kwargs) or {}, option_of(entry.function)
        )

    # -- life ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Follow nothing any more; later calls raise `DeploymentClosedError`. Mutations that wait still run."""
        self._closed = True
        self._queries.close()

    def _find(self, function: Target, kind: Kind) -> Entry:
        self._check_open()
        if self._deployment._blocked:
            self._deployment._refuse()
        if self._principal.is_over:
            self._principal.renew()
            self._queries.act()
        return self._deployment._registry.find_public(function, kind)

    def _check_open(self) -> None:
        if self._closed:
            raise DeploymentClosedError("This client was closed. Make another one: `dep.client()`.")

    def _telling(self, kind: Kind, path: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            told = self._told(error, kind, path)
        # Out here, so that it does not bring along what it stands for.
        raise told

    def _told(self, error: Exception, kind: Kind, path: str) -> Exception:
        return told_to_client(error, kind, path, self._deployment._log, self._deployment._mode)


class ClientPages(PaginatedQuery):
    """The pages of a paginated query as one client sees them."""

    def __init__(
        self, queries: ClientQueries, entry: Entry, num_items: int, args: Mapping[str, Any], option: str
    ) -> None:
        self._queries = queries
        self._nudged = False
        super().__init__(lambda given: queries.follow(entry, given), args, num_items, option=option)
        queries.pages = (*queries.pages, self)
        self.nudge()

    def load_more(self, num_items: int | None = None) -> bool:
        """Load and follow one more page; false, and nothing else, unless the status is "CanLoadMore"."""
        try:
            return super().load_more(num_items)
        finally:
            if self._nudged:
                self.nudge()

    def nudge(self) -> None:
        """Take over what is new: now or, while another thread has these pages, when that is done with them.

        It never waits: that thread may be about to nudge other pages, which this one has.
        """
        self._nudged = True
        while self._nudged and self._lock.acquire(blocking=False):
            try:
                self._nudged = False
                self.advance()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Follow no longer. The last results stay."""
        self._queries.pages = tuple([each for each in self._queries.pages if each is not self])
        super().close()
