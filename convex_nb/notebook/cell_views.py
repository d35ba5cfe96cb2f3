"""What belongs to which cell: one that runs again gets its views back and loses those it no longer makes; its former
subscriptions end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol, TypeVar
from weakref import WeakSet

from convex_nb.deployment.cells import Closable


class View(Protocol):
    """What is shown below a cell: a live view, or a form."""

    path: str
    shown_as: ClassVar[str]

    def close(self) -> None: ...


V = TypeVar("V", bound=View)


class CellViews:
    """Views by cell. A cell is known by the id that the front end sends or, where it sends none, by its text."""

    def __init__(self) -> None:
        self._views: dict[str, list[View]] = {}
        self._running: str | None = None
        self._former: list[View] = []
        # Weakly: whoever is open is held by what it follows.
        self._begun: dict[str, WeakSet[Closable]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._views.values()))

    def begin(self, cell: str, deleted: Iterable[str] = ()) -> None:
        """A cell starts: its former views may be taken again; those of deleted cells close."""
        for gone in deleted:
            self.close_cell(gone)
        self.end()
        self._end_begun(cell)
        self._running = cell
        self._former = self._views.pop(cell, [])

    def end(self) -> None:
        """The cell has ended: what it did not take again closes."""
        former, self._former = self._former, []
        self._running = None
        for view in former:
            view.close()

    def take(self, kind: type[V], path: str) -> V | None:
        """Return the next former view of this kind and path in the running cell, if there is one."""
        for view in self._former:
            if isinstance(view, kind) and (view.shown_as, view.path) == (kind.shown_as, path):
                self._former.remove(view)
                return view
        return None

    def add(self, view: View) -> None:
        """Note that the running cell has made, or taken again, a view."""
        if self._running is not None:
            self._views.setdefault(self._running, []).append(view)

    def keep(self, begun: Closable) -> None:
        """Note what the running cell has begun, until it runs again."""
        if self._running is not None:
            self._begun.setdefault(self._running, WeakSet()).add(begun)

    def _end_begun(self, cell: str) -> None:
        for begun in self._begun.pop(cell, ()):
            begun.close()

    def discard(self, view: View) -> None:
        """Forget a view that was closed."""
        for cell, views in list(self._views.items()):
            if view in views:
                views.remove(view)
                if not views:
                    del self._views[cell]
        if view in self._former:
            self._former.remove(view)

    def close_cell(self, cell: str) -> None:
        """Close the views of a cell, and end what it has begun."""
        self._end_begun(cell)
        for view in self._views.pop(cell, []):
            view.close()

    def close(self) -> None:
        """Close every view."""
        self.end()
        for cell in {*self._views, *self._begun}:
            self.close_cell(cell)
