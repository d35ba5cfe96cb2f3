"""The static pair: beside each live view a plain table, which a saved file, an export or a dead kernel still shows."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle, display

from convex_nb.notebook.placed import Placed

if TYPE_CHECKING:
    from convex_nb.views.form_view import FormView
    from convex_nb.views.live_view import LiveView

QUIET_SECONDS: Final = 1.0
"""How long commits have to pause before tables are refreshed; hidden as they are, drawing them is not free."""
LATEST_SECONDS: Final = 5.0
"""After which they are refreshed without a pause."""
WIDGET_VIEW: Final = "application/vnd.jupyter.widget-view+json"
EMPTY_HTML: Final = "<span></span>"


def starts_static() -> bool:
    """Tell whether the environment asks for results without widgets: for papermill, exports and comparisons."""
    return os.environ.get("CONVEX_NB_DISPLAY", "").lower() == "static"


@dataclass
class Twin:
    """The static output of a view on the page."""

    view: LiveView
    handle: DisplayHandle | Placed
    shown: Any  # the sheet that it shows or, of a rendered view, the moment


class Twins:
    """The static outputs of the views on the page: tables beside live widgets, refreshed when a cell ends and in the
    pauses between commits; and what `render` has made, which is all there is of such a view."""

    def __init__(self) -> None:
        self.static = starts_static()
        """Whether views are shown as tables only."""
        self._twins: dict[int, Twin] = {}
        self._placed: dict[int, Placed] = {}
        self._refreshed = 0.0
        self._called = 0.0
        self._drawing = threading.RLock()

    @property
    def shows_widgets(self) -> bool:
        """Whether what is shown may be a widget: not where there is no browser, nor where tables are asked for."""
        return not self.static and _has_browser()

    def show(self, view: LiveView) -> None:
        """Display a view: as a pair where a browser may run it, as one bundle elsewhere."""
        if view.render is not None:
            moment = view.moment
            self._twins[id(view)] = Twin(view, display(view.rendered(), display_id=True), moment)
            return
        sheet = view.sheet()
        bundle, metadata = view._repr_mimebundle_() or ({}, {})
        if WIDGET_VIEW not in bundle or not self.shows_widgets:
            display(sheet)
        elif "google.colab" in sys.modules:
            # Each output is a frame of its own there: the widget could not hide its twin.
            display(bundle, metadata=metadata, raw=True)
        else:
            handle = display(sheet, display_id=True)
            # Viewers without widgets draw the table above; a second text below it would say it twice.
            widget = {"text/plain": repr(view), "text/html": EMPTY_HTML, WIDGET_VIEW: bundle[WIDGET_VIEW]}
            display(widget, metadata=metadata, raw=True)
            self._twins[id(view)] = Twin(view, handle, sheet)

    def place(self, view: LiveView) -> str:
        """Return the name of the widget that shows in a box what `render` makes of a view."""
        placed = self._placed.get(id(view))
        if placed is None:
            moment = view.moment
            placed = self._placed[id(view)] = Placed(view)
            self._twins[id(placed)] = Twin(view, placed, moment)
        return placed.model_id

    def show_form(self, form: FormView) -> None:
        """Display a form: what it would ask for, where nobody can enter it."""
        sheet = form.sheet()
        bundle, metadata = form._repr_mimebundle_() or ({}, {})
        if WIDGET_VIEW not in bundle or not self.shows_widgets:
            display(sheet)
        elif "google.colab" in sys.modules:
            display(bundle, metadata=metadata, raw=True)
        else:
            if sheet.title:
                display(sheet)
            widget = {"text/plain": repr(form), "text/html": EMPTY_HTML, WIDGET_VIEW: bundle[WIDGET_VIEW]}
            display(widget, metadata=metadata, raw=True)

    def discard(self, view: LiveView) -> None:
        """Leave the output of a closed view as it is."""
        self._twins.pop(id(view), None)
        placed = self._placed.pop(id(view), None)
        if placed is not None:
            self._twins.pop(id(placed), None)
            placed.close()

    def settle(self) -> None:
        """Return when nothing is being drawn: what a cell draws with must not be used by two at a time."""
        with self._drawing:
            pass

    def refresh(self, *, cell_ended: bool, is_busy: Callable[[], bool]) -> float | None:
        """Bring the outputs up to date; return the seconds to wait where it is too early, None when nothing is left."""
        twins = list(self._twins.values())
        for twin in twins:
            with self._drawing:
                # `render` is the user's, and may draw with what a running cell draws with at the same time.
                moment = twin.view.moment
                if twin.view.render is not None and not is_busy() and not _is_same(twin.shown, moment):
                    twin.shown = moment
                    twin.handle.update(twin.view.rendered())
        tables = [twin for twin in twins if twin.view.render is None]
        if not tables:
            return None
        now, called = time.monotonic(), self._called
        self._called = now
        if not cell_ended and now - called < QUIET_SECONDS and now - self._refreshed < LATEST_SECONDS:
            return QUIET_SECONDS
        for twin in tables:
            sheet = twin.view.sheet()
            if sheet != twin.shown:
                twin.shown = sheet
                twin.handle.update(sheet)
        self._refreshed = now
        return None


def _is_same(a: tuple[object, ...], b: tuple[object, ...]) -> bool:
    # By identity: results may be long, and `==` of what a user returns may be anything.
    return all(x is y for x, y in zip(a, b, strict=True))


def _has_browser() -> bool:
    """Tell whether outputs go to a front end that can run widgets; a terminal cannot."""
    shell: Any = get_ipython()
    return getattr(shell, "kernel", None) is not None
