"""The dashboard: one of its pages at a time, each live."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, ClassVar, cast

from convex_nb.views.cells import time_text
from convex_nb.views.dashboard.page import Page
from convex_nb.views.dashboard.pages import PAGES
from convex_nb.views.dashboard.paper import Paper
from convex_nb.views.fed_view import FedView
from convex_nb.views.live_view import Watch
from convex_nb.views.messages import Head
from convex_nb.views.modules import bundle, style
from convex_nb.views.problem import message_of, problem_of
from convex_nb.views.result_sheet import ROWS_MOST
from convex_nb.views.screen import Picture


class Dashboard(FedView):
    """What `%convex dashboard` shows. What it follows is the page that is open: nothing is done for the others."""

    shown_as = "dashboard"
    pages: ClassVar[Sequence[str]] = tuple(PAGES)
    _esm = bundle("dashboard.js")
    _css = style("live.css", "form.css", "dashboard.css")

    def turn(self, page: str) -> None:
        """Show another page."""
        self.ask({"page": page})

    def ask(self, arguments: Mapping[str, Any] | None, watch: Watch | None = None) -> None:
        """Open the page that the arguments name."""
        self._leave(lambda: super(Dashboard, self).ask(arguments, watch))

    def pause(self) -> None:
        """Close the page; what it said last stays."""
        self._leave(super().pause)

    def close(self) -> None:
        """Close the page and leave the screen."""
        self._leave(super().close)

    def _leave(self, move: Callable[[], None]) -> None:
        # Views inside close when the browser knows that they are gone: it would say that their kernel has stopped.
        before = getattr(self, "_query", None)
        move()
        if isinstance(before, Page) and before is not self._query:
            before.end()

    def is_among(self, moved: Container[int]) -> bool:
        """Tell whether the page has changed; one that nobody looks at waits until somebody does."""
        return not self.is_hidden and super().is_among(moved)

    def sheet(self, rows: int = ROWS_MOST) -> Paper:  # noqa: ARG002 (a page is as long as it is)
        """Return the page as it is in a saved notebook."""
        with self._lock:
            page, error = self._query, self._error
            title = f"{self.path}: {(self._arguments or {}).get('page', '')}"
            said: Any = {"title": title, "mark": self.mark, "hint": "run the notebook for live data"}
            if not isinstance(page, Page) or error is not None:
                return Paper([], [], caption="" if error is None else message_of(error), **said)
            when = f"as of {time_text(self._timestamp // 1_000_000)} UTC"
            return Paper([], [], caption=when, blocks=page.value, sheets=page.sheets(), **said)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {(self._arguments or {}).get('page', '')} {self._status}>"

    def _picture(self) -> Picture:
        state = self._state_now()
        head = {
            "kind": "table",
            "columns": [],
            "path": self.path,
            "pages": list(self.pages),
            "page": (self._arguments or {}).get("page", ""),
            "state": state,
            "note": self._note(state),
            "problem": problem_of(self._error) if self._error is not None else None,
            "timestamp": str(self._timestamp),
        }
        return Picture(cast(Head, head), [(block["key"], [cast(Any, block)]) for block in self._value or ()])

    def _from_browser(self, content: Mapping[str, Any]) -> None:
        kind = content.get("type")
        if kind == "turn" and content["page"] in self.pages:
            self.turn(content["page"])
        elif kind == "do":
            page = self._query
            if isinstance(page, Page):
                page.do(content)
                self.absorb()
        else:
            super()._from_browser(content)
