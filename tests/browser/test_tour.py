"""The tour in JupyterLab, as a newcomer runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

CHAT = ["load", "chat-schema", "chat-send", "chat-recent"]
FLIGHTS = ["flights-read", "flights-schema", "flights-import", "flights-departures", "flights-board"]


def live_table(notebook: NotebookPage, cell: str, **state: object) -> Locator:
    """The live table that a cell shows, once its root says all of this about itself."""
    wanted = "".join(f'[data-{name}="{value}"]' for name, value in state.items())
    table = notebook.cell(cell).locator(f".cx{wanted}")
    table.wait_for()
    return table


def test_a_mutation_moves_the_table_of_an_earlier_cell(notebook: NotebookPage, screens: Path) -> None:
    notebook.open("tour.ipynb")
    for cell in CHAT:
        notebook.run(cell)
    live_table(notebook, "chat-recent", path="messages:recent", state="empty", rows=0)

    notebook.run("chat-hello")
    table = live_table(notebook, "chat-recent", state="live", rows=1)
    row = table.locator("tbody tr[data-key]")
    assert row.count() == 1
    assert "Ada" in row.inner_text()
    assert "hello" in row.inner_text()

    notebook.run("chat-loop")
    table = live_table(notebook, "chat-recent", state="live", rows=50)
    newest = table.locator("tbody tr[data-key]", has_text="message 99")
    newest.wait_for()

    for name, theme in [("dark", "JupyterLab Dark"), ("light", "JupyterLab Light")]:
        notebook.theme(theme)
        notebook.cell("chat-recent").scroll_into_view_if_needed()
        notebook.page.screenshot(path=screens / f"tour-{name}.png")


def test_only_the_live_one_of_the_static_pair_is_visible(notebook: NotebookPage) -> None:
    # What is saved here is not what the next test opens.
    shutil.copy(notebook.lab.folder / "tour.ipynb", notebook.lab.folder / "kept.ipynb")
    notebook.open("kept.ipynb")
    for cell in CHAT:
        notebook.run(cell)
    live_table(notebook, "chat-recent")
    twin = notebook.cell("chat-recent").locator("[data-convex-static]")
    assert twin.count() == 1
    assert not twin.is_visible()
    notebook.cell("chat-send").get_by_role("button", name="run this function").wait_for()
    notebook.save("kept.ipynb")
    notebook.end_kernels()
    notebook.reload("kept.ipynb")
    twin.wait_for()
    assert "messages:recent" in twin.inner_text()
    widgets = notebook.page.locator(".jp-Cell .jupyter-widgets")
    notebook.page.wait_for_function(
        "() => [...document.querySelectorAll('.jupyter-widgets')].some((each) => /not found/.test(each.textContent))"
    )
    assert not any(widget.is_visible() for widget in widgets.all())
    notebook.errors[:] = [error for error in notebook.errors if "model not found" not in error]


def test_a_dropdown_of_the_page_moves_a_board_of_real_flights(notebook: NotebookPage, screens: Path) -> None:
    notebook.open("tour.ipynb")
    for cell in [*CHAT, "chat-picker", *FLIGHTS]:
        notebook.run(cell)
    jfk = live_table(notebook, "flights-board", path="flights:departures", state="live")
    rows = jfk.get_attribute("data-rows")

    notebook.cell("flights-board").locator("select").select_option("LGA")
    lga = live_table(notebook, "flights-board", state="live")
    notebook.page.wait_for_function("([root, rows]) => root.dataset.rows !== rows", arg=[lga.element_handle(), rows])
    notebook.cell("flights-board").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "flights.png")
