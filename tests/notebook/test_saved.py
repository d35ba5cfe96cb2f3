"""What is on the page, and what a saved notebook shows without a kernel."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from ipywidgets.widgets import widget as widget_module
from nbclient import NotebookClient

from tests.notebook.conftest import CHAT, Notebook

WIDGET = "application/vnd.jupyter.widget-view+json"
LEFT_BEHIND = """import threading
from ipywidgets.widgets import widget

print([len(widget._instances), threading.active_count(), current().statistics().reactor.watched])
"""


def test_a_view_is_shown_as_a_pair(chat: Notebook) -> None:
    chat.use_browser()
    ran = chat.ok("view = live(recent)\nview", "a")
    table, widget = ran.bundles
    assert f'data-convex-static="{chat["view"].mark}"' in table["text/html"]
    assert WIDGET in widget
    assert widget["text/html"] == "<span></span>"


def test_the_table_of_the_pair_follows_at_the_end_of_each_cell(chat: Notebook) -> None:
    chat.use_browser()
    chat.ok("live(recent)", "a")
    ran = chat.ok('send(author="Ada", body="hello")')
    (update,) = ran.updates
    assert "hello" in update["text/html"]
    assert chat.ok("1").updates == []


def test_a_closed_view_leaves_its_table_as_it_is(chat: Notebook) -> None:
    chat.use_browser()
    chat.ok("view = live(recent)\nview", "a")
    chat.ok("view.close()")
    assert chat.ok('send(author="Ada", body="hello")').updates == []


def test_without_a_browser_a_view_is_text(chat: Notebook) -> None:
    chat.ok('send(author="Ada", body="hello")')
    (bundle,) = chat.ok("live(recent)").bundles
    assert WIDGET not in bundle
    assert bundle["text/plain"].splitlines()[3] == "Ada     hello"
    assert "run the notebook" not in bundle["text/plain"]


def test_static_mode_shows_no_widget(chat: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    chat.use_browser()
    assert WIDGET in chat.ok("live(recent)", "a").bundles[-1]
    chat.ok("%convex display static")
    assert [WIDGET in bundle for bundle in chat.ok("live(recent)", "a").bundles] == [False]
    chat.ok("%convex display live")
    assert WIDGET in chat.ok("live(recent)", "a").bundles[-1]
    monkeypatch.setenv("CONVEX_NB_DISPLAY", "static")
    chat.ok("%reload_ext convex_nb")
    assert [WIDGET in bundle for bundle in chat.ok("live(recent)", "a").bundles] == [False]
    assert chat.ok("%config ConvexMagics.display").value == "static"


def test_render_shows_what_it_makes_of_the_value(chat: Notebook) -> None:
    chat.use_browser()
    chat.ok("from IPython.display import HTML\ncount = lambda rows: HTML(f'<b>{len(rows)} messages</b>')")
    ran = chat.ok("view = live(recent, render=count)\nview", "a")
    assert [bundle.get("text/html") for bundle in ran.bundles] == ["<b>0 messages</b>"]
    (update,) = chat.ok('send(author="Ada", body="hello")').updates
    assert update["text/html"] == "<b>1 messages</b>"
    assert chat.ok("1").updates == []
    chat.ok("view.close()")
    assert chat.ok('send(author="Ada", body="hello")').updates == []


def test_render_waits_while_a_cell_runs(chat: Notebook) -> None:
    chat.use_browser()
    chat.ok("from convex_nb.notebook.session import get_session\nseen = []")
    chat.ok("live(recent, render=lambda rows: seen.append(len(rows)))", "a")
    chat.ok('for i in range(3):\n    send(author="Ada", body="x")\n    get_session().flush.now()')
    assert chat["seen"] == [0, 3]


def test_an_error_of_render_is_shown_in_its_place(chat: Notebook) -> None:
    chat.use_browser()
    (bundle,) = chat.ok("live(recent, render=lambda rows: rows[0])", "a").bundles
    assert "render: IndexError" in bundle["text/plain"]
    (update,) = chat.ok('send(author="Ada", body="hello")').updates
    assert "hello" in update["text/plain"]


def test_colab_gets_one_bundle(chat: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    chat.use_browser()
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    (bundle,) = chat.ok("live(recent)", "a").bundles
    assert {WIDGET, "text/html", "text/plain"} <= bundle.keys()


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A notebook whose cells were all run twice in one kernel."""
    folder = tmp_path_factory.mktemp("notebook")
    cells = [
        "%load_ext convex_nb\nfrom convex_nb import current, define_table, live, v",
        *CHAT,
        '%%convex_mutation --once seed\ndb.insert("messages", {"author": "Ada", "body": "<b>seed</b>"})',
        'live(recent, author="Ada")',
        'for i in range(3):\n    send(author="Bob", body=f"no. {i}")',
        LEFT_BEHIND,
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel():
        runs = []
        for _ in range(2):
            for number, cell in enumerate(notebook.cells):
                client.execute_cell(cell, number)
            runs.append(nbformat.from_dict(json.loads(json.dumps(notebook))))
    return {"first": runs[0], "second": runs[1], "folder": folder}


def html_of(cell: Any) -> list[str]:
    return [output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]


def test_a_saved_notebook_has_the_latest_rows(executed: dict[str, Any]) -> None:
    table = next(html for html in html_of(executed["first"].cells[3]) if "data-convex-static" in html)
    assert "no. 2" in table
    assert "&lt;b&gt;seed&lt;/b&gt;" in table
    assert "4 rows; snapshot of" in table


def test_running_all_cells_again_gives_the_same_notebook(executed: dict[str, Any]) -> None:
    first, second = executed["first"], executed["second"]
    assert "unchanged" in html_of(second.cells[2])[0]
    assert "schema unchanged" in html_of(second.cells[1])[0]
    assert "has run already" in html_of(second.cells[4])[0]
    assert [len(cell.outputs) for cell in first.cells[1:]] == [len(cell.outputs) for cell in second.cells[1:]]
    assert "7 rows" in next(html for html in html_of(second.cells[3]) if "data-convex-static" in html)


def test_running_all_cells_again_leaves_nothing_behind(executed: dict[str, Any]) -> None:
    first, second = (executed[run].cells[-1].outputs[0].text for run in ("first", "second"))
    assert first == second


def test_a_page_exported_without_a_kernel_shows_the_rows(executed: dict[str, Any], tmp_path: Path) -> None:
    from nbconvert import MarkdownExporter

    body, _ = MarkdownExporter().from_notebook_node(executed["second"])
    assert "no. 2" in body
    assert "LiveView" not in body


def test_between_cells_tables_are_refreshed_in_a_pause(chat: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    chat.use_browser()
    chat.session.flush.close()  # no thread: the test says when
    chat.ok("view = live(recent)\nview", "a")
    chat.ok("1")
    now = [time.monotonic() + 100]
    monkeypatch.setattr("convex_nb.notebook.saved.time.monotonic", lambda: now[0])
    refreshed: list[float] = []
    handle: Any = chat.session.twins._twins[id(chat["view"])].handle
    handle.update = lambda sheet: refreshed.append(now[0])
    chat.session.flush.now()
    for _ in range(120):  # twelve seconds of commits, one every 100 ms
        chat.deployment.mutation("messages:send", author="Ada", body="x")
        now[0] += 0.1
        chat.session.flush.now()
    assert len(refreshed) == 2
    now[0] += 1
    assert chat.session.flush.now() is None
    assert refreshed[-1] == now[0]


def test_a_box_shows_what_render_makes(chat: Notebook) -> None:
    chat.use_browser()
    cell = (
        "import ipywidgets\nfrom IPython.display import HTML\n"
        "view = live(recent, render=lambda rows: HTML(f'<b>{len(rows)}</b>'))\n"
        "box = ipywidgets.HBox([view, live(recent)])"
    )
    chat.ok(cell, "box")
    view, box = chat["view"], chat["box"]
    picture, table = (widget_module._instances[child[len("IPY_MODEL_") :]] for child in box.get_state()["children"])
    assert table is box.children[1]
    assert picture.outputs[0]["data"]["text/html"] == "<b>0</b>"
    chat.ok('send(author="Ada", body="x")')
    assert picture.outputs[0]["data"]["text/html"] == "<b>1</b>"
    chat.ok(cell.replace("<b>", "<i>"), "box")
    assert chat["view"] is view
    assert picture.outputs[0]["data"]["text/html"] == "<i>1</b>"
    chat.ok("None", "box")
    assert picture.comm is None
    assert chat.session.twins._placed == {}
