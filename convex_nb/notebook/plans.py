"""`%convex explain`: how a query reads, range by range, and how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython import get_ipython
from IPython.core.error import UsageError

from convex_nb.deployment.explaining import plans_of
from convex_nb.language.errors import FunctionNotFoundError
from convex_nb.notebook.cards import milliseconds
from convex_nb.notebook.function_cells import required_arguments
from convex_nb.notebook.options import nearest, read_arguments
from convex_nb.notebook.session import get_session
from convex_nb.views.cells import preview, time_text
from convex_nb.views.sheet import Heading, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.engine.explanation import Explanation

_HEADINGS = (
    Heading("arguments"),
    Heading("read"),
    Heading("index"),
    Heading("range"),
    Heading("rows", "right"),
    Heading("path"),
    Heading("why"),
)


def explain(deployment: Deployment, name: str, *arguments: str) -> Sheet:
    """How a query reads: a line for each range, with arguments `name=expression`, or as it is shown now."""
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
    rows = [row for query in queries for row in _rows(query, plans_of(deployment, function, query.args))]
    caption = "; ".join(_timing(query, alone=len(queries) == 1) for query in queries)
    return Sheet(_HEADINGS, rows, title=f"{name}{function.signature}", caption=caption)


def _given(arguments: tuple[str, ...]) -> dict[str, Any]:
    shell = get_ipython()
    namespace: Mapping[str, Any] = {} if shell is None else shell.user_ns
    text = arguments[0].removeprefix("--args").lstrip(" =") if arguments else ""
    return read_arguments(text, namespace, "%convex explain") if text else {}


def _rows(query: Any, plans: list[Explanation]) -> list[list[str]]:
    rows = [
        [
            plan.call,
            f"{plan.table} by {plan.index} ({', '.join(plan.fields)}), {plan.order}",
            plan.range or "all of it",
            f"{plan.rows_scanned:,} of {plan.rows_in_range:,}",
            plan.path,
            "; ".join([*map(str, plan.filters), plan.why]),
        ]
        for plan in plans
    ]
    rows += [
        ["get", reads, "", "", "id", "the id says where it is"] for reads in query.reads if reads.endswith("by id")
    ]
    arguments = _arguments(query)
    return [[arguments, *row] for row in rows] or [[arguments, "nothing", "", "", "", "", "it reads no document"]]


def _arguments(query: Any) -> str:
    return ", ".join(f"{name}={preview(value, 40)}" for name, value in query.args.items())


def _timing(query: Any, *, alone: bool) -> str:
    whose = "" if alone else f"{_arguments(query) or 'without arguments'}: "
    failed = f", error: {query.error}" if query.error is not None else ""
    runs = f"{query.runs:,} run{'' if query.runs == 1 else 's'}"
    as_of = time_text(query.timestamp // 1_000_000)[11:]
    return f"{whose}took {milliseconds(query.duration_ms)}, {runs}, as of {as_of} UTC{failed}"
