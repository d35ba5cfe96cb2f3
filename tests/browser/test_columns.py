"""Columns as a reader arranges them: which are shown, in which order, how wide."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

CELLS = {
    "load": "%load_ext convex_nb",
    "fill": """%%convex_mutation --once seed
for number in range(3):
    blurb = "a long story " * 30
    db.insert("books", {"title": f"Book {number}", "blurb": blurb, "pages": 100 + number, "tags": ["a", "b"]})
""",
    "books": """%%convex_query books
def books(ctx):
    return ctx.db.query("books").collect()
""",
}


def heads(table: Locator) -> list[str]:
    return table.locator("th .cx-name").all_inner_texts()


def test_columns_are_chosen_moved_and_sized_and_stay_so(notebook: NotebookPage, screens: Path) -> None:
    notebook.write("columns.ipynb", CELLS)
    for cell in CELLS:
        notebook.run(cell)
    table = notebook.view("books", state="live", rows=3)
    keyboard, mouse = notebook.page.keyboard, notebook.page.mouse
    assert heads(table) == ["title", "blurb", "pages", "tags", "_creationTime", "_id"]

    table.get_by_role("button", name="choose the columns").click()
    table.get_by_role("checkbox", name="pages").uncheck()
    table.locator("th", has_text="pages").wait_for(state="detached")
    table.get_by_role("checkbox", name="_creationTime").uncheck()
    table.get_by_text("4 of 6 columns").wait_for()
    table.get_by_role("checkbox", name="_creationTime").press("Escape")
    assert table.get_by_role("checkbox").count() == 0

    head = table.locator("th", has_text="blurb")
    box = head.bounding_box()
    assert box is not None
    mouse.move(box["x"] + box["width"] - 3, box["y"] + 10)
    mouse.down()
    mouse.move(box["x"] + 120, box["y"] + 10, steps=4)
    mouse.up()
    notebook.page.wait_for_function("head => Math.abs(head.offsetWidth - 123) <= 3", arg=head.element_handle())
    assert head.get_attribute("aria-sort") == "none", "a dragged edge does not sort"

    box = table.locator("th", has_text="tags").bounding_box()
    assert box is not None
    mouse.move(box["x"] + 20, box["y"] + 10)
    mouse.down()
    mouse.move(table.locator("th").first.bounding_box()["x"] + 4, box["y"] + 10, steps=4)  # type: ignore[index]
    mouse.up()
    table.locator("th:first-child", has_text="tags").wait_for()
    assert heads(table) == ["tags", "title", "blurb", "_id"]

    table.locator("td").first.click()
    keyboard.press("ArrowUp")
    keyboard.press("Shift+ArrowRight")
    table.locator("th:nth-child(2):focus", has_text="tags").wait_for()
    width = table.locator("th:focus").evaluate("head => head.offsetWidth")
    keyboard.press("Alt+ArrowRight")
    assert table.locator("th:focus").evaluate("head => head.offsetWidth") > width
    notebook.cell("books").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "columns-light.png")

    notebook.run("books")
    table = notebook.view("books", state="live", rows=3)
    assert heads(table) == ["title", "tags", "blurb", "_id"]
    assert abs(table.locator("th", has_text="blurb").evaluate("head => head.offsetWidth") - 123) <= 3
    table.get_by_role("button", name="choose the columns").click()
    notebook.theme("JupyterLab Dark")
    notebook.cell("books").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "columns-dark.png")
    table.get_by_role("button", name="all columns").click()
    table.locator("th:nth-child(6)").wait_for()
    assert heads(table) == ["title", "blurb", "pages", "tags", "_creationTime", "_id"]
