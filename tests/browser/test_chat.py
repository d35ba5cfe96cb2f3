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
    ada, grace = panes.get_by_label("body").all()
    for number, (box, text) in enumerate([(ada, "Are you there?"), (grace, "Always :)")], start=1):
        box.fill(text)
        box.press("Enter")
        for side in (0, 1):
            view = panes.locator(f'.cx[data-path="chat:recent"][data-rows="{number}"]').nth(side)
            view.locator("td", has_text=text).wait_for()
    panes.scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "chat.png")
