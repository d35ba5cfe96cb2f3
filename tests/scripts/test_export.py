from __future__ import annotations

from typing import Any, TypeAlias

import nbformat
import pytest
from nbformat import NotebookNode

from scripts.export import WIDGET_STATE, WIDGET_VIEW, to_html, without_widgets

Bundle: TypeAlias = dict[str, Any]


def executed(*bundles: Bundle, state: Bundle | None = None) -> NotebookNode:
    outputs = [nbformat.v4.new_output("display_data", data=bundle) for bundle in bundles]
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("view", outputs=outputs)])
    notebook.metadata.widgets = {WIDGET_STATE: {"state": {"m": {"state": state or {}}}}}
    return notebook


VIEW: Bundle = {WIDGET_VIEW: {"model_id": "m", "version_major": 2}}
PAIR: tuple[Bundle, Bundle] = ({"text/html": "<table>rows</table>"}, {**VIEW, "text/html": "<span></span>"})


def test_of_a_pair_the_plain_table_stays() -> None:
    still = without_widgets(executed(*PAIR))
    assert [output.data for output in still.cells[0].outputs] == [{"text/html": "<table>rows</table>"}]
    assert "widgets" not in still.metadata


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"_options_labels": ["EWR", "JFK"], "index": 1, "description": "airport"}, "airport: JFK"),
        ({"value": 5}, "5"),
        ({"value": "<b>", "description": "name"}, "name: &lt;b&gt;"),
    ],
)
def test_a_control_becomes_the_choice_that_was_made(state: Bundle, text: str) -> None:
    still = without_widgets(executed({**VIEW, "text/plain": "Dropdown()"}, state=state))
    assert [output.data for output in still.cells[0].outputs] == [{"text/html": f"<p>{text}</p>"}]


def test_the_notebook_itself_is_left_alone() -> None:
    notebook = executed(*PAIR)
    without_widgets(notebook)
    assert len(notebook.cells[0].outputs) == 2
    assert WIDGET_STATE in notebook.metadata.widgets


def test_the_page_has_no_script_and_shows_the_table() -> None:
    html = to_html(executed(*PAIR))
    assert "<table>rows</table>" in html
    assert "<script" not in html.lower()
