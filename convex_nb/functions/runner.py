"""One execution: check the arguments, begin, run the handler, check the result, commit; again on a conflict."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.committer import Conflict
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.functions.checks import check_arguments, check_result
from convex_nb.functions.components.boundary import crossing
from convex_nb.functions.contexts import ActionCtx, Calls, MutationCtx, QueryCtx, Service
from convex_nb.functions.definition import merge_arguments
from convex_nb.functions.execution import ENDED, Execution, running
from convex_nb.functions.hints import add_hint
from convex_nb.functions.logs.near_limits import NearLimits
from convex_nb.functions.origin import ADMINISTRATOR, Origin
from convex_nb.functions.tracebacks import message_of, strip
from convex_nb.language.errors import CommitInDoubtError, WriteConflictError

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.database import Database
    from convex_nb.engine.materialised import Materialised
    from convex_nb.engine.read_set import ReadSet
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.transaction import Transaction
    from convex_nb.functions.logs.execution_log import ExecutionLog, Line
    from convex_nb.functions.registry import Entry, Ran, Registry, Target

RETRIES: Final = 4
"""How often a mutation is run again before a conflict becomes an error."""
FIRST_DELAY: Final = 0.01
LONGEST_DELAY: Final = 2.0
NOTHING_WRITTEN: Final = "Nothing was written."


class Result:
    """What a query gave at one snapshot: `value`, or `error` if it is not `None`.

    `timestamp` and `catalog` are the snapshot's, which is not kept: it would keep its whole state of the database.
    `reads_clock` tells that it looked at the time, and so is true for this call only; `reads_identity` that it is true
    for whom it was asked. `ran` is the code that it rests on, besides the query's own: see `Registry.stands`. `lines`
    are what it printed; `journal` is where its page ended, for a run that is to end there again.
    """

    __slots__ = (
        "catalog",
        "duration_ms",
        "error",
        "journal",
        "lines",
        "ran",
        "read_set",
        "reads_clock",
        "reads_identity",
        "timestamp",
        "valid_until",
        "value",
    )

    def __init__(self, value: Any, error: Exception | None, read_set: ReadSet, snapshot: Snapshot) -> None:
        self.value = value
        self.error = error
        self.read_set = read_set
        self.catalog = snapshot.catalog
        self.timestamp = self.valid_until = snapshot.timestamp
        self.reads_clock = False
        self.reads_identity = False
        self.ran: list[Ran] | None = None
        self.lines: list[Line] | None = None
        self.journal: str | None = None
        self.duration_ms = 0.0


class Runner:
    """Runs registered functions and ad-hoc transactions on their caller's thread. Holds no lock while user code runs.

    `services` are what contexts offer beside the database, by name.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        log: ExecutionLog,
        *,
        services: Mapping[str, Service] | None = None,
        seed: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.database = database
        self.registry = registry
        self.log = log
        self.clock = database.clock
        self.services: Mapping[str, Service] = {} if services is None else services
        self._near = NearLimits(database.limits)
        self.retries = 0
        self._sleep = sleep
        self._random = random.Random(seed)

    def new_seed(self) -> int:
        """The seed of one call's randomness."""
        return self._random.getrandbits(64)

    # -- queries -------------------------------------------------------------------------------------------------

    def query(
        self,
        entry: Entry,
        arguments: dict[str, Any],
        snapshot: Snapshot | None = None,
        materialised: Materialised | None = None,
        origin: Origin = ADMINISTRATOR,
        journal: str | None = None,
    ) -> Result:
        """Run a query with checked arguments at a snapshot. What it raises is a part of the result.

        Interrupts are not: they end the caller as well. With the `journal` of an earlier run its page ends where that
        one's did.
        """
        started = perf_counter()
        transaction = self.database.begin(snapshot, writable=False, materialised=materialised)
        transaction.journal = journal
        execution = Execution(self, entry.path, "query", transaction, origin)
        execution.component = entry.component
        if entry.names is not None:
            execution.ran = [(None, entry.names, entry.names.current())]
        db = DatabaseReader(transaction, entry.namespace)
        token = running.set(execution)
        error: Exception | None = None
        value = None
        usage = transaction.usage
        entered = usage.start_clock()
        try:
            function = entry.function
            value = function.handler(QueryCtx(execution, db), **arguments)
            execution.handler_seconds = usage.enter() - entered
            value = check_result(function, entry.path, value, self.database)
        except Exception as raised:
            strip(raised)
            add_hint(raised)
            error = raised
        finally:
            running.reset(token)
            db._transaction = ENDED
            transaction.over = True
            if materialised is not None:
                materialised.turn()
        self._near.warn(execution)
        ended = perf_counter()
        self.log.ran(execution, started, ended, 0, error)
        result = Result(value, error, transaction.read_set, transaction.snapshot)
        result.reads_clock = execution.reads_clock
        result.reads_identity = execution.reads_identity
        result.ran = execution.ran
        result.lines = execution.lines
        result.journal = transaction.journal
        result.duration_ms = (ended - started) * 1e3
        return result

    # -- mutations -----------------------------------------------------------------------------------------------

    def mutation(self, entry: Entry, given: Mapping[str, Any] | None, origin: Origin = ADMINISTRATOR) -> Any:
        """Run a mutation and commit it. Raises what the handler raises, and `WriteConflictError`."""
        return self.transact(self.body_of(entry, given), entry.path, origin)

    def body_of(self, entry: Entry, given: Mapping[str, Any] | None) -> Callable[[Execution, DatabaseWriter], Any]:
        """What `transact` runs for a mutation."""
        path = entry.path

        def body(execution: Execution, db: DatabaseWriter) -> Any:
            function = entry.function
            # Checked in every attempt: the handler may have changed the containers that it got.
            arguments = check_arguments(function, path, given, self.database)
            assert execution.transaction is not None
            execution.component = entry.component
            db._namespace = entry.namespace
            usage = execution.transaction.usage
            entered = usage.start_clock()
            value = function.handler(MutationCtx(execution, db), **arguments)
            execution.handler_seconds = usage.enter() - entered
            return check_result(function, path, value, self.database)

        return body

    def transact(
        self, body: Callable[[Execution, DatabaseWriter], Any], path: str, origin: Origin = ADMINISTRATOR
    ) -> Any:
        """Run `body` in a transaction and commit it, again on a conflict; `path` names it to others."""
        started = perf_counter()
        database = self.database
        retries = 0
        transaction = database.begin()
        execution = Execution(self, path, "mutation", transaction, origin)
        while True:
            db = DatabaseWriter(transaction)
            token = running.set(execution)
            try:
                value = body(execution, db)
            except Exception as error:
                self._failed(execution, started, retries, error)
                raise
            finally:
                running.reset(token)
                db._transaction = ENDED
                transaction.over = True
            try:
                commit = database.commit(transaction, path)
            except Conflict as conflict:
                execution.conflict = conflict
                if retries == RETRIES:
                    failure = conflict_error(conflict, path)
                    self._failed(execution, started, retries, failure)
                    raise failure from None
                self._sleep(min(LONGEST_DELAY, FIRST_DELAY * 2**retries) * self._random.random())
                retries += 1
                self.retries += 1
                transaction = database.begin()
                execution.restart(transaction)
                continue
            except Exception as error:
                self._failed(execution, started, retries, error)
                raise
            if commit is not None:
                execution.committed_at = commit.timestamp
            self._near.warn(execution)
            self.log.ran(execution, started, perf_counter(), retries)
            return value

    def commit(self, transaction: Transaction, source: str) -> Commit | None:
        """Commit a transaction that cannot be run again. Raises `WriteConflictError`."""
        try:
            return self.database.commit(transaction, source)
        except Conflict as conflict:
            raise conflict_error(conflict, source) from None

    def _failed(self, execution: Execution, started: float, retries: int, error: Exception) -> None:
        strip(error)
        add_hint(error)
        is_known = not isinstance(error, CommitInDoubtError)
        if (
            is_known
            and NOTHING_WRITTEN not in message_of(error)
            and NOTHING_WRITTEN not in getattr(error, "__notes__", ())
        ):
            error.add_note(NOTHING_WRITTEN)
        self.log.ran(execution, started, perf_counter(), retries, error)

    # -- actions -------------------------------------------------------------------------------------------------

    def action(
        self,
        entry: Entry,
        given: Mapping[str, Any] | None,
        calls_of: Callable[[Execution], Calls],
        origin: Origin = ADMINISTRATOR,
    ) -> Any:
        """Run an action whose handler is a plain `def`, once. Raises what it raises."""
        arguments = check_arguments(entry.function, entry.path, given, self.database)
        with self.acting(entry.path, origin) as execution:
            execution.component = entry.component
            value = entry.function.handler(ActionCtx(execution, calls_of(execution)), **arguments)
            return check_result(entry.function, entry.path, value, self.database)

    async def action_async(
        self,
        entry: Entry,
        given: Mapping[str, Any] | None,
        calls_of: Callable[[Execution], Calls],
        origin: Origin = ADMINISTRATOR,
    ) -> Any:
        """Run an action whose handler is an `async def`, once, on the loop that it is awaited on."""
        arguments = check_arguments(entry.function, entry.path, given, self.database)
        with self.acting(entry.path, origin) as execution:
            execution.component = entry.component
            async with execution.timeout():
                value = await entry.function.handler(ActionCtx(execution, calls_of(execution)), **arguments)
            return check_result(entry.function, entry.path, value, self.database)

    @contextmanager
    def acting(self, path: str, origin: Origin) -> Iterator[Execution]:
        """The execution of an action that runs inside the block: `path` names it to the log."""
        started = perf_counter()
        execution = Execution(self, path, "action", None, origin)
        execution.deadline = started + self.database.limits.action_seconds
        token = running.set(execution)
        try:
            yield execution
        except Exception as error:
            strip(error)
            add_hint(error)
            ended = perf_counter()
            execution.handler_seconds = ended - started
            self.log.ran(execution, started, ended, 0, error)
            raise
        else:
            ended = perf_counter()
            execution.handler_seconds = ended - started
            self.log.ran(execution, started, ended, 0)
        finally:
            running.reset(token)

    # -- functions inside functions ------------------------------------------------------------------------------

    def nested_query(
        self, execution: Execution, target: Target, args: Mapping[str, Any] | None, kwargs: Mapping[str, Any]
    ) -> Any:
        """Run a query inside a running execution, over the same transaction."""
        entry = self.registry.find(target, "query", execution.component)
        assert execution.transaction is not None
        db = DatabaseReader(execution.transaction, entry.namespace)
        return self._nested(execution, entry, QueryCtx(execution, db), merge_arguments(entry.path, args, kwargs))

    def nested_mutation(
        self, execution: Execution, target: Target, args: Mapping[str, Any] | None, kwargs: Mapping[str, Any]
    ) -> Any:
        """Run a mutation inside a running one. If it raises, its writes are undone; its reads still count."""
        entry = self.registry.find(target, "mutation", execution.component)
        transaction = execution.transaction
        assert transaction is not None
        savepoint = transaction.savepoint()
        try:
            db = DatabaseWriter(transaction, entry.namespace)
            return self._nested(execution, entry, MutationCtx(execution, db), merge_arguments(entry.path, args, kwargs))
        except BaseException:
            transaction.rollback_to(savepoint)
            raise

    def _nested(self, execution: Execution, entry: Entry, ctx: QueryCtx, given: Mapping[str, Any] | None) -> Any:
        execution.enter(entry.path)
        if execution.kind == "query":
            if execution.ran is None:
                execution.ran = []
            ran = self.registry.ran(entry)
            if ran not in execution.ran:
                execution.ran.append(ran)
        caller, execution.component = execution.component, entry.component
        try:
            function = entry.function
            arguments = check_arguments(function, entry.path, crossing(entry, caller, given), self.database)
            value = check_result(function, entry.path, function.handler(ctx, **arguments), self.database)
            return crossing(entry, caller, value)
        finally:
            execution.component = caller
            execution.leave()
            ctx.db._transaction = ENDED


def conflict_error(conflict: Conflict, path: str) -> WriteConflictError:
    """The error of a mutation that gave up."""
    source = conflict.source if conflict.source != path else None
    return WriteConflictError(conflict.table, conflict.document_id, source)
