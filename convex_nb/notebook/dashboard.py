"""`%convex dashboard` and `dep.dashboard()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from convex_nb.language.errors import InvalidValueError
from convex_nb.notebook.form import FormFunction
from convex_nb.notebook.options import nearest
from convex_nb.notebook.session import get_session
from convex_nb.views.dashboard.pages import PAGES, open_page
from convex_nb.views.fed_view import FedView
from convex_nb.views.form_view import FormView
from convex_nb.views.surroundings import Surroundings

if TYPE_CHECKING:
    from convex_nb.deployment.clients.paginated import Followed
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.notebook.session import Session
    from convex_nb.views.dashboard.dashboard import Dashboard
    from convex_nb.views.editing import Editing
    from convex_nb.views.live_view import LiveView

CLOCK_SECONDS = 10.0
"""After so long a page that says how late something is says it anew."""


def dashboard(deployment: Deployment, *page: str) -> Dashboard:
    """Pages about the deployment, each live: `data`, `functions` and the like after it open one of them."""
    name = page[0].strip() if page else next(iter(PAGES))
    if name not in PAGES:
        raise UsageError(f"%convex dashboard has no page {name!r}.{nearest(name, PAGES)} There are {', '.join(PAGES)}.")
    return open_dashboard(deployment, name)


def open_dashboard(deployment: Deployment, page: str) -> Dashboard:
    """Return a view of the deployment that begins at a page. Raises `InvalidValueError` for one that there is not."""
    if page not in PAGES:
        raise InvalidValueError(f"The dashboard has no page {page!r:.80}; it has {', '.join(PAGES)}.", value=page)
    # Its script is put together when somebody wants to see it.
    from convex_nb.views.dashboard.dashboard import Dashboard

    session = get_session()
    host = NotebookHost(session, deployment)
    memory: dict[str, dict[str, Any]] = {}

    def watch(arguments: Mapping[str, Any]) -> Followed:
        name = arguments["page"]
        return open_page(name, deployment, host, memory.setdefault(name, {}))

    return session.open_dashboard(Dashboard, deployment, watch, page, CLOCK_SECONDS)


class NotebookHost:
    """What a session does for the pages of one dashboard."""

    def __init__(self, session: Session, deployment: Deployment) -> None:
        self._session = session
        self._deployment = deployment
        self.mark = session.flush.mark

    def view(
        self, path: str, watch: Callable[[Callable[[], None]], Followed], editing: Editing | None = None
    ) -> LiveView:
        """Return a live view that moves with all others of the notebook."""
        session = self._session
        view = FedView(
            path,
            lambda _: watch(session.flush.mark),
            {},
            editing=editing,
            surroundings=Surroundings(self._deployment),
            is_busy=lambda: session.cell is not None,
            on_close=session.flush.discard,
            on_active=session.flush.mark,
            carrier=session.carrier,
        )
        session.flush.add(self._deployment, view)
        return view

    def form(self, path: str, run: Callable[[Mapping[str, Any]], tuple[Any, str]]) -> FormView:
        """Return a form for a function of the deployment."""
        return FormView(path, PageFunction(self._deployment, path, run))


class PageFunction(FormFunction):
    """The function of a form that a page runs."""

    def __init__(self, deployment: Deployment, path: str, run: Callable[[Mapping[str, Any]], tuple[Any, str]]) -> None:
        super().__init__(deployment, path)
        self._run = run

    def run(self, arguments: Mapping[str, Any]) -> tuple[Any, str]:
        """Run it as the page does; return its value and what is said about the call."""
        value, note = self._run(arguments)
        return value, note or "ok"
