"""The one object that users hold: it opens, wires, calls, watches, imports and closes."""

from __future__ import annotations

import inspect
import os
import weakref
from collections.abc import Callable, Mapping
from html import escape
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from convex_nb.deployment.asynchronous import run_beside, run_coroutine
from convex_nb.deployment.block import SOURCE, TransactionBlock
from convex_nb.deployment.loading import functions_of
from convex_nb.deployment.past import Past, When, timestamp_of
from convex_nb.deployment.place import Durability, save_place
from convex_nb.deployment.statistics import DeploymentStatistics
from convex_nb.deployment.tables import Table, Tables
from convex_nb.deployment.worker import HAS_THREADS, Worker
from convex_nb.functions import output
from convex_nb.functions.cache import QueryCache
from convex_nb.functions.checks import check_arguments
from convex_nb.functions.definition import Function, merge_arguments
from convex_nb.functions.execution_log import ExecutionLog
from convex_nb.functions.host import get_host, set_host
from convex_nb.functions.reactor import Reactor
from convex_nb.functions.registry import Registry, Target
from convex_nb.functions.runner import Runner
from convex_nb.language.errors import (
    DeploymentClosedError,
    DeploymentPausedError,
    InvalidValueError,
    SchemaDefinitionError,
    describe,
)
from convex_nb.language.limits import Limits
from convex_nb.language.schema import SchemaDefinition
from convex_nb.language.values import copy_value

if TYPE_CHECKING:
    from convex_nb.deployment.importing import Mode, Nulls, Progress
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.database import Database
    from convex_nb.engine.reader import DatabaseWriter
    from convex_nb.engine.sql_result import SqlResult
    from convex_nb.engine.transaction import Transaction
    from convex_nb.functions.execution import Execution
    from convex_nb.functions.live_query import LiveQuery, Subscription

T = TypeVar("T")

_SLICE_MS = 20.0
_open: weakref.WeakSet[Deployment] = weakref.WeakSet()


class Deployment:
    """Tables, functions, and everything that follows them, in this process. `open()` makes one.

    It calls public and internal functions alike. All methods may be called from any thread.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._registry = Registry()
        self._log = ExecutionLog()
        self._runner = Runner(self._database, self._registry, self._log)
        self._cache = QueryCache(self._runner)
        self._reactor = Reactor(self._database, self._registry, self._cache)
        self._worker = Worker(self) if HAS_THREADS else None
        if self._worker is not None:
            wake = self._worker.wake
            self._database.on_commit.append(lambda _: wake())
            self._reactor.hand_over = wake
        self._closed: str | None = None
        self._blocked = False
        output.capture()
        self._release = weakref.finalize(self, _release, self._worker, self._reactor, self._database)
        _open.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._closed is not None:
            return f"<Deployment in {self._where()}: closed>"
        tables = Tables(lambda: self._database.head)
        documents = sum([len(table) for table in tables.values()])
        state = ", paused" if self._reactor.paused else ""
        return (
            f"<Deployment in {self._where()}{state}: {len(tables)} tables with {documents:,} documents, "
            f"{len(self.functions)} functions>"
        )

    def _where(self) -> str:
        return "memory" if self.path is None else self.path.name

    def _repr_html_(self) -> str:
        tables = self.tables.values() if self._closed is None else ()
        rows = "".join([f"<tr><td>{escape(table.name)}</td><td>{table.count():,}</td></tr>" for table in tables])
        head = "<tr><th>table</th><th>documents</th></tr>" if rows else ""
        return f"<p>{escape(repr(self).strip('<>'))}</p>" + (f"<table>{head}{rows}</table>" if rows else "")

    # -- what there is -------------------------------------------------------------------------------------------

    @property
    def tables(self) -> Tables:
        """The tables, by name."""
        return Tables(self._head)

    @property
    def functions(self) -> Mapping[str, Function]:
        """The registered functions, by path."""
        return self._registry.functions

    @property
    def schema(self) -> SchemaDefinition | None:
        """The schema that was pushed last."""
        return self._database.head.schema

    @property
    def logs(self) -> ExecutionLog:
        """What functions printed, the newest lines; `.executions` are the newest calls."""
        return self._log

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._database.limits

    @property
    def path(self) -> Path | None:
        """The file that it lives in, or `None` in memory."""
        return self._database.log.path

    @property
    def timestamp(self) -> int:
        """The newest commit: nanoseconds since the epoch, strictly increasing."""
        return self._database.head.timestamp

    @property
    def on_commit(self) -> list[Callable[[Commit], None]]:
        """Called with each commit once it is published, on the committing thread: only mark, run later."""
        return self._database.on_commit

    def table(self, name: str) -> Table:
        """A whole table: `.df()`, `.arrow()`, `.count()`. One that does not exist yet is empty."""
        return Table(name, self._head)

    # -- definitions ---------------------------------------------------------------------------------------------

    def push(self, schema: SchemaDefinition) -> None:
        """Put a schema in force. The same again changes nothing.

        Raises `SchemaValidationError` naming a stored document that does not fit; nothing changes then.
        """
        self._check_open()
        if not isinstance(schema, SchemaDefinition):
            raise SchemaDefinitionError(f"push() takes `define_schema({{...}})`, not {describe(schema, 80)}.")
        if self._database.push_schema(schema):
            # What a query may ask of a table has changed, so even those that fail now may succeed.
            self._reactor.invalidate()
            self._after_commit()

    def register(self, *functions: Function, module: str | None = None) -> frozenset[str]:
        """Register functions, all or none; return the paths whose code is new.

        A function without a path of its own becomes `module:name`, or `name`. Live queries move to new code at once.
        """
        self._check_open()
        return self._registry.register(functions, module)

    def unregister(self, *paths: str) -> frozenset[str]:
        """Forget functions; return the paths that were there."""
        self._check_open()
        return self._registry.remove(paths)

    def load(self, name: str) -> frozenset[str]:
        """Register the functions of a module, a package or a folder; return the paths whose code is new.

        Paths are relative to it: `sub/mod:fn`. What it no longer defines stays registered.
        """
        self._check_open()
        return self._registry.register_modules(functions_of(name))

    def adopt(self, function: Function, /) -> None:
        """Register a function that was defined while this deployment is the current one."""
        if self._closed is None:
            self._registry.adopt(function)

    # -- calls ---------------------------------------------------------------------------------------------------

    def query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a query at the newest commit, or answer it from the cache. Raises what it raises."""
        if self._blocked:
            self._refuse()
        entry = self._registry.find(function, "query")
        given = merge_arguments(entry.path, args, kwargs)
        arguments = check_arguments(entry.function, entry.path, given, self._database)
        result = self._cache.fetch(entry, arguments, self._database.head)
        if result.error is not None:
            raise result.error
        return copy_value(result.value)

    def mutation(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a mutation and commit it, again on a conflict. Raises what it raises; nothing is written then."""
        if self._blocked:
            self._refuse()
        entry = self._registry.find(function, "mutation")
        value = self._runner.mutation(entry, merge_arguments(entry.path, args, kwargs))
        self._after_commit()
        return value

    def action(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once, and wait for it; an `async def` on a loop of its own. Raises what it raises."""
        if self._blocked:
            self._refuse()
        entry = self._registry.find(function, "action")
        given = merge_arguments(entry.path, args, kwargs)
        if entry.function.is_async:
            return run_coroutine(self._runner.action_async(entry, given, self))
        return self._runner.action(entry, given, self)

    async def action_async(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once: an `async def` on this loop, a plain one on a thread. Raises what it raises."""
        if self._blocked:
            self._refuse()
        entry = self._registry.find(function, "action")
        given = merge_arguments(entry.path, args, kwargs)
        if entry.function.is_async:
            return await self._runner.action_async(entry, given, self)
        return await run_beside(self._runner.action, entry, given, self)

    def run(self, function: Function, args: Mapping[str, Any] | None = None, /) -> Any:
        """Run a function of any kind."""
        if function.kind == "query":
            return self.query(function, args)
        return self.mutation(function, args) if function.kind == "mutation" else self.action(function, args)

    def transact(self, function: Callable[[DatabaseWriter], T], /) -> T:
        """Run `function(db)` as a mutation: committed when it returns, run again on a conflict. Returns its value."""
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
        self._runner.commit(transaction, SOURCE)
        self._after_commit()

    # -- following -----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        function: Target,
        args: Mapping[str, Any] | None,
        callback: Callable[[Any], object],
        on_error: Callable[[Exception], object] | None = None,
    ) -> Subscription:
        """Call `callback(value)` now and whenever a commit changes the value, `on_error(error)` if the query raises."""
        if self._blocked:
            self._refuse()
        return self._reactor.subscribe(self._registry.find(function, "query"), args, callback, on_error)

    def watch(
        self, function: Target, args: Mapping[str, Any] | None = None, on_stale: Callable[[], object] = lambda: None
    ) -> LiveQuery:
        """Run a query now, and again in each `refresh()` after a commit touched it, which `on_stale()` announces."""
        if self._blocked:
            self._refuse()
        return self._reactor.watch(self._registry.find(function, "query"), args, on_stale)

    def refresh(self) -> list[LiveQuery]:
        """Run every stale watched query at one snapshot; return those whose value or error has changed."""
        return [] if self._closed is not None else self._reactor.refresh()

    def settle(self) -> None:
        """Return when no invalidated query is left to run."""
        self._check_open()
        self._reactor.settle()

    def at(self, when: When) -> Past:
        """The deployment as it was: at a commit timestamp, at a datetime (UTC if it has no zone), or so long ago.

        Raises `LookupError` for a time before what is kept.
        """
        self._check_open()
        return Past(self._runner, self._database.at(timestamp_of(when, self._database.clock.now_ns())))

    # -- data ----------------------------------------------------------------------------------------------------

    def sql(self, sql: str, parameters: Mapping[str, Any] | None = None, /, **given: Any) -> SqlResult:
        """Run one SELECT of DuckDB's SQL over the tables as of the newest commit; it can reach nothing else.

        `$name` in it stands for a value given by name; a DataFrame or Arrow table given by name can be read from. The
        result has `.df()`, `.arrow()` and `.rows()`. Raises `SqlError`, for whatever would write as well.
        """
        from convex_nb.deployment.sql import run_sql

        return run_sql(self._head(), sql, {**(parameters or {}), **given})

    def import_table(
        self,
        table: str,
        data: Any,
        mode: Mode = "append",
        *,
        nulls: Nulls = "missing",
        progress: Progress | None = None,
    ) -> Table:
        """Import a DataFrame, an Arrow table, or a CSV or Parquet file, as one commit: all rows, or none.

        An Arrow null is a missing field, or null with `nulls="null"`. `mode="replace"` puts the rows in place of the
        table's documents. `progress(done, total)` is called on the way. Raises `SchemaValidationError` and
        `InvalidValueError` with the first ten offending rows. Costs about a microsecond a row and index.
        """
        from convex_nb.deployment.importing import as_arrow, import_rows

        self._check_open()
        for name, given, known in (("mode", mode, ("append", "replace")), ("nulls", nulls, ("missing", "null"))):
            if given not in known:
                raise InvalidValueError(f"{name} is {' or '.join(map(repr, known))}, not {given!r}.", value=given)
        target = Table(table, self._head)
        import_rows(self._database, table, as_arrow(data), mode, nulls, progress)
        self._after_commit()
        return target

    # -- life ----------------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str], *, durability: Durability = "full") -> None:
        """Write everything to a new file and live there from now on; functions, views and subscriptions stay.

        The file has this name once it is complete. Raises `StorageExistsError`, `StorageError` and
        `DeploymentLockedError`; nothing changes then. A file that it lived in before is closed, and stays as it was.
        """
        self._check_open()
        save_place(self._database, path, durability)

    def pause(self) -> None:
        """Refuse every call of a function, and hold live queries still, until `resume()`."""
        self._check_open()
        self._reactor.paused = self._blocked = True

    def resume(self) -> None:
        """Take calls again; live queries catch up."""
        self._check_open()
        self._reactor.paused = self._blocked = False
        self._reactor.flush()

    def statistics(self) -> DeploymentStatistics:
        """Figures of every part. Costs O(tables + live queries)."""
        return DeploymentStatistics(
            self._database.statistics(),
            self._cache.statistics(),
            self._reactor.statistics(),
            len(self.functions),
            self._runner.retries,
        )

    def check(self) -> None:
        """Verify every invariant; raises `AssertionError` with what is wrong. Reads everything."""
        self._database.check()
        self._cache.check()
        self._reactor.check()

    def work(self) -> bool:
        """Do a slice of the background work that is due; whether more is."""
        if self._reactor.handed_over:
            self._reactor.flush()
        return self._closed is None and self._database.maintain(_SLICE_MS)

    def close(self) -> None:
        """End it: subscriptions close, and every later call raises `DeploymentClosedError`. Twice is fine."""
        if self._closed is None:
            self._closed = "it was closed"
            self._blocked = True
            if get_host() is self:
                set_host(None)
            self._release()

    def _head(self) -> Any:
        self._check_open()
        return self._database.head

    def _after_commit(self) -> None:
        self._reactor.flush()
        if self._worker is None:
            self._database.maintain(1)

    def _check_open(self) -> None:
        if self._closed is not None:
            raise DeploymentClosedError(f"This deployment cannot be used: {self._closed}. Open another one.")

    def _refuse(self) -> None:
        self._check_open()
        raise DeploymentPausedError("The deployment is paused: the function did not run. Call `resume()` first.")


def _ad_hoc(function: Callable[[DatabaseWriter], T]) -> Callable[[Execution, DatabaseWriter], T]:
    def body(_: Execution, db: DatabaseWriter) -> T:
        value = function(db)
        if inspect.iscoroutine(value):
            value.close()
            raise InvalidValueError("transact() takes a plain function: an `async` one would run after it has ended.")
        return value

    return body


def _release(worker: Worker | None, reactor: Reactor, database: Database) -> None:
    output.release()
    if worker is not None:
        worker.stop()
    reactor.close()
    database.close()


def _forked() -> None:
    """A child has its parent's memory but not its threads, and may have its locks held for ever."""
    for deployment in list(_open):
        deployment._closed = "it belongs to the process that this one was forked from"
        deployment._blocked = True
        deployment._release.detach()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
