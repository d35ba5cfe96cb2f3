"""`live`: a query's result that follows every commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from convex_nb.deployment.current import current
from convex_nb.notebook.session import get_session
from convex_nb.notebook.timetable import seconds_of
from convex_nb.views.live_view import LiveView


def live(
    function: Any,
    args: Mapping[str, Any] | None = None,
    /,
    *,
    render: Callable[[Any], Any] | None = None,
    every: float | timedelta | None = None,
    **kwargs: Any,
) -> LiveView:
    """Return a view of a query that follows every commit which touches what it reads.

    `function` is a query, a reference such as `api.tasks.list`, or a path. An argument may be a widget, whose value it
    follows, an `(object, "trait")` pair, or `SKIP`, for which the view waits. The last expression of a cell shows the
    view; `.value`, `.df()` and `.arrow()` are its newest result. `render` makes of that result what is shown in place
    of the table: a chart, a figure, anything that Jupyter displays. It is called between cells, and when one ends.
    A query that reads the clock runs again `every` so many seconds too, unless the view is paused or out of sight.

    Raises `FunctionNotFoundError` and `ArgumentValidationError`; an error inside the query is shown by the view, which
    recovers when the data do.
    """
    given = {**(args or {}), **kwargs}
    period = seconds_of(every)
    return get_session().open_view(current(), function, path_of(function), given, render, period)


def path_of(function: Any) -> str:
    """Return how a view names its query."""
    if isinstance(function, str):
        return function
    path = getattr(function, "path", None)
    return path if isinstance(path, str) else getattr(function, "__name__", repr(function))
