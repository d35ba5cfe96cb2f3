"""`paginated`: a table that is loaded page by page, and follows every commit."""

from __future__ import annotations

from typing import Any

from convex_nb.deployment.clients.paginated import PAGE_SIZE
from convex_nb.deployment.current import current
from convex_nb.notebook.live import path_of
from convex_nb.notebook.session import get_session
from convex_nb.views.paginated_view import PaginatedView


def paginated(function: Any, num_items: int = PAGE_SIZE, **args: Any) -> PaginatedView:
    """Return a view of a paginated query: its first `num_items` documents, and a button that loads more.

    The query takes a parameter `pagination_opts`, and returns `ctx.db.query(...).paginate(pagination_opts)`; its other
    arguments are given by name, and may be widgets as those of `live`. Loaded pages follow every commit, and stay
    adjacent: none has a document twice, and none is left out.

    Raises `FunctionNotFoundError`, `ArgumentValidationError`, and `InvalidValueError` for a query without pages.
    """
    return get_session().open_pages(current(), function, path_of(function), args, num_items)
