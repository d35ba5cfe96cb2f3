"""A view of a million rows: whole in the kernel, a window of it on the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, WebSocket

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

ROWS = 1_000_000
MOST_BYTES = 20_000
"""What one update of a view may send."""

CELLS = {
    "load": "%load_ext convex_nb\nimport numpy, pyarrow\nimport convex_nb",
    "import": (
        f"table = pyarrow.table({{'n': numpy.arange({ROWS}), 'text': numpy.arange({ROWS}).astype(str)}})\n"
        "convex_nb.current().import_table('rows', table)"
    ),
    "rows": '%%convex_query\ndef rows(ctx):\n    return ctx.db.query("rows").collect()\n',
    "add": '%%convex_mutation -q\ndef add(ctx, n: float):\n    return ctx.db.insert("rows", {"n": n, "text": ""})\n',
    "one": "add(n=2_000_000)",
}


def shows_in_first_column(table: Locator, text: str) -> None:
    table.locator("tbody tr").locator("td:first-of-type").get_by_text(text, exact=True).wait_for()


def test_a_million_rows_and_the_keyboard_only(notebook: NotebookPage, screens: Path) -> None:
    received: list[int] = []

    def on_socket(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: received.append(len(frame)))

    notebook.page.on("websocket", on_socket)
    notebook.write("large.ipynb", CELLS)
    for cell in ("load", "import", "rows", "add"):
        notebook.run(cell)
    table = notebook.view("rows", state="live", rows=ROWS)
    assert table.locator("tbody tr").count() < 200, "the page holds a window"

    keyboard = notebook.page.keyboard
    table.locator("tbody td").first.click()
    keyboard.press("Control+End")
    shows_in_first_column(table, "999999")
    keyboard.press("Control+Home")
    shows_in_first_column(table, "0")
    keyboard.press("ArrowUp")
    keyboard.press("Enter")
    keyboard.press("Enter")
    table.locator("th[aria-sort=descending]").wait_for()
    shows_in_first_column(table, "999999")

    received.clear()
    notebook.run("one")
    shows_in_first_column(table, "2000000")
    assert sum(received) < MOST_BYTES, "with all that the cell itself is told"
    notebook.page.screenshot(path=screens / "large-light.png")
