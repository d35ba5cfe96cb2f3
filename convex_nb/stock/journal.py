"""The component of workflows: their journals, and what takes them from step to step.

Each run of a handler is a work of a pool inside of this component, and so is each step: whatever ends them is told.
What a run asks for is written into the journal, and put under way, in one commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb import InvalidValueError, components, define_component, define_schema, define_table, v
from convex_nb.stock import work
from convex_nb.stock.retries import RETRY
from convex_nb.stock.work import ABSENT_MS, KEPT_MS, OUTCOME, longer, missing, said, telling
from convex_nb.stock.workpool import Workpool

if TYPE_CHECKING:
    from convex_nb import ActionCtx, Document, MutationCtx, QueryCtx

ABOUT: Final = "workflow"
"""The parameter in which a run of a handler gets the journal."""
CHECK: Final = "check"
"""What it gets instead where only the arguments are to be checked."""
_SWEPT: Final = 2
_NULL_OR_STRING = v.union(v.null(), v.string())
_NULL_OR_NUMBER = v.union(v.null(), v.number())
_STATE = v.union(*map(v.literal, ("running", "success", "failed", "canceled")))
_ORDER = {
    "function": v.string(),
    "args": v.any(),
    "code": v.string(),
    "parallelism": _NULL_OR_NUMBER,
    "on_complete": _NULL_OR_STRING,
    "context": v.any(),
}
_REQUEST = {
    "kind": v.union(*map(v.literal, ("query", "mutation", "action", "workflow", "sleep", "event"))),
    "function": _NULL_OR_STRING,
    "args": v.any(),
    "retry": v.union(v.null(), RETRY),
}
component = define_component(
    "workflows",
    define_schema(
        {
            "workflows": define_table(
                {
                    **_ORDER,
                    "state": _STATE,
                    "result": v.any(),
                    "error": _NULL_OR_STRING,
                    "started": v.number(),
                    "completed": _NULL_OR_NUMBER,
                    # The step of another one that waits for its end; how many that had taken when this one failed.
                    "parent": v.optional(v.id("steps")),
                    "taken": v.optional(v.number()),
                }
            ).index("by_completed", ["completed"]),
            "steps": define_table(
                {
                    **_REQUEST,
                    "workflow": v.id("workflows"),
                    "number": v.number(),
                    "outcome": v.union(v.null(), OUTCOME),
                    "completed": _NULL_OR_NUMBER,
                    "work": _NULL_OR_STRING,
                    "job": v.union(v.null(), v.id("_scheduled_functions")),
                }
            ).index("by_workflow", ["workflow", "number"]),
            "events": define_table({"workflow": v.id("workflows"), "name": v.string(), "value": v.any()}).index(
                "by_name", ["workflow", "name"]
            ),
        }
    ),
)
component.use(work.component)
_tell = telling(component)
_runs = Workpool(components.workpool, name="runs", max_parallelism=None)


@component.mutation(args=_ORDER, returns=v.string())
def start(ctx: MutationCtx, **order: Any) -> str:
    return _start(ctx, order)


@component.query(args={"id": v.id("workflows")})
def status(ctx: QueryCtx, id: str) -> Any:
    workflow = ctx.db.get(id)
    return None if workflow is None else {field: workflow[field] for field in ("state", "result", "error")}


@component.query(args={"id": v.id("workflows")})
def steps(ctx: QueryCtx, id: str) -> Any:
    shown = []
    for step in _journal(ctx, id):
        outcome = step["outcome"] or {"kind": "running"}
        function = None if step["function"] is None else step["function"].removeprefix("function://")
        fields = {"kind": step["kind"], "function": function, "args": step["args"], "state": outcome["kind"]}
        child = step["work"] if step["kind"] == "workflow" else None
        shown.append({**fields, "result": outcome.get("result"), "error": outcome.get("error"), "workflow": child})
    return shown


@component.mutation(args={"id": v.id("workflows"), "name": v.string(), "value": v.any()}, returns=v.boolean())
def send(ctx: MutationCtx, id: str, name: str, value: Any) -> bool:
    workflow = ctx.db.get(id)
    if workflow is None or workflow["state"] not in ("running", "failed"):
        return False
    ctx.db.insert("events", {"workflow": id, "name": name, "value": value})
    for step in _journal(ctx, id):
        if step["kind"] == "event" and step["outcome"] is None and _receive(ctx, step):
            _go_on(ctx, id)
            break
    return True


@component.mutation(args={"id": v.id("workflows")}, returns=v.boolean())
def cancel(ctx: MutationCtx, id: str) -> bool:
    workflow = ctx.db.get(id)
    if workflow is None or workflow["state"] != "running":
        return False
    below = [workflow]
    while below:
        workflow = below.pop()
        # Before its steps are: those who wait for them do not go on for that.
        _end(ctx, workflow, _CANCELED)
        for step in [each for each in _journal(ctx, workflow["_id"]) if each["outcome"] is None]:
            ctx.db.patch(step["_id"], {"outcome": _CANCELED, "completed": ctx.now()})
            if step["job"] is not None:
                ctx.scheduler.cancel(step["job"])
            if step["kind"] == "workflow":
                child = ctx.db.get(step["work"])
                below += [child] if child is not None and child["state"] == "running" else []
            elif step["work"] is not None:
                _runs.cancel(ctx, step["work"])
    return True


@component.mutation(args={"id": v.id("workflows")}, returns=v.boolean())
def resume(ctx: MutationCtx, id: str) -> bool:
    workflow = ctx.db.get(id)
    if workflow is None or workflow["state"] != "failed":
        return False
    _resume(ctx, workflow)
    return True


@component.mutation(args={"id": v.id("workflows")}, returns=v.boolean())
def forget(ctx: MutationCtx, id: str) -> bool:
    workflow = ctx.db.get(id)
    if workflow is None or workflow["state"] == "running":
        return False
    _delete(ctx, workflow)
    return True


# -- from step to step -------------------------------------------------------------------------------------------


@component.internal_mutation
def advance(ctx: MutationCtx, id: str, wait: float = ABSENT_MS) -> None:
    """Run the handler as far as its journal goes, and put under way what it asks for there."""
    workflow = ctx.db.get(id)
    if workflow is None or workflow["state"] != "running":
        return
    while True:
        journal = _journal(ctx, id)
        absent = missing(workflow["function"])
        run: dict[str, Any] = {}
        if absent is None:
            about: dict[str, Any] = {"id": id, "code": workflow["code"], "started": workflow["started"]}
            entries = [{field: step[field] for field in _OF_ENTRY} for step in journal]
            try:
                about["journal"] = entries
                run = ctx.run_query(workflow["function"], {**workflow["args"], ABOUT: about})
            except Exception as error:
                _end(ctx, workflow, {"kind": "failed", "error": said(error)})
                return
            absent = run["missing"]
        requests = enumerate(run.get("requests", ()), len(journal))
        over = [_put_under_way(ctx, workflow, number, request) for number, request in requests]
        if absent is not None:
            ctx.db.patch(id, {"error": f'It waits until "{absent}" is defined.'})
            _go_on(ctx, id, run_after=wait, args={"wait": longer(wait)})
            return
        if run["done"]:
            _end(ctx, workflow, {"kind": "success", "result": run["result"]})
            return
        if not any(over):
            ctx.db.patch(id, {"error": None})
            return


@component.internal_mutation
def advanced(ctx: MutationCtx, id: str, context: str, outcome: Any) -> None:
    """A run of a handler is over. One that could not even fail by itself, for a limit that it met, fails here."""
    _runs.forget(ctx, id)
    workflow = ctx.db.get(context)
    if outcome["kind"] != "success" and workflow is not None and workflow["state"] == "running":
        _end(ctx, workflow, {"kind": "failed", "error": outcome.get("error", "Its run was canceled.")})


@component.internal_mutation
def ended(ctx: MutationCtx, id: str | None, context: Any, outcome: Any) -> None:
    """A step is over."""
    if id is not None:
        # What it returned is kept here, once.
        _runs.forget(ctx, id)
    step = ctx.db.get(context)
    if step is None or step["outcome"] is not None:
        return
    ctx.db.patch(context, {"outcome": outcome, "completed": ctx.now()})
    _go_on(ctx, step["workflow"])


def code_of(ctx: QueryCtx | ActionCtx, function: str, args: Mapping[str, Any]) -> str:
    """The code of a workflow that could be started so. Raises `ArgumentValidationError`, `InvalidValueError`."""
    checked = ctx.run_query(function, {**args, ABOUT: CHECK})
    code = checked.get("code") if isinstance(checked, Mapping) else None
    if not isinstance(code, str):
        raise InvalidValueError(
            f'"{function.removeprefix("function://")}" is no workflow: make it with `@workflows.define`. It was not '
            "started.",
            value=function,
        )
    return code


_CANCELED: Final = {"kind": "canceled"}
_OF_ENTRY: Final = ("number", "kind", "function", "args", "outcome", "completed")


def _start(ctx: MutationCtx, order: Mapping[str, Any]) -> str:
    now = {"state": "running", "result": None, "error": None, "started": ctx.now(), "completed": None}
    id = ctx.db.insert("workflows", {**order, **now})
    _go_on(ctx, id)
    return id


def _go_on(ctx: MutationCtx, id: str, run_after: float = 0, args: Mapping[str, Any] | None = None) -> None:
    _runs.enqueue_mutation(ctx, advance, args, id=id, run_after=run_after, on_complete=advanced, context=id)


def _resume(ctx: MutationCtx, workflow: Document) -> None:
    """Have one that failed go on, and who failed for it: they wait for it again."""
    ctx.db.patch(workflow["_id"], {"state": "running", "error": None, "completed": None})
    _go_on(ctx, workflow["_id"])
    step = ctx.db.get(workflow["parent"]) if "parent" in workflow else None
    parent = None if step is None else ctx.db.get(step["workflow"])
    if step is None or parent is None or parent["state"] not in ("running", "failed"):
        return
    # One that has taken a step since then has gone on from the failure, and would not find its way again.
    if len(_journal(ctx, parent["_id"])) == workflow.get("taken"):
        ctx.db.patch(step["_id"], {"outcome": None, "completed": None})
        if parent["state"] == "failed":
            _resume(ctx, parent)


def _journal(ctx: QueryCtx, id: str) -> list[Document]:
    return list(ctx.db.query("steps").with_index("by_workflow", workflow=id).collect())


def _put_under_way(ctx: MutationCtx, workflow: Document, number: int, request: Mapping[str, Any]) -> bool:
    """Write a step into the journal and start it; whether it is over already."""
    nothing = dict.fromkeys(("outcome", "completed", "work", "job"))
    step = ctx.db.insert("steps", {**request, **nothing, "workflow": workflow["_id"], "number": number})
    kind, function, args = request["kind"], request["function"], request["args"]
    if kind in ("query", "workflow"):
        try:
            result = ctx.run_query(function, args) if kind == "query" else code_of(ctx, function, args)
        except Exception as error:
            outcome = {"kind": "failed", "error": said(error)}
        else:
            outcome = {"kind": "success", "result": result}
            if kind == "workflow":
                ctx.db.patch(step, {"work": _start_child(ctx, workflow, step, request, result)})
                return False
        ctx.db.patch(step, {"outcome": outcome, "completed": ctx.now()})
        return True
    if kind == "event":
        received = _receive(ctx, {"_id": step, "workflow": workflow["_id"], "args": args, "job": None})
        if not received and "timeout" in args:
            why = f'No event "{args["name"]}" came within {args["timeout"]:.15g} ms.'
            late = {"id": None, "context": step, "outcome": {"kind": "failed", "error": why}}
            ctx.db.patch(step, {"job": ctx.scheduler.run_at(ctx.now() + args["timeout"], ended, late)})
        return received
    if kind == "sleep":
        woken = {"id": None, "context": step, "outcome": {"kind": "success", "result": None}}
        due = args["until"] if "until" in args else ctx.now() + args["ms"]
        ctx.db.patch(step, {"job": ctx.scheduler.run_at(due, ended, woken)})
    else:
        parallelism = workflow["parallelism"]
        pool = Workpool(
            components.workpool, name="steps", max_parallelism=None if parallelism is None else int(parallelism)
        )
        enqueue = pool.enqueue_action if kind == "action" else pool.enqueue_mutation
        id = enqueue(ctx, function, args, retry=request["retry"] or False, on_complete=ended, context=step)
        ctx.db.patch(step, {"work": id})
    return False


def _start_child(ctx: MutationCtx, parent: Document, step: str, request: Mapping[str, Any], code: str) -> str:
    asked = {"function": request["function"], "args": request["args"], "code": code}
    inherited = {"parallelism": parent["parallelism"], "parent": step}
    return _start(ctx, {**asked, **inherited, "on_complete": None, "context": None})


def _receive(ctx: MutationCtx, step: Mapping[str, Any]) -> bool:
    """Give a step the first event of its name that no other has had; whether there is one."""
    name = step["args"]["name"]
    event = ctx.db.query("events").with_index("by_name", workflow=step["workflow"], name=name).first()
    if event is None:
        return False
    ctx.db.delete(event["_id"])
    if step["job"] is not None:
        ctx.scheduler.cancel(step["job"])
    outcome = {"kind": "success", "result": event["value"]}
    ctx.db.patch(step["_id"], {"outcome": outcome, "completed": ctx.now()})
    return True


def _end(ctx: MutationCtx, workflow: Document, outcome: Mapping[str, Any]) -> None:
    ctx.db.patch(
        workflow["_id"],
        {
            "state": outcome["kind"],
            "result": outcome.get("result"),
            "error": outcome.get("error"),
            "completed": ctx.now(),
        },
    )
    args = {"id": workflow["_id"], "context": workflow["context"], "outcome": outcome}
    _tell.handler(ctx, workflow["on_complete"], args, ctx.now() + KEPT_MS)
    step = ctx.db.get(workflow["parent"]) if "parent" in workflow else None
    if step is not None:
        if outcome["kind"] == "failed":
            ctx.db.patch(workflow["_id"], {"taken": len(_journal(ctx, step["workflow"]))})
        ended.handler(ctx, None, step["_id"], outcome)
    upto = ctx.now() - KEPT_MS
    old = ctx.db.query("workflows").with_index("by_completed", lambda q: q.gt("completed", None).lte("completed", upto))
    for each in old.take(_SWEPT):
        _delete(ctx, each)


def _delete(ctx: MutationCtx, workflow: Document) -> None:
    events = ctx.db.query("events").with_index("by_name", workflow=workflow["_id"]).collect()
    for each in [*_journal(ctx, workflow["_id"]), *events, workflow]:
        ctx.db.delete(each["_id"])
