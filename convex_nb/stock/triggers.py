"""Triggers: functions that run inside a mutation, right after each document that it writes."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from convex_nb import (
    Document,
    Id,
    InvalidValueError,
    LimitError,
    internal_mutation,
    mutation,
)
from convex_nb.stock.custom_functions import check_plain, decorating

if TYPE_CHECKING:
    from convex_nb import MutationCtx

MAX_DEPTH: Final = 32
"""How many writes may follow from one another, each made by a trigger of the one before."""

_WHAT: Final = "A mutation that fires triggers"


@dataclass(frozen=True, slots=True)
class Change:
    """One write of one document: what it was before, and what it is after. `None` is where there is no document."""

    table: str
    kind: Literal["insert", "patch", "replace", "delete"]
    id: Id
    old: Document | None
    new: Document | None


Trigger: TypeAlias = "Callable[[MutationCtx, Change], object]"
T = TypeVar("T", bound=Trigger)


class Triggers:
    """Triggers by table, and the decorators of those mutations that fire them.

    `@triggers.on("messages")` adds one, `@triggers.mutation` and `@triggers.internal_mutation` take what `@mutation`
    takes. Nothing else fires: no plain mutation, no import, and nobody who edits a table.
    """

    def __init__(self) -> None:
        self._by_table: dict[str, dict[Hashable, Trigger]] = {}
        self.mutation = decorating(mutation, _WHAT, self._firing, "Make a mutation whose writes fire these triggers.")
        self.internal_mutation = decorating(
            internal_mutation, _WHAT, self._firing, "Make one that clients cannot call."
        )

    def __repr__(self) -> str:
        return f"Triggers(on {', '.join(self._by_table) or 'nothing'})"

    def on(self, *tables: str) -> Callable[[T], T]:
        """Run `handler(ctx, change)` after each write to these tables, in the order in which triggers were added.

        Its own writes fire triggers too, when all triggers of this change have run. If it raises, the mutation fails,
        even one that catches the error. A function that is defined anew takes the place of the one with its name.
        """
        if not tables or not all(isinstance(table, str) for table in tables):
            raise InvalidValueError('A trigger is on a table: `@triggers.on("messages")`. It was not added.')

        def add(handler: T) -> T:
            check_plain(handler, "A trigger")
            for table in tables:
                self._by_table.setdefault(table, {})[_identity(handler)] = handler
            return handler

        return add

    def _firing(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        def firing(ctx: MutationCtx, **args: Any) -> Any:
            db = _Database(ctx, self._by_table)
            result = handler(ctx, **args)
            if db.error is not None:
                raise db.error
            return result

        return firing


def _identity(handler: Trigger) -> Hashable:
    """What running a cell again keeps: the place of a function's name, if it has one of its own."""
    if inspect.isfunction(handler) and handler.__qualname__.isidentifier():
        return handler.__module__, handler.__qualname__
    return handler


class _Database:
    """A mutation's `db`, put in its place: it writes through to it, then fires.

    A trigger's own writes wait until all triggers of the change before have run, so that all see changes in the order
    in which they were made.
    """

    def __init__(self, ctx: MutationCtx, by_table: Mapping[str, Mapping[Hashable, Trigger]]) -> None:
        self.error: BaseException | None = None
        self._ctx = ctx
        self._inner = ctx.db
        self._by_table = by_table
        self._waiting: deque[tuple[int, Change]] = deque()
        self._depth = 0
        ctx.db = self  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self._inner!r} with triggers"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def insert(self, table: str, document: Mapping[str, Any]) -> Id:
        id = self._inner.insert(table, document)
        self._inserted(table, [id])
        return id

    def insert_many(self, table: str, documents: Any) -> list[Id]:
        ids = self._inner.insert_many(table, documents)
        self._inserted(table, ids)
        return ids

    def patch(self, *args: Any) -> None:
        self._written("patch", args[:-1], args)

    def replace(self, *args: Any) -> None:
        self._written("replace", args[:-1], args)

    def delete(self, *args: Any) -> None:
        self._written("delete", args, args)

    def _inserted(self, table: str, ids: Iterable[Id]) -> None:
        if table in self._by_table:
            self._fire(Change(table, "insert", id, None, self._inner.get(id)) for id in ids)

    def _written(self, kind: Literal["patch", "replace", "delete"], which: tuple[Any, ...], args: Any) -> None:
        write = getattr(self._inner, kind)
        id: Any = which[-1] if which else None
        table = next((each for each in self._by_table if self._inner.normalize_id(each, id)), None)
        if table is None:
            write(*args)
            return
        old = self._inner.get(id)
        write(*args)
        new = None if kind == "delete" else self._inner.get(id)
        self._fire([Change(table, kind, Id(id, table), old, new)])

    def _fire(self, changes: Iterable[Change]) -> None:
        self._waiting.extend((self._depth + 1, change) for change in changes)
        if self._depth:
            return
        try:
            for change in self._next_changes():
                for trigger in tuple(self._by_table[change.table].values()):
                    trigger(self._ctx, change)
        except BaseException as error:
            self.error = error
            self._waiting.clear()
            raise
        finally:
            self._depth = 0

    def _next_changes(self) -> Iterator[Change]:
        while self._waiting:
            self._depth, change = self._waiting.popleft()
            if self._depth > MAX_DEPTH:
                raise LimitError(
                    f'Triggers set off one another {MAX_DEPTH} times in a row, last by a {change.kind} in "'
                    f'{change.table}". Nothing was written: let a trigger write only where `change.old` and '
                    "`change.new` differ in what it looks at.",
                    kind="trigger depth",
                    limit=MAX_DEPTH,
                    used=self._depth,
                )
            yield change
