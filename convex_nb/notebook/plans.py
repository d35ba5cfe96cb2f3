"""`%convex explain`: how a query reads, range by range, and how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython import get_ipython
from IPython.core.error import UsageError

from convex_nb.deployment.explaining import plans_of
from convex_nb.language.describing import counted
from convex_nb.language.errors import FunctionNotFoundError
from convex_nb.notebook.cards import milliseconds
from convex_nb.notebook.function_cells import required_arguments
from convex_nb.notebook.options import nearest, read_arguments
from convex_nb.notebook.session import get_session
from convex_nb.views.card import Card, Part
from convex_nb.views.cells import preview, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.engine.reading.explanation import Explanation
    from convex_nb.engine.reading.search_explanation import SearchExplanation


def explain(deployment: Deployment, name: str, *arguments: str) -> Card:
    """How a query reads, with arguments `name=expression` or as it is shown now: each `db.query` of a run of it."""
    function = deployment.functions.get(name)
    if function is None:
        near = nearest(name, deployment.functions)
        raise FunctionNotFoundError(f"No function has the path {name!r}.{near} See %convex functions.", path=name)
    if function.kind != "query":
        raise UsageError(f"%convex explain: {name} is a {function.kind}; only queries are followed.")
    views = [view for view in get_session().flush.views if view.path == function.path and view.query is not None]
    if views and not arguments:
        shown: list[Any] = [view.query for view in views]
        queries = list({repr(query.args): query for query in shown}.values())
    else:
        missing = ", ".join(required_arguments(function))
        if missing and not arguments:
            raise UsageError(
                f"%convex explain: {name} needs {missing}, and no view shows it: give them, as in "
                f"`%convex explain {name} {missing.split(', ')[0]}=...`, or show it with live(...) first."
            )
        queries = [deployment.watch(function, _given(arguments))]
        queries[0].close()
    lines: list[list[Part]] = [[("name", name), ("plain", str(function.signature))]]
    for query in queries:
        lines += _lines(query, plans_of(deployment, function, query.args))
    return Card(lines)


def _given(arguments: tuple[str, ...]) -> dict[str, Any]:
    shell = get_ipython()
    namespace: Mapping[str, Any] = {} if shell is None else shell.user_ns
    text = arguments[0].removeprefix("--args").lstrip(" =") if arguments else ""
    return read_arguments(text, namespace, "%convex explain") if text else {}


def _lines(query: Any, plans: list[Explanation | SearchExplanation]) -> list[list[Part]]:
    arguments = ", ".join(f"{name}={preview(value, 40)}" for name, value in query.args.items())
    runs = counted(query.runs, "run")
    as_of = time_text(query.timestamp // 1_000_000)[11:]
    lines: list[list[Part]] = [
        [
            ("code", arguments or "without arguments"),
            ("plain", f"took {milliseconds(query.duration_ms)}, {runs}, as of {as_of} UTC"),
        ]
    ]
    if query.error is not None:
        lines[0].append(("bad", f"error: {query.error}"))
    for plan in plans:
        if plan.path == "search":
            lines += _search_lines(plan)
            continue
        index = f"{plan.table} by {plan.index} ({', '.join(plan.fields)}), {plan.order}"
        rows = f"{plan.rows_scanned:,} of {plan.rows_in_range:,}"
        lines.append([("code", plan.call), ("plain", index), ("soft", "range:"), ("plain", plan.range or "all of it")])
        lines += [[("soft", "· filter:"), ("plain", str(step))] for step in plan.filters]
        lines.append([("soft", "· rows scanned:"), ("plain", rows)])
        lines.append([("soft", "· path:"), ("plain", f"{plan.path}: {plan.why}")])
    lines += [[("code", "get"), ("plain", reads)] for reads in query.reads if reads.endswith("by id")]
    return lines if len(lines) > 1 else [*lines, [("plain", "reads nothing")]]


def _search_lines(plan: SearchExplanation) -> list[list[Part]]:
    words = ", ".join(map(str, plan.terms)) or "none"
    index = f"{plan.table} by {plan.index}, text of {plan.field}"
    lines: list[list[Part]] = [[("code", plan.call), ("plain", index), ("soft", "words:"), ("plain", words)]]
    lines += [[("soft", "· equal:"), ("plain", f"{field!r} == {value!r}")] for field, value in plan.equalities]
    lines += [[("soft", "· filter:"), ("plain", condition)] for condition in plan.filters]
    lines.append([("soft", "· found:"), ("plain", f"{plan.matches:,} of {plan.documents:,}")])
    lines += [[("soft", "· score:"), ("plain", str(scored))] for scored in plan.best[:3]]
    return lines
