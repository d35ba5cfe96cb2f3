"""An executed notebook as one HTML file that needs neither a kernel nor a network."""

from __future__ import annotations

import html
import re
from typing import Any

from nbconvert import HTMLExporter
from nbformat import NotebookNode

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
TAG = re.compile(r"<[^>]*>")
SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)


def to_html(notebook: NotebookNode) -> str:
    """Tables as they were last seen, controls as the choice that was made in them; no script of any kind."""
    still = without_widgets(notebook)
    body, _ = HTMLExporter(template_name="lab").from_notebook_node(still)
    return SCRIPT.sub("", body)


def without_widgets(notebook: NotebookNode) -> NotebookNode:
    """A copy in which each widget has given way to its static form, or to nothing where it has none."""
    models = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    still = NotebookNode(notebook)
    still.metadata = NotebookNode({key: value for key, value in notebook.metadata.items() if key != "widgets"})
    still.cells = [
        NotebookNode(cell, outputs=[kept for output in cell.outputs if (kept := _still(output, models))])
        if cell.cell_type == "code"
        else cell
        for cell in notebook.cells
    ]
    return still


def _still(output: NotebookNode, models: dict[str, dict[str, Any]]) -> NotebookNode | None:
    data = output.get("data", {})
    if WIDGET_VIEW not in data:
        return output
    rest = {kind: content for kind, content in data.items() if kind != WIDGET_VIEW}
    if "text/html" in rest:
        # The live half of a pair shows nothing by itself: the plain table stands before it.
        if not TAG.sub("", "".join(rest["text/html"])).strip():
            return None
        return NotebookNode(output, data=NotebookNode(rest))
    state = models.get(data[WIDGET_VIEW]["model_id"], {}).get("state", {})
    chosen = _choice(state)
    if chosen is None:
        return None
    text = html.escape(f"{state.get('description', '')}: {chosen}".removeprefix(": "))
    return NotebookNode(output, data=NotebookNode({"text/html": f"<p>{text}</p>"}))


def _choice(state: dict[str, Any]) -> object:
    """What an ipywidgets control was set to, as text; None for anything that is not a control."""
    labels, index = state.get("_options_labels"), state.get("index")
    if isinstance(labels, list | tuple) and isinstance(index, int):
        return labels[index]
    return state.get("value")
