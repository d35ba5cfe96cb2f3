"""How live views follow: together, in step with a busy notebook, on every page that shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.lab import Lab, NotebookPage, whole
from tests.until import until

pytestmark = pytest.mark.browser

CELLS = {
    "load": "%load_ext convex_nb\nimport ipywidgets, pathlib, threading, time\nfrom convex_nb import live",
    "add": """%%convex_mutation -q
def add(ctx, n: float):
    return ctx.db.insert("rows", {"n": n})
""",
    "rows": """%%convex_query -q --no-live
def rows(ctx, most: int):
    return ctx.db.query("rows").order("desc").take(most)
""",
    "views": "add(n=-1)\nipywidgets.VBox([live(rows, most=most) for most in (5000, 4000, 3000)])",
    "one": "add(n=0)",
    # Slowly until the page has seen enough of it, and then as fast as it can.
    "loop": """made = []
def loop():
    commits = 0
    while not pathlib.Path("enough").exists():
        add(n=0)
        commits += 1
        time.sleep(0.01 + commits / 5000)
    for n in range(100):
        add(n=n)
    made.append(commits + 100)
""",
    "thread": "thread = threading.Thread(target=loop)\nthread.start()",
    "wait": "thread.join()\nprint(made[-1])",
    "cell": "loop()\nprint(made[-1])",
    "same": "display(live(rows, most=5000))\nloop()\nprint(made[-1])",
    "many": "for n in range(150):\n    add(n=n)",
}

PAGES = "globalThis[Symbol.for('convex_nb.pages')] = window.pages = new Map()"
MODELS = "() => [...pages.values()].reduce((sum, page) => sum + page.views.size, 0)"
RECORD = """() => {
    window.frames_ = [];
    window.apart = 0;
    const look = () => {
        const commits = new Set([...document.querySelectorAll(".cx")].map((view) => view.dataset.ts));
        if (commits.size > 1) apart += 1;
        const [commit] = commits;
        if (frames_.at(-1) !== commit) frames_.push(commit);
        requestAnimationFrame(look);
    };
    look();
}"""
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def run(notebook: NotebookPage, *cells: str) -> None:
    for cell in cells:
        notebook.run(cell)


def watch(notebook: NotebookPage, *cells: str) -> tuple[int, int]:
    """Runs cells that loop until the page has seen enough; how many commits they made, and how many were drawn."""
    enough = notebook.lab.folder / "enough"
    enough.unlink(missing_ok=True)
    before = notebook.page.evaluate("frames_.length")
    notebook.start(cells[0])
    notebook.page.wait_for_function("before => frames_.length > before + 4", arg=before)
    enough.touch()
    notebook.finish(cells[0])
    run(notebook, *cells[1:])
    commits = int(notebook.cell(cells[-1]).locator(".jp-OutputArea-output pre").last.inner_text())
    return commits, notebook.page.evaluate("frames_.length") - before


def settled(notebook: NotebookPage, rows: int, views: int = 3) -> None:
    """All views of the page show so many rows."""
    notebook.page.wait_for_function(
        "([rows, views]) => document.querySelectorAll(`.cx[data-state=live][data-rows='${rows}']`).length === views",
        arg=[str(rows), views],
    )


def save(notebook: NotebookPage, name: str) -> None:
    """Saves the notebook, and returns when its outputs are in the file."""
    notebook.cell("one").locator(".cm-content").click()
    notebook.page.keyboard.press("Escape")
    notebook.page.keyboard.press("Control+s")
    file = notebook.lab.folder / name

    def is_kept() -> bool:
        written = whole(file)
        outputs = [] if written is None else written.cells[3].outputs
        return any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)

    until(is_kept)


def models(notebook: NotebookPage, number: int) -> None:
    """Returns when so many views are known to the page: those that were closed hear of it a moment later."""
    notebook.page.wait_for_function(f"({MODELS})() === {number}")


def test_views_move_together_whoever_commits(notebook: NotebookPage) -> None:
    notebook.write("together.ipynb", CELLS)
    run(notebook, "load", "add", "rows", "loop", "views")
    settled(notebook, 1)
    notebook.page.evaluate(RECORD)
    run(notebook, "one")
    settled(notebook, 2)
    by_thread, drawn = watch(notebook, "thread", "wait")
    settled(notebook, 2 + by_thread)
    assert drawn < by_thread - 50, "commits of a thread are seen before the last one, and folded"
    by_cell, drawn = watch(notebook, "cell")
    settled(notebook, 2 + by_thread + by_cell)
    assert drawn < by_cell - 50, "so are those of a cell that runs"
    assert notebook.page.evaluate("apart") == 0, "in no frame one view was ahead of another"


def test_a_cell_that_shows_a_view_moves_it_while_it_runs(notebook: NotebookPage) -> None:
    notebook.write("same.ipynb", CELLS)
    run(notebook, "load", "add", "rows", "loop")
    notebook.page.evaluate(RECORD)
    commits, _ = watch(notebook, "same")
    settled(notebook, commits, views=1)


def test_nothing_is_drawn_while_nobody_looks(notebook: NotebookPage) -> None:
    notebook.write("hidden.ipynb", CELLS)
    run(notebook, "load", "add", "rows", "loop", "views")
    settled(notebook, 1)
    notebook.page.evaluate(RECORD)
    notebook.page.evaluate(HIDE, True)
    run(notebook, "one", "many")
    notebook.page.wait_for_timeout(300)
    assert notebook.page.evaluate("frames_.length") == 1
    notebook.page.evaluate(HIDE, False)
    settled(notebook, 152)
    assert notebook.page.evaluate("frames_.length") == 2, "what was missed is one update"


def test_every_page_follows_and_none_is_left_behind(
    notebook: NotebookPage, browser: Browser, lab: Lab, screens: Path
) -> None:
    notebook.page.add_init_script(PAGES)
    notebook.write("pages.ipynb", CELLS)
    run(notebook, "load", "add", "rows", "views", "one")
    settled(notebook, 2)
    for rows in range(3, 8):
        run(notebook, "views")
        # A view that is closed before its script has begun hears nothing of it.
        settled(notebook, rows)
    models(notebook, 3)  # a cell that runs again keeps its views

    save(notebook, "pages.ipynb")
    other = NotebookPage(browser, lab)
    try:
        other.page.add_init_script(PAGES)
        other.open("pages.ipynb")
        settled(other, 7)
        run(notebook, "one")
        settled(notebook, 8)
        settled(other, 8)
        models(other, 3)
    finally:
        other.close()
    assert (other.errors, other.outside) == ([], [])
    run(notebook, "one")
    settled(notebook, 9)

    notebook.cell("views").locator(".cx").first.click(button="right")
    notebook.page.locator(".lm-Menu-itemLabel", has_text="Create New View for Cell Output").click()
    settled(notebook, 9, views=6)
    run(notebook, "one")
    settled(notebook, 10, views=6)
    models(notebook, 3)
    notebook.page.screenshot(path=screens / "flow-second-view-light.png")

    notebook.open("pages.ipynb")
    settled(notebook, 10)
    run(notebook, "one")
    settled(notebook, 11)
    models(notebook, 3)

    notebook.page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").click()
    notebook.page.locator(".lm-Menu-itemLabel", has_text="Restart Kernel…").first.click()
    notebook.page.locator(".jp-Dialog button", has_text="Restart").click()
    notebook.page.wait_for_function("() => document.querySelectorAll('.cx[data-state=stale]').length === 3")
    models(notebook, 0)  # views of a kernel that is gone
    for name, theme in [("dark", "JupyterLab Dark"), ("light", "JupyterLab Light")]:
        notebook.theme(theme)
        notebook.cell("views").scroll_into_view_if_needed()
        notebook.page.screenshot(path=screens / f"flow-restarted-{name}.png")
    notebook.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()
    run(notebook, "load", "add", "rows", "views", "one")
    settled(notebook, 2)
    models(notebook, 3)
