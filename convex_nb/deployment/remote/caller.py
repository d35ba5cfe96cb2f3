"""Calling functions for somebody who is not in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.deployment.asynchronous import run_coroutine
from convex_nb.deployment.remote.query_set import QuerySet
from convex_nb.deployment.remote.session_requests import Repeated, SessionRequest, find_answer, keep_answer
from convex_nb.deployment.remote.telling import Failure, failure, log_lines
from convex_nb.functions.checks import adapt_arguments, check_arguments
from convex_nb.functions.origin import Origin
from convex_nb.language.errors import FunctionNotFoundError

if TYPE_CHECKING:
    from convex_nb.deployment.acting import Acting
    from convex_nb.deployment.calling import Calling
    from convex_nb.engine.reading.reader import DatabaseWriter
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.execution import Execution
    from convex_nb.functions.live.shared_query import Outcome
    from convex_nb.functions.registry import Entry


class Answer(NamedTuple):
    """What became of a call: a value, or a failure; and what the function printed, as it is sent."""

    value: Any
    failure: Failure | None
    log_lines: list[str]
    timestamp: int
    """A moment at which everything that it did can be seen."""


class Caller:
    """Calls public functions for one identity or for nobody; as the administrator internal ones as well.

    Nothing is raised for what a function does: it is part of the answer. Safe for threads.
    """

    def __init__(self, deployment: Calling, origin: Origin, expires_ns: int | None = None) -> None:
        self._deployment = deployment
        self._expires_ns = expires_ns
        self.origin: Final = origin

    @property
    def has_expired(self) -> bool:
        """Whether the token that this caller came with is not good any more."""
        return self._expires_ns is not None and self._deployment._database.clock.now_ns() >= self._expires_ns

    def kind_of(self, path: str) -> Kind:
        """What kind of function this is; a query if there is none, which then says so."""
        try:
            return self._deployment._registry.resolve(path).function.kind
        except FunctionNotFoundError:
            return "query"

    def query(self, path: str, args: Mapping[str, Any], timestamp: int | None = None) -> Answer:
        """Run a query, at the newest commit or at an earlier one. Raises `HistoryError` where that is not kept."""
        deployment = self._deployment
        database = deployment._database
        snapshot = database.head if timestamp is None else database.at(timestamp)
        try:
            entry = self._find(path, "query")
            given = adapt_arguments(entry.function, args)
            arguments = check_arguments(entry.function, entry.path, given, database)
        except Exception as error:
            return self._failed(error, "query", path, None)
        result = deployment._cache.fetch(entry, arguments, snapshot, None, self.origin)
        if result.error is not None:
            return self._failed(result.error, "query", entry.path, result.lines)
        return Answer(result.value, None, log_lines(result.lines, deployment._mode), snapshot.timestamp)

    def mutation(
        self,
        path: str,
        args: Mapping[str, Any],
        request: SessionRequest | None = None,
        committing: Callable[[bool], None] = lambda _: None,
        queue_length: int = 1,
    ) -> Answer:
        """Run a mutation, or find out that this `request` was answered already.

        `committing(True)` is called when its handler has returned and others may see its effect any time from then on,
        `committing(False)` when it has to run again.
        """
        deployment = self._deployment
        executions: list[Execution] = []
        try:
            entry = self._find(path, "mutation")
            handler = deployment._runner.body_of(entry, adapt_arguments(entry.function, args))

            def body(execution: Execution, db: DatabaseWriter) -> Any:
                committing(False)
                executions.append(execution)
                transaction = execution.transaction
                assert transaction is not None
                known = None if request is None else find_answer(transaction, request)
                if known is not None:
                    return known
                value = handler(execution, db)
                if request is not None:
                    keep_answer(transaction, request, value)
                committing(True)
                return value

            origin = Origin(self.origin.caller, self.origin.identity, queue_length=queue_length)
            value = deployment._runner.transact(body, entry.path, origin)
        except Exception as error:
            return self._failed(error, "mutation", path, executions[-1].lines if executions else None)
        execution = executions[-1]
        timestamp = execution.committed_at or deployment._database.head.timestamp
        if isinstance(value, Repeated):
            value = value.value
        return Answer(value, None, log_lines(execution.lines, deployment._mode), timestamp)

    def after_mutation(self) -> None:
        """Let everybody in this process see it. Others are told by whoever runs the queries that they follow."""
        self._deployment._after_commit()

    def action(self, path: str, args: Mapping[str, Any]) -> Answer:
        """Run an action, once, an `async def` on a loop of its own."""
        deployment = self._deployment
        executions: list[Execution] = []

        def inside(execution: Execution) -> Acting:
            executions.append(execution)
            return deployment._inside(execution)

        try:
            entry = self._find(path, "action")
            given = adapt_arguments(entry.function, args)
            run = deployment._runner.action_async if entry.function.is_async else deployment._runner.action
            value = run(entry, given, inside, self.origin)
            if entry.function.is_async:
                value = run_coroutine(value)
        except Exception as error:
            return self._failed(error, "action", path, executions[-1].lines if executions else None)
        lines = log_lines(executions[-1].lines, deployment._mode)
        return Answer(value, None, lines, deployment._database.head.timestamp)

    def follow(self, on_move: Callable[[], object]) -> QuerySet:
        """A set of queries that are followed for this caller, empty as yet."""
        return QuerySet(self._deployment, self.origin, on_move)

    def told(self, error: Exception) -> Failure:
        """What is sent of the error of a followed query."""
        return failure(error, "query", "", self._deployment._log, self._deployment._mode)

    def printed(self, outcome: Outcome) -> list[str]:
        """What the run of a followed query printed, as it is sent."""
        return log_lines(outcome.lines, self._deployment._mode)

    def _find(self, path: str, kind: Kind) -> Entry:
        deployment = self._deployment
        if deployment._blocked:
            deployment._refuse()
        if self.origin.caller == "admin":
            return deployment._registry.find(path, kind)
        return deployment._registry.find_public(path, kind)

    def _failed(self, error: Exception, kind: Kind, path: str, lines: Any) -> Answer:
        deployment = self._deployment
        told = failure(error, kind, path, deployment._log, deployment._mode)
        return Answer(None, told, log_lines(lines, deployment._mode), deployment._database.head.timestamp)
