"""Calling functions and following queries."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from convex_nb.deployment.acting import Acting
from convex_nb.deployment.asynchronous import run_beside, run_coroutine
from convex_nb.deployment.authentication import origin_of
from convex_nb.deployment.block import SOURCE, TransactionBlock
from convex_nb.deployment.cells import of_cell
from convex_nb.deployment.clients.client import Client
from convex_nb.deployment.foundation import Foundation
from convex_nb.deployment.remote.http_actions import SITE, respond
from convex_nb.functions.checks import check_arguments
from convex_nb.functions.components.boundary import crossing
from convex_nb.functions.definition import Function, merge_arguments
from convex_nb.functions.execution import note_outside, running
from convex_nb.functions.http.messages import HeadersLike, Request, Response
from convex_nb.functions.identity import to_identity
from convex_nb.functions.origin import ADMINISTRATOR, Origin
from convex_nb.language.errors import InvalidValueError, WriteConflictError
from convex_nb.language.values import copy_value

if TYPE_CHECKING:
    from convex_nb.engine.reading.reader import DatabaseWriter
    from convex_nb.engine.transaction import Transaction
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.execution import Execution
    from convex_nb.functions.live.live_query import LiveQuery
    from convex_nb.functions.live.subscription import Subscription
    from convex_nb.functions.registry import Entry, Target

T = TypeVar("T")


class Calling(Foundation):
    """What a deployment does with functions: it calls public and internal ones alike, as the administrator."""

    # -- calls ---------------------------------------------------------------------------------------------------

    def query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a query at the newest commit, or answer it from the cache. Raises what it raises."""
        if running.get() is not None:
            note_outside("query", "ctx.run_query(...)")
        entry = self._find(function, "query")
        return crossing(entry, "", self._query(entry, merge_arguments(entry.path, args, kwargs), ADMINISTRATOR))

    def mutation(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a mutation and commit it, again on a conflict. Raises what it raises; nothing is written then."""
        if running.get() is not None:
            note_outside("mutation", "ctx.run_mutation(...)")
        entry = self._find(function, "mutation")
        return crossing(entry, "", self._mutation(entry, merge_arguments(entry.path, args, kwargs), ADMINISTRATOR))

    def action(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once, and wait for it; an `async def` on a loop of its own. Raises what it raises."""
        entry = self._find(function, "action")
        return crossing(entry, "", self._action(entry, merge_arguments(entry.path, args, kwargs), ADMINISTRATOR))

    async def action_async(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once: an `async def` on this loop, a plain one on a thread. Raises what it raises."""
        entry = self._find(function, "action")
        given = merge_arguments(entry.path, args, kwargs)
        return crossing(entry, "", await self._action_async(entry, given, ADMINISTRATOR))

    def run(self, function: Target, args: Mapping[str, Any] | None = None, /) -> Any:
        """Run a function of any kind."""
        kind = function.kind if isinstance(function, Function) else self._registry.resolve(function).function.kind
        if kind == "query":
            return self.query(function, args)
        return self.mutation(function, args) if kind == "mutation" else self.action(function, args)

    def fetch(
        self,
        target: str | Request,
        *,
        method: str = "GET",
        headers: HeadersLike = None,
        body: str | bytes | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> Response:
        """Answer a request by the HTTP actions that were pushed, as the server would; `identity` is whom it is for, if
        not the bearer of its token.

        `target` is a path, with parameters if it has any, a whole URL, or a `Request`. What goes wrong inside is in the
        response.
        """
        if not isinstance(target, Request):
            url = f"{SITE}{target}" if isinstance(target, str) and target.startswith("/") else target
            target = Request(url, method=method, headers=headers, body=body)
        origin = origin_of(target, self._tokens) if identity is None else Origin("user", to_identity(identity))
        response = respond(self, target, origin)
        self._after_commit()
        return response

    def transact(self, function: Callable[[DatabaseWriter], T], /) -> T:
        """Run `function(db)` as a mutation: committed when it returns, run again on a conflict. Returns its value."""
        note_outside("transact", "ctx.db")
        if self._blocked:
            self._refuse()
        value: T = self._runner.transact(_ad_hoc(function), SOURCE)
        self._after_commit()
        return value

    def transaction(self) -> TransactionBlock:
        """`with dep.transaction() as db:`; the block runs once, and raises `WriteConflictError` on a conflict."""
        return TransactionBlock(self)

    def begin_block(self) -> Transaction:
        """Begin the transaction of a `with` block."""
        if self._blocked:
            self._refuse()
        return self._database.begin()

    def commit_block(self, transaction: Transaction) -> None:
        """Commit the transaction of a `with` block."""
        if self._blocked:
            self._refuse()
        try:
            self._runner.commit(transaction, SOURCE)
        except WriteConflictError as error:
            raise WriteConflictError(error.table, error.document_id, error.source, in_block=True) from None
        self._after_commit()

    # -- calls for somebody --------------------------------------------------------------------------------------

    def _find(self, function: Target, kind: Kind, caller: str | None = None) -> Entry:
        if self._blocked:
            self._refuse()
        return self._registry.find(function, kind, caller)

    def _query(self, entry: Entry, given: Mapping[str, Any] | None, origin: Origin) -> Any:
        arguments = check_arguments(entry.function, entry.path, given, self._database)
        result = self._cache.fetch(entry, arguments, self._database.head, None, origin)
        if result.error is not None:
            raise result.error
        return copy_value(result.value)

    def _mutation(self, entry: Entry, given: Mapping[str, Any] | None, origin: Origin) -> Any:
        value = self._runner.mutation(entry, given, origin)
        self._after_commit()
        return value

    def _action(self, entry: Entry, given: Mapping[str, Any] | None, origin: Origin) -> Any:
        if entry.function.is_async:
            return run_coroutine(self._runner.action_async(entry, given, self._inside, origin))
        return self._runner.action(entry, given, self._inside, origin)

    async def _action_async(self, entry: Entry, given: Mapping[str, Any] | None, origin: Origin) -> Any:
        if entry.function.is_async:
            return await self._runner.action_async(entry, given, self._inside, origin)
        return await run_beside(self._runner.action, entry, given, self._inside, origin)

    def _inside(self, action: Execution) -> Acting:
        return Acting(self, action.origin.inside(action), action.component)

    def client(self, identity: Mapping[str, Any] | None = None) -> Client:
        """A client that calls public functions, for an identity such as `{"subject": "ada", "name": "Ada"}` or nobody.

        `subject`, `issuer` and `tokenIdentifier` are made up where they are absent, the same for the same claims.
        """
        self._check_open()
        return Client(self, identity)

    # -- following -----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        function: Target,
        args: Mapping[str, Any] | None,
        callback: Callable[[Any], object],
        on_error: Callable[[Exception], object] | None = None,
    ) -> Subscription:
        """Call `callback(value)` now and whenever a commit changes the value, `on_error(error)` if the query raises.

        One that a notebook's cell makes ends when the cell runs again, or is deleted.
        """
        if self._blocked:
            self._refuse()
        return of_cell(self._reactor.subscribe(self._registry.find(function, "query"), args, callback, on_error))

    def watch(
        self,
        function: Target,
        args: Mapping[str, Any] | None = None,
        on_stale: Callable[[], object] = lambda: None,
        identity: Mapping[str, Any] | None = None,
    ) -> LiveQuery:
        """Run a query now, and again in each `refresh()` after a commit touched it, which `on_stale()` announces.

        It acts for `identity`, or for the deployment's owner.
        """
        if self._blocked:
            self._refuse()
        origin = ADMINISTRATOR if identity is None else Origin("user", to_identity(identity))
        return self._reactor.watch(self._registry.find(function, "query"), args, on_stale, origin)

    def refresh(self) -> list[LiveQuery]:
        """Run every stale watched query at one snapshot; return those whose value or error has changed."""
        if self._closed is not None:
            return []
        self._scheduling.step()
        return self._reactor.refresh()

    def settle(self) -> None:
        """Return when no invalidated query is left to run."""
        self._check_open()
        self._reactor.settle()


def _ad_hoc(function: Callable[[DatabaseWriter], T]) -> Callable[[Execution, DatabaseWriter], T]:
    if not callable(function):
        raise InvalidValueError(
            f"transact() takes a function of `db`, as in `lambda db: db.get(id)`, not {function!r}."
        )

    def body(_: Execution, db: DatabaseWriter) -> T:
        value = function(db)
        if inspect.iscoroutine(value):
            value.close()
            raise InvalidValueError("transact() takes a plain function: an `async` one would run after it has ended.")
        return value

    return body
