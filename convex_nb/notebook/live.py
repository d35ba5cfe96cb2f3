"""`live`: a query's result that follows every commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from convex_nb.deployment.current import current
from convex_nb.deployment.definitions import anonymous_function, find_function, lasting_name
from convex_nb.language.describing import describe
from convex_nb.notebook.arguments import merged_arguments
from convex_nb.notebook.session import get_session
from convex_nb.notebook.timetable import seconds_of
from convex_nb.views.editing import Editing
from convex_nb.views.live_view import LiveView

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment


def live(
    function: Any,
    args: Mapping[str, Any] | None = None,
    /,
    *,
    render: Callable[[Any], Any] | None = None,
    every: float | timedelta | None = None,
    edit: Any = None,
    identity: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> LiveView:
    """Return a view of a query that follows every commit which touches what it reads.

    `function` is a query, a reference such as `api.tasks.list`, or a path. An argument may be a widget, whose value it
    follows, an `(object, "trait")` pair, or `SKIP`, for which the view waits. The last expression of a cell shows the
    view; `.value`, `.df()` and `.arrow()` are its newest result. `render` makes of that result what is shown in place
    of the table: a chart, a figure, anything that Jupyter displays. It is called between cells, and when one ends.
    A query that reads the clock runs again `every` so many seconds too, unless the view is paused or out of sight.
    `edit` is a mutation that changes a row: it takes the row's id, and each of its other arguments makes the column of
    that name editable. The query acts for `identity`, such as `{"subject": "ada"}`: so one sees what that user does.

    Raises `FunctionNotFoundError` and `ArgumentValidationError`; an error inside the query is shown by the view, which
    recovers when the data do.
    """
    given = merged_arguments("live", args, kwargs)
    if render is not None and not callable(render):
        raise TypeError(f"`render` is a function from the value to what is displayed, not {describe(render, 80)}.")
    deployment, period = current(), seconds_of(every)
    editing = None if edit is None else _editing(deployment, edit, identity)
    return get_session().open_view(deployment, function, path_of(function), given, render, period, editing, identity)


def _editing(deployment: Deployment, target: Any, identity: Mapping[str, Any] | None) -> Editing:
    mutation = find_function(deployment, target)
    if mutation.kind != "mutation":
        raise TypeError(f"`edit` takes a mutation, and `{mutation.path}` is a {mutation.kind}.")
    name: Any = lasting_name(deployment, mutation)
    caller = deployment if identity is None else deployment.client(identity)
    document = anonymous_function(lambda ctx, id: ctx.db.get(id), "query", "the edited document")
    return Editing(
        mutation.path or mutation.__name__,
        mutation.args,
        lambda arguments: caller.mutation(name, arguments),
        lambda id: deployment.query(document, {"id": id}),
    )


def path_of(function: Any) -> str:
    """Return how a view names its query."""
    if isinstance(function, str):
        return function
    path = getattr(function, "path", None)
    return path if isinstance(path, str) else getattr(function, "__name__", repr(function))
