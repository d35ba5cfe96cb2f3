"""The chat of two panes in JupyterLab, as its readers use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser


def test_what_is_written_in_one_pane_stands_in_both(notebook: NotebookPage, screens: Path) -> None:
    notebook.open("01_chat.ipynb")
    for cell in ("load", "send", "recent", "panes"):
        notebook.run(cell)
    panes = notebook.cell("panes")
    boxes = panes.get_by_role("textbox", name="body")
    for side, author, text in ((0, "Ada", "Are you there?"), (1, "Grace", "Always :)")):
        boxes.nth(side).fill(text)
        boxes.nth(side).press("Enter")
        views = panes.locator(f'.cx[data-path="chat:recent"][data-rows="{side + 1}"]')
        for view in (views.nth(0), views.nth(1)):
            view.locator("tr", has_text=text).filter(has_text=author).wait_for()
    panes.scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "chat.png")
