"""What the notebook's front door keeps between cells: its live views, and what makes them move."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from convex_nb.deployment.cells import cell_begins, cell_ended, is_cell_here, owners
from convex_nb.deployment.clients.paginated import watch_pages
from convex_nb.deployment.definitions import lasting_name
from convex_nb.deployment.logs import LogFeed
from convex_nb.notebook.arguments import Arguments
from convex_nb.notebook.calls import Calls
from convex_nb.notebook.cell_views import CellViews
from convex_nb.notebook.flush import Flush
from convex_nb.notebook.saved import Twins
from convex_nb.views.carrier import Carrier
from convex_nb.views.editing import Editing
from convex_nb.views.live_view import LiveView, Watch
from convex_nb.views.log_view import LogView
from convex_nb.views.paginated_view import PaginatedView
from convex_nb.views.surroundings import Surroundings

if TYPE_CHECKING:
    from convex_nb.deployment.clients.paginated import Followed, PaginatedQuery
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.views.dashboard.dashboard import Dashboard

V = TypeVar("V", bound=LiveView)
D = TypeVar("D", bound="Dashboard")


class Session:
    """One per process, `get_session()`; the extension tells it when cells begin and end, and closes it."""

    def __init__(self) -> None:
        self.twins = Twins()
        self.carrier = Carrier()
        self.flush = Flush(self._refresh_twins, together=self.carrier.together)
        self.cells = CellViews()
        self.calls = Calls()
        self.cell: str | None = None
        """The running cell, by the id that the front end sends or by its text; None between cells."""
        owners.append(self.cells.keep)
        self._depth = 0
        self._bindings: dict[int, Arguments] = {}

    def open_view(
        self,
        deployment: Deployment,
        target: Any,
        path: str,
        given: Mapping[str, Any],
        render: Callable[[Any], Any] | None = None,
        every: float | None = None,
        editing: Editing | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> LiveView:
        """Return a view of a query: the one that the running cell had of it before, or a new one.

        Raises what refuses the query before it runs: an unknown function, arguments that do not fit.
        """

        def watch(arguments: Mapping[str, Any]) -> Followed:
            nonlocal target
            query = deployment.watch(target, arguments, self.flush.mark, identity)
            target = lasting_name(deployment, target)
            return query

        if isinstance(identity, Mapping):
            path = f"{path} as {identity.get('name') or identity.get('subject') or 'a user'}"
        view = self._open(LiveView, deployment, path, watch, given, render, editing)
        self.flush.add(deployment, view, every)
        return view

    def open_pages(
        self, deployment: Deployment, target: Any, path: str, given: Mapping[str, Any], num_items: int
    ) -> PaginatedView:
        """Return a view of the pages of a paginated query, as `open_view` does of a query."""

        def watch(arguments: Mapping[str, Any]) -> PaginatedQuery:
            nonlocal target
            pages = watch_pages(deployment, target, arguments, num_items, self.flush.mark)
            target = lasting_name(deployment, target)
            return pages

        view = self._open(PaginatedView, deployment, path, watch, given)
        view.catch_up = self.flush.now
        self.flush.add(deployment, view)
        return view

    def open_log(self, deployment: Deployment) -> LogView:
        """Return a view of what runs in a deployment."""
        view = self._open(LogView, deployment, "logs", lambda _: LogFeed(deployment.logs, self.flush.mark), {})
        self.flush.add(deployment, view)
        return view

    def open_dashboard(self, kind: type[D], deployment: Deployment, watch: Watch, page: str, every: float) -> D:
        """Return a dashboard that begins at a page; `watch` opens the one that it is to show."""
        view = self._open(kind, deployment, kind.shown_as, watch, {"page": page})
        self.flush.add(deployment, view, every)
        return view

    def _open(
        self,
        kind: type[V],
        deployment: Deployment,
        path: str,
        watch: Watch,
        given: Mapping[str, Any],
        render: Callable[[Any], Any] | None = None,
        editing: Editing | None = None,
    ) -> V:
        arguments = Arguments(given)
        view = self.cells.take(kind, path)
        if view is None:
            view = kind(
                path,
                watch,
                arguments.current(),
                render=render,
                editing=editing,
                surroundings=Surroundings(deployment),
                is_busy=lambda: self.cell is not None,
                on_close=self._forget,
                on_active=self.flush.mark,
                on_behind=self._catch_up,
                carrier=self.carrier,
                place=self.twins.place,
            )
        else:
            self._unbind(view)
            view.render, view.editing = render, editing
            try:
                view.ask(arguments.current(), watch)
            except BaseException:
                view.close()
                raise
        self.cells.add(view)
        self._bindings[id(view)] = arguments
        deployment.when_held(self.flush.if_due)
        arguments.follow(lambda: self._moved(view, arguments))
        return view

    def begin_cell(self, cell: str, deleted: Iterable[str] = ()) -> None:
        """A cell starts; `deleted` cells are gone from the notebook. A cell that runs others is one cell."""
        self._depth += 1
        if self._depth == 1:
            self.cell = cell
            self.twins.settle()
            cell_begins()
            self.cells.begin(cell, deleted)
            self.calls.begin()

    def end_cell(self) -> None:
        """The cell has ended: every view shows what it did."""
        self._depth = max(0, self._depth - 1)
        if self._depth == 0:
            self.cell = None
            cell_ended()
            self.cells.end()
            self.flush.now(cell_ended=True)

    def close(self) -> None:
        """Close every view and stop the thread."""
        for view in self.flush.views:
            view.close()
        owners.remove(self.cells.keep)
        self.cells.close()
        self.calls.close()
        self.flush.close()
        if self._depth:
            # Unloaded by a cell, whose end nobody will tell us of.
            cell_ended()

    def _catch_up(self) -> None:
        if is_cell_here():
            self.flush.catch_up()

    def _refresh_twins(self, cell_ended: bool) -> float | None:
        return self.twins.refresh(cell_ended=cell_ended, is_busy=lambda: self.cell is not None)

    def _moved(self, view: LiveView, arguments: Arguments) -> None:
        """An argument changed. Inside a cell the next line may read the view, so it moves now; otherwise with the rest,
        so that of a slider's many values only the last one asks."""

        def move() -> None:
            view.ask(arguments.current())

        if self.cell is not None and threading.current_thread() is threading.main_thread():
            move()
        else:
            self.flush.later(view, move)

    def _unbind(self, view: LiveView) -> None:
        arguments = self._bindings.pop(id(view), None)
        if arguments is not None:
            arguments.close()

    def _forget(self, view: LiveView) -> None:
        self._unbind(view)
        self.flush.discard(view)
        self.cells.discard(view)
        self.twins.discard(view)


_session: Session | None = None


def get_session() -> Session:
    """Return the session of this process; a script or another front end gets one without cells."""
    global _session
    if _session is None:
        _session = Session()
    return _session


def close_session() -> None:
    """End the session; the next `get_session` begins a new one."""
    global _session
    session, _session = _session, None
    if session is not None:
        session.close()
