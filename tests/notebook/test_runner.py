"""The closed form below a cell that defines mutations or actions."""

from __future__ import annotations

from typing import Any

import pytest
from ipywidgets.widgets import widget as widget_module

from convex_nb.notebook.saved import WIDGET_VIEW
from convex_nb.views.form_view import FormView
from convex_nb.views.runner import Runner
from tests.notebook.conftest import Notebook

SEND = """%%convex_mutation messages{options}
def send(ctx, author: str, body: str):
    return ctx.db.insert("messages", {{"author": author, "body": body}})
def clear(ctx):
    return None
"""


def cell(options: str = "") -> str:
    return SEND.format(options=options)


@pytest.fixture
def page(notebook: Notebook) -> Notebook:
    """A notebook with a browser."""
    notebook.use_browser()
    return notebook


def runners(notebook: Notebook) -> list[Runner]:
    views: list[Any] = [view for views in notebook.session.cells._views.values() for view in views]
    return [view for view in views if isinstance(view, Runner)]


def test_each_function_has_a_form_that_runs_it(page: Notebook) -> None:
    page.ok(cell(), "a")
    send, clear = runners(page)
    assert (send.path, clear.path) == ("messages:send", "messages:clear")
    assert send.shape["closed"] is True
    assert send.shape["kind"] == "mutation"
    send._from_browser({"type": "submit", "entries": {"author": "Ada", "body": "x"}})
    assert "wrote 1 (messages +1)" in send.answer["note"]
    page.ok("%%convex_action mail\nasync def post(ctx, to: str):\n    return to", "b")
    assert runners(page)[-1].shape["kind"] == "action"


def test_running_the_cell_again_leaves_nothing_behind(page: Notebook) -> None:
    page.ok(cell(), "a")
    first = runners(page)
    count = len(widget_module._instances)
    for _ in range(30):
        page.ok(cell(), "a")
    assert runners(page) == first
    assert len(widget_module._instances) == count
    page.ok("%%convex_mutation messages\ndef send(ctx, author: str):\n    return None", "a")
    assert [(view.path, len(view.shape["fields"])) for view in runners(page)] == [("messages:send", 1)]
    assert first[1].comm is None


def test_a_form_in_the_same_cell_is_another_one(page: Notebook) -> None:
    page.ok("from convex_nb import form")
    text = cell() + "form(send)\n"
    shown = page.ok(text, "a").value
    assert isinstance(shown, FormView)
    assert not isinstance(shown, Runner)
    assert page.ok(text, "a").value is shown
    assert len(runners(page)) == 2


@pytest.mark.parametrize(
    "text",
    [cell(" -q"), "%%convex_query messages\ndef every(ctx):\n    return ctx.db.query('messages').collect()"],
)
def test_quiet_cells_and_queries_have_none(page: Notebook, text: str) -> None:
    page.ok(text)
    assert runners(page) == []


def test_there_is_none_on_paper(page: Notebook) -> None:
    page.ok("%convex display static")
    ran = page.ok(cell(), "a")
    assert runners(page) == []
    assert WIDGET_VIEW not in str(ran.bundles)
    page.ok("%convex display live")
    page.ok(cell(), "a")
    (send, _) = runners(page)
    assert send.sheet().text() == ""
    assert "<table" not in send.sheet().html()


def test_without_a_browser_there_is_none(notebook: Notebook) -> None:
    notebook.ok(cell())
    assert runners(notebook) == []
