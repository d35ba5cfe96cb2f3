"""Migrations: a function run over every document of a table, batch after batch, in scheduled mutations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from convex_nb import (
    ConvexError,
    InvalidValueError,
    SchemaDefinitionError,
    components,
    create_function_handle,
    define_component,
    define_schema,
    define_table,
    internal_mutation,
    v,
)
from convex_nb.stock.custom_functions import check_plain
from convex_nb.stock.place import place

if TYPE_CHECKING:
    from convex_nb import ActionCtx, Document, MutationCtx, QueryCtx
    from convex_nb.functions.definition import Decorator, Function

Handler: TypeAlias = "Callable[[MutationCtx, Document], Mapping[str, Any] | None]"

_SHOWN = 10
_STATUS = v.object(
    {
        "state": v.union(*map(v.literal, ("running", "done", "failed", "canceled"))),
        "processed": v.number(),
        "error": v.union(v.null(), v.string()),
    }
)
_component = define_component(
    "migrations",
    define_schema(
        {
            "migrations": define_table(
                {
                    "function": v.string(),
                    "batch_size": v.number(),
                    "cursor": v.union(v.null(), v.string()),
                    "processed": v.number(),
                    "state": v.union(*map(v.literal, ("running", "done", "canceled"))),
                    "job": v.union(v.null(), v.id("_scheduled_functions")),
                }
            ).index("by_function", ["function"])
        }
    ),
)


class Status(TypedDict):
    """How far a migration is: how many documents it has seen, and the `error` that it failed with."""

    state: Literal["running", "done", "failed", "canceled"]
    processed: float
    error: str | None


class Sample(TypedDict):
    """What a first batch would do: the number of documents it sees, and the first ten that would change."""

    processed: int
    changed: int
    changes: list[dict[str, Any]]


class Migrations:
    """Defines migrations, starts them and says how far they are.

    Each batch is one transaction, of the documents and of the place where the next batch begins: what was interrupted
    goes on there, and no document is migrated twice.
    """

    definition: Final = _component
    """What to install: `dep.push(components=[Migrations.definition])`."""

    def __init__(
        self, component: Any = components.migrations, *, batch_size: int = 100, decorator: Decorator = internal_mutation
    ) -> None:
        """`decorator` makes mutations of batches: `triggers.internal_mutation` for those that fire triggers."""
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InvalidValueError(f"A batch is of one document or more, not of {batch_size!r}.", value=batch_size)
        self._component = place(component, "Migrations", components.migrations)
        self._batch_size = batch_size
        self._decorator = decorator

    def __repr__(self) -> str:
        return f"Migrations({self._component!r}, batch_size={self._batch_size})"

    def define(self, table: str, path: str | None = None) -> Callable[[Handler], Function]:
        """Make a migration of `handler(ctx, document)`, which returns fields to patch or `None`, and may write itself.

        Documents come in the order of their creation, those that are added meanwhile included.
        """
        if not isinstance(table, str):
            raise SchemaDefinitionError('A migration is of a table: `@migrations.define("tasks")`. It was not defined.')

        def make(handler: Handler) -> Function:
            check_plain(handler, "A migration")
            return self._decorator(path, args=_BATCH)(_batch(table, handler))

        return make

    def run(self, ctx: MutationCtx | ActionCtx, migration: Function | str, *, reset: bool = False) -> Status:
        """Start a migration, or have one that failed or was canceled go on. One that runs or is done stays as it is.

        `reset` begins with the first document again. Raises `FunctionNotFoundError`.
        """
        args = {"function": create_function_handle(migration), "batch_size": self._batch_size, "reset": reset}
        status: Status = ctx.run_mutation(self._component.run, args)
        return status

    def dry_run(self, ctx: MutationCtx | ActionCtx, migration: Function | str) -> Sample:
        """Run a first batch, tell what it does, and undo it."""
        handle = create_function_handle(migration)
        try:
            ctx.run_mutation(handle, cursor=None, batch_size=self._batch_size, dry_run=True)
        except ConvexError as error:
            if isinstance(error.data, dict) and error.data.get("kind") == "DryRun":
                sample: Sample = error.data["sample"]
                return sample
            raise
        raise InvalidValueError(f"{migration!r} is no migration: make it with `@migrations.define(table)`.")

    def status(self, ctx: QueryCtx | ActionCtx, migration: Function | str) -> Status | None:
        """How far it is; `None` if it was never started."""
        status: Status | None = ctx.run_query(self._component.status, function=create_function_handle(migration))
        return status

    def cancel(self, ctx: MutationCtx | ActionCtx, migration: Function | str) -> bool:
        """Stop after the batches that are done; whether it was running."""
        was_running: bool = ctx.run_mutation(self._component.cancel, function=create_function_handle(migration))
        return was_running


_BATCH = {"cursor": v.union(v.null(), v.string()), "batch_size": v.number(), "dry_run": v.boolean()}


def _batch(table: str, handler: Handler) -> Callable[..., Any]:
    def batch(ctx: MutationCtx, cursor: str | None, batch_size: float, dry_run: bool) -> dict[str, Any]:
        page = ctx.db.query(table).paginate(num_items=int(batch_size), cursor=cursor)
        changes = []
        for document in page["page"]:
            fields = handler(ctx, document)
            if fields is not None:
                ctx.db.patch(document["_id"], fields)
            if dry_run and (new := ctx.db.get(document["_id"])) != document:
                changes.append({"old": document, "new": new})
        if dry_run:
            sample = {"processed": len(page["page"]), "changed": len(changes), "changes": changes[:_SHOWN]}
            raise ConvexError({"kind": "DryRun", "sample": sample})
        return {"cursor": page["continueCursor"], "isDone": page["isDone"], "processed": len(page["page"])}

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(batch, name, getattr(handler, name))
    return batch


def _find(ctx: QueryCtx, function: str) -> Any:
    return ctx.db.query("migrations").with_index("by_function", function=function).unique()


def _status(ctx: QueryCtx, migration: Mapping[str, Any]) -> Status:
    state, error = migration["state"], None
    if state == "running":
        job = ctx.db.system.get(migration["job"])
        kind = "failed" if job is None else job["state"]["kind"]
        if kind in ("failed", "canceled"):
            state, error = kind, None if job is None else job["state"].get("error")
    return {"state": state, "processed": migration["processed"], "error": error}


@_component.mutation(returns=_STATUS)
def run(ctx: MutationCtx, function: str, batch_size: float, reset: bool) -> Status:
    found = _find(ctx, function)
    state = None if found is None else _status(ctx, found)["state"]
    if found is not None and state in ("running", "done") and not reset:
        return _status(ctx, found)
    if state == "running":
        ctx.scheduler.cancel(found["job"])
    processed = 0 if found is None or reset else found["processed"]
    fields = {
        "function": function,
        "batch_size": batch_size,
        "cursor": None if found is None or reset else found["cursor"],
        "processed": processed,
        "state": "running",
        "job": ctx.scheduler.run_after(0, step, function=function),
    }
    if found is None:
        ctx.db.insert("migrations", fields)
    else:
        ctx.db.replace(found["_id"], fields)
    return {"state": "running", "processed": processed, "error": None}


@_component.internal_mutation
def step(ctx: MutationCtx, function: str) -> None:
    found = _find(ctx, function)
    done = ctx.run_mutation(function, cursor=found["cursor"], batch_size=found["batch_size"], dry_run=False)
    ctx.db.patch(
        found["_id"],
        {
            "cursor": done["cursor"],
            "processed": found["processed"] + done["processed"],
            "state": "done" if done["isDone"] else "running",
            "job": None if done["isDone"] else ctx.scheduler.run_after(0, step, function=function),
        },
    )


@_component.mutation(returns=v.boolean())
def cancel(ctx: MutationCtx, function: str) -> bool:
    found = _find(ctx, function)
    if found is None or _status(ctx, found)["state"] != "running":
        return False
    ctx.scheduler.cancel(found["job"])
    ctx.db.patch(found["_id"], {"state": "canceled", "job": None})
    return True


@_component.query(returns=v.union(v.null(), _STATUS))
def status(ctx: QueryCtx, function: str) -> Status | None:
    found = _find(ctx, function)
    return None if found is None else _status(ctx, found)
