"""The component of work pools: functions of others, run by scheduled jobs of its own until they are over.

A work is `scheduled` until it is due, `waiting` while its pool is full, `running`, and then `over`; one that failed and
is tried again is `scheduled` once more. What a mutation writes, and that it has run, are one commit. An action's job
says that it has begun before it does, so that no attempt happens twice; what ends without a word is found by a watch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final

from convex_nb import (
    ConvexError,
    FunctionNotFoundError,
    InvalidValueError,
    LimitError,
    create_function_handle,
    define_component,
    define_schema,
    define_table,
    v,
)
from convex_nb.stock.retries import RETRY, backoff

if TYPE_CHECKING:
    from convex_nb import ActionCtx, Document, MutationCtx, QueryCtx
    from convex_nb.functions.components.component import Component
    from convex_nb.functions.definition import Function

WATCHED_MS: Final = 600_000
"""After so long it is looked, at the latest, whether an attempt is still at it."""
ABSENT_MS: Final = 5_000
"""How long until the next look for a function that is not defined, as after a restart; then twice as long."""
_LONGEST_ABSENCE_MS: Final = 60_000
KEPT_MS: Final = 7 * 86_400_000
"""How long a work can be looked at once it is over."""
_SWEPT: Final = 10
"""How many of those that are too old go when another begins: more than one, so that they become fewer."""

_PACKAGE: Final = str(Path(__file__).parent.parent) + "/"
_NULL_OR_STRING = v.union(v.null(), v.string())
_NULL_OR_NUMBER = v.union(v.null(), v.number())
_NULL_OR_JOB = v.union(v.null(), v.id("_scheduled_functions"))
KIND = v.union(v.literal("mutation"), v.literal("action"))
OUTCOME = v.union(
    v.object({"kind": v.literal("success"), "result": v.any()}),
    v.object({"kind": v.literal("failed"), "error": v.string()}),
    v.object({"kind": v.literal("canceled")}),
)
_ORDER = {
    "pool": v.string(),
    "kind": KIND,
    "function": v.string(),
    "args": v.any(),
    "retry": v.union(v.null(), RETRY),
    "parallelism": _NULL_OR_NUMBER,
    "on_complete": _NULL_OR_STRING,
    "context": v.any(),
}
_STATUS = v.object(
    {
        "state": v.union(*map(v.literal, ("pending", "running", "success", "failed", "canceled"))),
        "failures": v.number(),
        "result": v.any(),
        "error": _NULL_OR_STRING,
    }
)
component = define_component(
    "workpool",
    define_schema(
        {
            "works": define_table(
                {
                    **_ORDER,
                    "phase": v.union(*map(v.literal, ("scheduled", "waiting", "running", "over"))),
                    "due": v.number(),
                    "job": _NULL_OR_JOB,
                    "watch": _NULL_OR_JOB,
                    "attempts": v.number(),
                    "failures": v.number(),
                    "error": _NULL_OR_STRING,
                    "outcome": v.union(v.null(), OUTCOME),
                    "completed": _NULL_OR_NUMBER,
                }
            )
            .index("by_phase", ["pool", "phase", "due"])
            .index("by_completed", ["completed"])
        }
    ),
)


@component.mutation(args={**_ORDER, "delay": v.number(), "at": _NULL_OR_NUMBER}, returns=v.string())
def enqueue(ctx: MutationCtx, delay: float, at: float | None, **order: Any) -> str:
    due = ctx.now() + delay if at is None else at
    fresh = {"phase": "scheduled", "due": due, "attempts": 0, "failures": 0}
    nothing = dict.fromkeys(("job", "watch", "error", "outcome", "completed"))
    id = ctx.db.insert("works", {**order, **fresh, **nothing})
    # Nothing that others write is read here: whoever enqueues meets nobody.
    ctx.db.patch(id, {"job": ctx.scheduler.run_at(due, begin, id=id)})
    return id


@component.query(args={"id": v.id("works")}, returns=v.union(v.null(), _STATUS))
def status(ctx: QueryCtx, id: str) -> Any:
    work = ctx.db.get(id)
    if work is None:
        return None
    outcome = work["outcome"] or {"kind": "running" if work["phase"] == "running" else "pending"}
    return {
        "state": outcome["kind"],
        "failures": work["failures"],
        "result": outcome.get("result"),
        "error": work["error"],
    }


@component.mutation(args={"id": v.id("works")}, returns=v.boolean())
def cancel(ctx: MutationCtx, id: str) -> bool:
    work = ctx.db.get(id)
    if work is None or work["outcome"] is not None:
        return False
    _cancel(ctx, work)
    return True


@component.mutation(returns=v.number())
def cancel_all(ctx: MutationCtx, pool: str) -> int:
    phases = [
        ctx.db.query("works").with_index("by_phase", pool=pool, phase=phase).collect()
        for phase in ("scheduled", "waiting", "running")
    ]
    works = [work for each in phases for work in each if work["outcome"] is None]
    for work in works:
        _cancel(ctx, work)
    return len(works)


@component.mutation(args={"id": v.id("works")}, returns=v.boolean())
def forget(ctx: MutationCtx, id: str) -> bool:
    work = ctx.db.get(id)
    if work is None or work["phase"] != "over":
        return False
    ctx.db.delete(id)
    return True


def missing(handle: str) -> str | None:
    """The path of a function that is not defined, or no more; `None` if it is."""
    try:
        create_function_handle(handle)
    except FunctionNotFoundError as error:
        return error.path
    return None


def longer(wait: float) -> float:
    """How long to wait for what is still not defined."""
    return min(2 * wait, _LONGEST_ABSENCE_MS)


def said(error: BaseException) -> str:
    """An error as it is kept; one that is not the application's own with the line that it comes from."""
    lines = [
        f" ({frame.f_code.co_name}, line {line})"
        for frame, line in walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(_PACKAGE)
    ]
    where = lines[-1] if lines and not isinstance(error, ConvexError) else ""
    return f"{type(error).__name__}: {error}"[:2000] + where


def telling(component: Component) -> Function:
    """Make the function of a component that has mutations told of an end: once, as soon as they are defined."""

    @component.internal_mutation
    def tell(
        ctx: MutationCtx,
        on_complete: str | None,
        args: Any,
        until: float,
        wait: float = ABSENT_MS,
        job: str | None = None,
    ) -> None:
        if on_complete is None:
            return
        if missing(on_complete) is None:
            _after(ctx, job, on_complete, args)
        elif ctx.now() < until:
            again = {"on_complete": on_complete, "args": args, "until": until, "wait": longer(wait), "job": job}
            ctx.scheduler.run_after(wait, tell, again)

    return tell


tell: Final = telling(component)


# -- how a work goes on, each a job of its own -------------------------------------------------------------------


@component.internal_mutation
def begin(ctx: MutationCtx, id: str, wait: float = ABSENT_MS) -> None:
    """It is due."""
    work = ctx.db.get(id)
    if work is None or work["phase"] != "scheduled":
        return
    _sweep(ctx)
    absent = missing(work["function"])
    if absent is not None:
        _await(ctx, work, absent, wait)
    elif work["parallelism"] is None:
        _start(ctx, work)
    else:
        ctx.db.patch(id, {"phase": "waiting", "job": None})
        fill.handler(ctx, work["pool"])


@component.internal_mutation
def fill(ctx: MutationCtx, pool: str) -> None:
    """Start those that have waited longest, as long as there is room."""

    def those(phase: str) -> Any:
        return ctx.db.query("works").with_index("by_phase", pool=pool, phase=phase)

    running = those("running").count()
    while (work := those("waiting").first()) is not None and running < work["parallelism"]:
        _start(ctx, work)
        running += 1


@component.internal_mutation
def mutate(ctx: MutationCtx, id: str, attempt: float) -> None:
    """An attempt at a mutation."""
    work = _current(ctx, id, attempt)
    if work is None:
        return
    if missing(work["function"]) is not None:
        put_back.handler(ctx, id, attempt)
        return
    ctx.scheduler.cancel(work["watch"])
    try:
        ctx.run_mutation(mutate_and_keep, id=id)
    except Exception as error:
        # It is caught here, and is no failure of this function: the log has to be told.
        print(f"{work['function'].removeprefix('function://')}: {said(error)}")
        _settle(ctx, work, _failed(error))


@component.internal_mutation
def mutate_and_keep(ctx: MutationCtx, id: str) -> None:
    """What it writes, and that it has: all of it, or nothing."""
    work = ctx.db.get(id)
    assert work is not None
    # One that was canceled before it began only gives its place back.
    result = ctx.run_mutation(work["function"], work["args"]) if work["outcome"] is None else None
    _settle(ctx, work, {"kind": "success", "result": result})


@component.internal_action
def act(ctx: ActionCtx, id: str, attempt: float) -> None:
    """An attempt at an action."""
    work = ctx.run_query(current, id=id, attempt=attempt)
    if work is None:
        return
    if missing(work["function"]) is not None:
        ctx.run_mutation(put_back, id=id, attempt=attempt)
        return
    outcome: dict[str, Any] = {"kind": "canceled"}
    if work["outcome"] is None:
        try:
            outcome = {"kind": "success", "result": ctx.run_action(work["function"], work["args"])}
        except Exception as error:
            outcome = _failed(error)
    try:
        ctx.run_mutation(settle, id=id, attempt=attempt, outcome=outcome, is_final=False)
    except (InvalidValueError, LimitError) as error:
        # It did what it does; doing it again would not make its result any smaller.
        outcome = {"kind": "failed", "error": f"It ran, but its result could not be kept. {said(error)}"[:2000]}
        ctx.run_mutation(settle, id=id, attempt=attempt, outcome=outcome, is_final=True)


@component.internal_query
def current(ctx: QueryCtx, id: str, attempt: float) -> Any:
    return _current(ctx, id, attempt)


@component.internal_mutation
def settle(ctx: MutationCtx, id: str, attempt: float, outcome: Any, is_final: bool) -> None:
    """An action has ended."""
    work = _current(ctx, id, attempt)
    # What a canceled job schedules does not run: that one is left to the watch.
    if work is not None and _state_of_job(ctx, work)["kind"] != "canceled":
        ctx.scheduler.cancel(work["watch"])
        _settle(ctx, work, outcome, is_final=is_final)


@component.internal_mutation
def put_back(ctx: MutationCtx, id: str, attempt: float) -> None:
    """An attempt of a former process has its turn in this one, in which its function is not defined yet."""
    work = _current(ctx, id, attempt)
    if work is None:
        return
    ctx.scheduler.cancel(work["watch"])
    if work["outcome"] is None:
        # It may have been defined since the attempt looked: then the next one finds it.
        _await(ctx, work, work["function"].removeprefix("function://"), ABSENT_MS)
        _give_place(ctx, work)
    else:
        _settle(ctx, work, work["outcome"])


@component.internal_mutation
def watch(ctx: MutationCtx, id: str, attempt: float) -> None:
    """An attempt's job is over, or takes long. One whose process was killed has told nobody else."""
    work = _current(ctx, id, attempt)
    if work is None:
        return
    state = _state_of_job(ctx, work)
    if state["kind"] in ("pending", "inProgress"):
        ctx.db.patch(id, {"watch": _watch(ctx, work["job"], {"id": id, "attempt": attempt})})
    elif state["kind"] == "canceled":
        _settle(ctx, work, {"kind": "canceled"})
    else:
        _settle(ctx, work, {"kind": "failed", "error": state.get("error", "It ended, and its job is not known.")})


def _current(ctx: QueryCtx, id: str, attempt: float) -> Document | None:
    work = ctx.db.get(id)
    return work if work is not None and work["phase"] == "running" and work["attempts"] == attempt else None


def _start(ctx: MutationCtx, work: Document) -> None:
    which = {"id": work["_id"], "attempt": work["attempts"] + 1}
    job = ctx.scheduler.run_after(0, act if work["kind"] == "action" else mutate, which)
    watching = _watch(ctx, job, which)
    ctx.db.patch(
        work["_id"], {"phase": "running", "job": job, "watch": watching, "attempts": which["attempt"], "error": None}
    )


def _watch(ctx: MutationCtx, job: str, which: Mapping[str, Any]) -> str:
    # Not only when it is over: a job that is canceled while it runs, and then killed, is over without an end.
    return ctx.scheduler.run_when_over(job, WATCHED_MS, watch, which)


def _settle(ctx: MutationCtx, work: Document, outcome: Mapping[str, Any], *, is_final: bool = False) -> None:
    """An attempt is over: so is the work, unless it is tried again."""
    retry, failures = work["retry"], work["failures"] + (outcome["kind"] == "failed")
    told = work["outcome"] is not None
    fields = {"job": None, "watch": None, "failures": failures, "error": outcome.get("error")}
    again = not told and outcome["kind"] == "failed" and not is_final
    if again and retry is not None and failures < retry["max_attempts"]:
        due = ctx.now() + backoff(retry, int(failures), ctx.random)
        job = ctx.scheduler.run_at(due, begin, id=work["_id"])
        ctx.db.patch(work["_id"], {**fields, "phase": "scheduled", "due": due, "job": job})
    else:
        ctx.db.patch(work["_id"], fields if not told else {"job": None, "watch": None})
        if not told:
            _tell(ctx, work, outcome)
        ctx.db.patch(work["_id"], {"phase": "over", "completed": ctx.now()})
    _give_place(ctx, work)


def _give_place(ctx: MutationCtx, work: Document) -> None:
    if work["parallelism"] is not None:
        # In a transaction of its own: whoever ends would conflict with all that begin.
        _after(ctx, work["job"], fill, {"pool": work["pool"]})


def _after(ctx: MutationCtx, job: str | None, function: Function | str, args: Mapping[str, Any]) -> None:
    """Have something run at once that a job has led to. `cancel_all` of all jobs does not mean it."""
    if job is None:
        ctx.scheduler.run_after(0, function, args)
    else:
        ctx.scheduler.run_when_over(job, 0, function, args)


def _await(ctx: MutationCtx, work: Document, absent: str, wait: float) -> None:
    job = ctx.scheduler.run_after(wait, begin, id=work["_id"], wait=longer(wait))
    error = f'It waits until "{absent}" is defined.'
    ctx.db.patch(work["_id"], {"phase": "scheduled", "job": job, "watch": None, "error": error})


def _tell(ctx: MutationCtx, work: Document, outcome: Mapping[str, Any]) -> None:
    ctx.db.patch(work["_id"], {"outcome": outcome})
    args = {"id": work["_id"], "context": work["context"], "outcome": outcome}
    tell.handler(ctx, work["on_complete"], args, ctx.now() + KEPT_MS, job=work["job"])


def _cancel(ctx: MutationCtx, work: Document) -> None:
    """One that runs keeps its place until it ends: it is canceled, but its pool is as full as it was."""
    if work["phase"] == "scheduled":
        ctx.scheduler.cancel(work["job"])
    _tell(ctx, work, {"kind": "canceled"})
    if work["phase"] != "running":
        ctx.db.patch(work["_id"], {"phase": "over", "job": None, "completed": ctx.now()})


def _failed(error: Exception) -> dict[str, Any]:
    return {"kind": "failed", "error": said(error)}


def _state_of_job(ctx: QueryCtx, work: Document) -> Any:
    job = None if work["job"] is None else ctx.db.system.get(work["job"])
    return {"kind": "failed"} if job is None else job["state"]


def _sweep(ctx: MutationCtx) -> None:
    upto = ctx.now() - KEPT_MS
    old = ctx.db.query("works").with_index("by_completed", lambda q: q.gt("completed", None).lte("completed", upto))
    for work in old.take(_SWEPT):
        ctx.db.delete(work["_id"])
