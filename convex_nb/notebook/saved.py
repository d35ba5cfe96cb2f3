"""The static pair: beside each live view a plain table, which a saved file, an export or a dead kernel still shows."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from IPython.display import DisplayHandle, display

if TYPE_CHECKING:
    from convex_nb.views.live_view import LiveView
    from convex_nb.views.sheet import Sheet

REFRESH_SECONDS: Final = 1.0
WIDGET_VIEW: Final = "application/vnd.jupyter.widget-view+json"
EMPTY_HTML: Final = "<span></span>"


def starts_static() -> bool:
    """Tell whether the environment asks for results without widgets: for papermill, exports and comparisons."""
    return os.environ.get("CONVEX_NB_DISPLAY", "").lower() == "static"


class Twins:
    """The static tables of the views on the page: refreshed at most once a second, and when a cell ends."""

    def __init__(self) -> None:
        self.static = starts_static()
        """Whether views are shown as tables only."""
        self._handles: dict[int, tuple[LiveView, DisplayHandle, Sheet]] = {}
        self._refreshed = 0.0

    def show(self, view: LiveView) -> None:
        """Display a view: as a pair where a browser may run it, as one bundle of texts elsewhere."""
        sheet = view.sheet()
        if self.static or view.comm is None or not _has_browser():
            display(sheet)
            return
        handle = display(sheet, display_id=True)
        bundle, metadata = view._repr_mimebundle_() or ({}, {})
        # Viewers without widgets draw the table above; a second text below it would say it twice.
        display({**bundle, "text/html": EMPTY_HTML}, metadata=metadata, raw=True)
        self._handles[id(view)] = (view, handle, sheet)

    def discard(self, view: LiveView) -> None:
        """Leave the table of a closed view as it is."""
        self._handles.pop(id(view), None)

    def refresh(self, *, cell_ended: bool) -> float | None:
        """Bring the tables up to date; return the seconds to wait where it is too early, None when nothing is left."""
        wait = self._refreshed + REFRESH_SECONDS - time.monotonic()
        if not self._handles:
            return None
        if wait > 0 and not cell_ended:
            return wait
        for key, (view, handle, shown) in list(self._handles.items()):
            sheet = view.sheet()
            if sheet != shown:
                handle.update(sheet)
                self._handles[key] = (view, handle, sheet)
        self._refreshed = time.monotonic()
        return None


def _has_browser() -> bool:
    """Tell whether outputs go to a front end that can run widgets; a terminal cannot."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    return getattr(shell, "kernel", None) is not None
