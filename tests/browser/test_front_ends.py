"""The same views in the other front ends of Jupyter: Notebook 7, and Voila, which shows a notebook as an app."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

CELLS = {
    "load": "%load_ext convex_nb\nimport ipywidgets\nfrom convex_nb import form, live",
    "add": """%%convex_mutation -q
def add(ctx, text: str):
    return ctx.db.insert("notes", {"text": text, "size": len(text)})
""",
    "notes": """%%convex_query -q --no-live
def notes(ctx):
    return ctx.db.query("notes").collect()
""",
    "app": "add(text='hello')\nipywidgets.VBox([live(notes), form(add)])",
}


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")


def used(notebook: NotebookPage, screen: Path) -> None:
    """Enter a note in the form of the open page and see it in the table."""
    page = notebook.page
    page.locator(".cx[data-state='live'][data-rows='1']").wait_for()
    page.locator(".cx-form textarea").fill("from here")
    page.locator(".cx-run").click()
    page.locator(".cx[data-state='live'][data-rows='2']").wait_for()
    page.screenshot(path=screen)


@needs("notebook")
def test_notebook_7(notebook: NotebookPage, screens: Path) -> None:
    notebook.put("front.ipynb", CELLS)
    page = notebook.page
    page.goto(f"{notebook.lab.url}/notebooks/front.ipynb?token={notebook.lab.token}", wait_until="domcontentloaded")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    # The notebook's own indicator says idle even before there is a kernel, and what runs then is lost. This one says
    # nothing, and fades, once the kernel is.
    page.locator(".jp-NotebookKernelStatus-fade:empty").wait_for(state="attached")
    notebook.errors.clear()  # of the front end's own start
    for cell in CELLS:
        notebook.run(cell)
    used(notebook, screens / "notebook7.png")


@needs("voila")
def test_voila_shows_a_notebook_as_an_app(notebook: NotebookPage, screens: Path) -> None:
    notebook.put("app.ipynb", CELLS)
    notebook.page.goto(
        f"{notebook.lab.url}/voila/render/app.ipynb?token={notebook.lab.token}", wait_until="domcontentloaded"
    )
    used(notebook, screens / "voila.png")
    # Voila's page asks for its own fonts and MathJax; where it gets none, it goes without.
    assert {urlsplit(url).hostname for url in notebook.outside} <= {"cdn.jsdelivr.net", "cdnjs.cloudflare.com"}
    assert not [url for url in notebook.outside if "widget" in url]
    notebook.outside.clear()
    notebook.errors[:] = [each for each in notebook.errors if "cdn" not in each and "voila/static" not in each]
