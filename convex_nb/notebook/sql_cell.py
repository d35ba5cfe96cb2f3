"""What a `%%convex_sql` cell means: its `$names` and its frames are variables of the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from convex_nb.deployment.data.sql import parse_sql, sql_function
from convex_nb.language.describing import shorten
from convex_nb.notebook.arguments import Arguments
from convex_nb.notebook.session import get_session

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.engine.sql.sql_result import SqlResult
    from convex_nb.views.live_view import LiveView

_TITLE: Final = 60
"""Characters of the statement that the view shows as its name."""


def open_sql_view(deployment: Deployment, sql: str, variables: Mapping[str, Any]) -> LiveView | SqlResult:
    """Return a view of a statement's rows, which runs again when a table that it read has changed.

    A `$name` that holds a widget follows it. Frames are read as they are now. What no commit announces, a plan or the
    list of the tables, is answered once. Raises `SqlError` for a statement that does not only read, and `UsageError`
    for a `$name` that is no variable.
    """
    query = parse_sql(sql)
    if missing := sorted(query.parameters - variables.keys()):
        raise UsageError(f"%%convex_sql: ${missing[0]} stands for a variable, and there is none called so.")
    frames = {
        name: variables[name]
        for name in query.relations - deployment.tables.keys()
        if hasattr(variables.get(name), "__arrow_c_stream__")
    }
    title = shorten(" ".join(sql.split()), _TITLE)
    arguments = {name: variables[name] for name in sorted(query.parameters)}
    if not query.is_followed:
        return deployment.sql(sql, Arguments(arguments).current() or {}, **frames)
    return get_session().open_view(deployment, sql_function(query, frames, title), title, arguments)
