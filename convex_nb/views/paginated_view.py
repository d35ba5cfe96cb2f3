"""A live view of a paginated query: a table that grows by a page when it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, Final, cast

from convex_nb.deployment.clients.paginated import PageStatus, PaginatedQuery
from convex_nb.views.live_view import LiveView
from convex_nb.views.messages import More, State
from convex_nb.views.result import Answered
from convex_nb.views.window import Window

ROWS_SHOWN: Final = 1000
"""Rows of the table before it has pages of its own: what was asked for should be seen."""


class PaginatedView(LiveView):
    """What `paginated(...)` returns.

    `results` are the documents of all loaded pages, `status` is "LoadingFirstPage", "CanLoadMore", "LoadingMore" or
    "Exhausted", `load_more(n)` loads the next page. Everything else is as in any live view.
    """

    shown_as = "pages"
    status = Answered("LoadingFirstPage")
    catch_up: Callable[[], object] = staticmethod(lambda: None)
    """Brings all pages to one moment."""
    _asked_in = -1  # the sequence of the newest picture when the browser asked for a page

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, window=Window(size=ROWS_SHOWN), **options)

    @property
    def results(self) -> list[Any]:
        """The documents of all loaded pages, in the order of the query."""
        return self.value or []

    @property
    def pages(self) -> PaginatedQuery | None:
        """What follows the pages; None while it is skipped, paused or closed."""
        return cast("PaginatedQuery | None", self.query)

    def load_more(self, num_items: int | None = None) -> bool:
        """Load one more page, of as many documents as the first unless it says how many.

        Does nothing, and returns False, unless the status is "CanLoadMore".
        """
        pages = self.pages
        if pages is None or not pages.load_more(num_items):
            return False
        if pages.waiting:
            self.catch_up()
        self.absorb()
        return True

    def resume(self) -> None:
        """Follow commits again, with as many documents as were loaded before."""
        loaded = len(self._value or ())
        super().resume()
        missing = loaded - len(self._value or ())
        if missing > 0:
            self.load_more(missing)

    def is_among(self, moved: Container[int]) -> bool:
        """Tell whether there is something new, given the ids of the queries that a refresh has moved."""
        pages = self.pages
        if pages is None or not (pages.waiting or any(id(query) in moved for query in pages.queries)):
            return False
        return pages.advance()

    def _status_now(self) -> PageStatus:
        pages = self.pages
        return "LoadingFirstPage" if pages is None else pages.status

    def _state_now(self) -> State:
        state = super()._state_now()
        return "loading" if state == "live" and self._status_now() == "LoadingFirstPage" else state

    def _more(self) -> More | None:
        return self._status_now()

    def _from_browser(self, content: Mapping[str, Any]) -> None:
        if content.get("type") == "more":
            with self._lock:
                # A picture that was on its way lets the button be pressed again, and does not show this page either.
                if content["sequence"] <= self._asked_in:
                    return
                self._asked_in = self._screen.sequence
            self.load_more()
        else:
            super()._from_browser(content)
