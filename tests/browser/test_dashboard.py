"""The dashboard in JupyterLab: every page by mouse and keyboard, in both themes, with what axe-core finds in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.lab import NotebookPage
from tests.browser.test_accessibility import axe, findings

pytestmark = pytest.mark.browser

CELLS = {
    "load": "%load_ext convex_nb\nimport convex_nb\nconvex_nb.set_current(convex_nb.open(mode='prod'))",
    "send": """%%convex_mutation messages -q
def send(ctx, author: str, body: str):
    print("for", author)
    return ctx.db.insert("messages", {"author": author, "body": body})
def later(ctx, ms: float):
    return ctx.scheduler.run_after(ms, "messages:send", {"author": "late", "body": "later"})
""",
    "recent": """%%convex_query messages -q --no-live
def recent(ctx, author: str | None = None):
    return ctx.db.query("messages").order("desc").take(50)
""",
    "fill": """for number in range(4):
    send(author=["Ada", "Bob"][number % 2], body=f"<b>{number}</b>")
later(ms=3_600_000)
dep = convex_nb.current()
dep.env["KEY"] = "s3cr3t"
dep.files.store(b"hello", content_type="text/plain")""",
    "dashboard": "%convex dashboard",
    "more": "send(author='Zoe', body='from another cell')",
}
PAGES = {"JupyterLab Light": ("data", "files", "logs"), "JupyterLab Dark": ("functions", "settings", "health")}
"""Looked at by axe-core in each theme: every kind of block is on one of them."""


def test_a_dashboard_is_used(notebook: NotebookPage, screens: Path) -> None:
    notebook.write("dashboard.ipynb", CELLS)
    for cell in [*CELLS][:-1]:
        notebook.run(cell)
    board = notebook.cell("dashboard").locator(".cx-dash")
    keyboard = notebook.page.keyboard

    def turn(page: str) -> None:
        board.get_by_role("button", name=page, exact=True).click()
        notebook.cell("dashboard").locator(f".cx-dash[data-page='{page}']").wait_for()

    turn("data")
    table = board.locator(".cx:not(.cx-dash)[data-path='messages'][data-rows='4']")
    table.wait_for()
    notebook.run("more")
    board.locator(".cx:not(.cx-dash)[data-rows='5']").wait_for()
    board.get_by_role("button", name="+ Filter").click()
    board.get_by_label("Value").fill("Ada")
    keyboard.press("Enter")
    board.locator(".cx:not(.cx-dash)[data-rows='2']").wait_for()
    board.get_by_role("button", name="Delete all shown").click()
    typed = board.get_by_label("Type messages to go on")
    typed.wait_for()
    assert typed.evaluate("box => box === document.activeElement")
    keyboard.type("message")
    keyboard.press("Enter")
    board.get_by_text("Nothing was done").wait_for()
    assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == len(CELLS)
    notebook.page.screenshot(path=screens / "dashboard-confirm-light.png")
    board.get_by_label("Type messages to go on").fill("messages")
    keyboard.press("Enter")
    board.get_by_text("2 documents deleted from messages.").wait_for()
    board.locator(".cx:not(.cx-dash)[data-rows='0']").wait_for()

    turn("functions")
    board.locator(".cx-item-button", has_text="recent").click()
    board.locator(".cx-form[data-path='messages:recent'] .cx-run").click()
    board.locator(".cx[data-path='messages:recent'][data-rows='3']").wait_for()
    board.locator(".cx-item-button", has_text="send").press("Enter")
    form = board.locator(".cx-form[data-path='messages:send']")
    form.locator("textarea").first.fill("Eve")
    form.locator("textarea").last.fill("by the form")
    form.locator(".cx-run").click()
    board.get_by_text("for Eve").wait_for()

    turn("logs")
    board.get_by_label("Text", exact=True).fill("eve")
    notebook.page.wait_for_function("() => document.querySelectorAll('[data-block=calls] tbody tr').length === 1")
    board.locator(".cx-open").press("Enter")
    board.get_by_text("Request ", exact=False).first.wait_for()

    turn("files")
    box = board.locator("input[type=file]")
    for title in ("Files (2)", "Files (3)"):
        box.set_input_files({"name": "note.txt", "mimeType": "text/plain", "buffer": b"<i>uploaded</i>"})
        board.get_by_text(title).wait_for()
        assert box.input_value() == "", "of a file that it holds already a browser says nothing"
    board.locator("pre", has_text="<i>uploaded</i>").wait_for()

    if axe() is not None:
        for theme, pages in PAGES.items():
            if theme == "JupyterLab Dark":
                notebook.theme(theme)
            for page in pages:
                turn(page)
                assert findings(notebook) == [], (theme, page)
    notebook.page.screenshot(path=screens / "dashboard-health-dark.png")
