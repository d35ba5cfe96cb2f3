"""What `render` has made, where a view stands in a box of widgets: an output that the box shows in the view's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from ipywidgets import Output

if TYPE_CHECKING:
    from convex_nb.views.live_view import LiveView


class Placed:
    """A view's picture as a widget. It has the methods of IPython's handle of an output."""

    def __init__(self, view: LiveView) -> None:
        self._output = Output()
        self.update(view.rendered())

    @property
    def model_id(self) -> str:
        """By which a box shows it."""
        id: str = self._output.model_id
        return id

    def update(self, shown: Any) -> None:
        """Show something else."""
        shell: Any = get_ipython()
        data, metadata = shell.display_formatter.format(shown)
        self._output.outputs = ({"output_type": "display_data", "data": data, "metadata": metadata},) if data else ()

    def close(self) -> None:
        """Leave the page."""
        self._output.close()
