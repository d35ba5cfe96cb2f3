"""What handlers get as `ctx`."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from convex_nb.engine.namespaces import Namespace
from convex_nb.functions.components.boundary import not_inside
from convex_nb.functions.identity import Auth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
    from convex_nb.engine.search.vector_search import VectorFilterFunction, VectorMatches
    from convex_nb.functions.execution import Execution
    from convex_nb.functions.registry import Target
    from convex_nb.services.environment import Variables
    from convex_nb.services.files.storage import ActionStorage, StorageReader, StorageWriter
    from convex_nb.services.scheduling.scheduler import Scheduler

_HINTS = {
    "db": " An action reads and writes by `ctx.run_query` and `ctx.run_mutation`.",
    "run_mutation": " A query only reads; mutations and actions have it.",
    "scheduler": " A query only reads; mutations and actions schedule.",
    "vector_search": " Only actions have it. Here it is `ctx.db.vector_search`; for text, `with_search_index`.",
    "run_action": " Only actions have it: queries and mutations do nothing that could not be done again.",
}


class Service(Protocol):
    """Something that contexts offer beside the database. A later layer gives the runner its services by name."""

    def bind(self, execution: Execution, /) -> Any:
        """What `ctx.<name>` is for one execution; asked for at most once in each."""
        ...


class Calls(Protocol):
    """What an action calls functions through: each call is a transaction, or an action, of its own."""

    def query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any: ...
    def mutation(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any: ...
    def action(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any: ...
    async def action_async(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any: ...


# Every call makes a context, which need not go through the one that refuses what handlers set.
_put: Final = object.__setattr__


class Context:
    """What all contexts have: services by name, and a generator of random numbers."""

    __slots__ = ("_execution",)

    _withheld: ClassVar[frozenset[str]] = frozenset()
    """The services that this kind of function does not have."""
    env: Variables
    _execution: Execution

    def __init__(self, execution: Execution) -> None:
        _put(self, "_execution", execution)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._execution.path!r})"

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._execution.runner.services} - self._withheld)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            try:
                if name in self._withheld:
                    raise KeyError(name)
                return self._execution.service(name)
            except KeyError:
                hint = _HINTS.get(name, "")
                raise AttributeError(f"{type(self).__name__} has no {name!r}.{hint}", name=name, obj=self) from None

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                object.__setattr__(self, name, value)
            except AttributeError:
                raise AttributeError(
                    f"{type(self).__name__} takes no attributes: `ctx.{name}` was not set. Pass it on as an argument, "
                    "or let a custom function give it to handlers: `from convex_nb.stock import custom`.",
                    name=name,
                    obj=self,
                ) from None

    @property
    def auth(self) -> Auth:
        """Whom this call is for: `ctx.auth.get_user_identity()`. Not inside of a component: `ComponentError`."""
        if self._execution.component:
            raise not_inside(self._execution.component, "auth", "a user's id")
        return Auth(self._execution)

    @property
    def random(self) -> Random:
        """A generator of this call's own."""
        return self._execution.random


class QueryCtx(Context):
    """The context of a query: `db` reads one snapshot."""

    __slots__ = ("db",)

    _withheld = frozenset({"scheduler"})
    db: DatabaseReader

    def __init__(self, execution: Execution, db: DatabaseReader) -> None:
        _put(self, "_execution", execution)
        _put(self, "db", db)

    @property
    def storage(self) -> StorageReader:
        """The files: what is known of them."""
        found: StorageReader = self._execution.service("storage").query
        return found

    def now(self) -> float:
        """Milliseconds since the epoch at which this call began. The same in all of it."""
        self._execution.reads_clock = True
        return self._execution.now_ms

    def run_query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run another query in the same transaction: at the same snapshot, with the writes made so far."""
        return self._execution.runner.nested_query(self._execution, function, args, kwargs)


class MutationCtx(QueryCtx):
    """The context of a mutation: `db` reads and writes."""

    __slots__ = ()

    _withheld = frozenset()
    db: DatabaseWriter
    scheduler: Scheduler

    @property
    def storage(self) -> StorageWriter:
        """The files: upload URLs, and deleting as a part of the transaction."""
        found: StorageWriter = self._execution.service("storage").mutation
        return found

    def run_mutation(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run another mutation as a part of this one. If it raises, its own writes are undone, and only those."""
        return self._execution.runner.nested_mutation(self._execution, function, args, kwargs)


class ActionCtx(Context):
    """The context of an action: it has no `db`, and calls functions that have."""

    __slots__ = ("_calls",)

    scheduler: Scheduler

    def __init__(self, execution: Execution, calls: Calls) -> None:
        self._execution = execution
        self._calls = calls

    @property
    def storage(self) -> ActionStorage:
        """The files: storing and reading them."""
        found: ActionStorage = self._execution.service("storage").action
        return found

    def now(self) -> float:
        """Milliseconds since the epoch, now."""
        return self._execution.runner.clock.now_ns() / 1_000_000

    def run_query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a query, at the newest commit."""
        with self._execution.operation():
            return self._calls.query(function, args, **kwargs)

    def run_mutation(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a mutation. It is committed when this returns, whatever becomes of the action."""
        with self._execution.operation():
            return self._calls.mutation(function, args, **kwargs)

    def run_action(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run another action and wait for it."""
        with self._execution.operation():
            return self._calls.action(function, args, **kwargs)

    def vector_search(
        self,
        table: str,
        index: str,
        *,
        vector: Sequence[float],
        limit: int = 10,
        filter: VectorFilterFunction | None = None,
    ) -> VectorMatches:
        """The ids of the ``limit`` documents whose vectors are nearest to ``vector``, and their ``_score``, -1 to 1.

        As of the newest commit, nearest first, ties by id: `[{"_id": ..., "_score": ...}]`, which may be awaited.
        ``filter`` is `lambda q: q.eq(field, value)` or `q.or_(...)` of those. Raises `SearchError`.
        """
        from convex_nb.engine.search.vector_search import vector_search

        with self._execution.operation():
            database = self._execution.runner.database
            name = Namespace.of(self._execution.component).table(table)
            state = database.begin(writable=False).table_or_new(name)
            return vector_search(state, index, vector, limit, filter, database.limits)

    async def run_action_async(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run another action; several at once with `asyncio.gather`."""
        with self._execution.operation():
            return await self._calls.action_async(function, args, **kwargs)
