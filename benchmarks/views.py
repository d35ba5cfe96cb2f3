"""Live views in JupyterLab: how soon a commit is painted, and what views cost a loop of commits."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.harness import Line, Unmeasured
from convex_nb.views.modules import bundle
from tests.browser.lab import NotebookPage, find_chromium, running_chromium, running_lab

MANY: Final = 20
FEW: Final = 5
PAINTS: Final = 10
BETWEEN: Final = 0.25
"""Seconds between two commits."""
PROMISED: Final = {1: 0.05, MANY: 0.1}
"""Seconds from a commit until so many views have painted it."""
LOOP: Final = f"a commit in a loop of 10,000 under {FEW} live views"
SPEED: Final = 0.7
"""Of the speed of the same loop under no view."""
MODULE_BYTES: Final = 40_000

CELLS: Final = {
    "load": """%load_ext convex_nb
import json, threading, time
import convex_nb, ipywidgets
from convex_nb import live
""",
    "add": """%%convex_mutation -q
def add(ctx, n: float):
    return ctx.db.insert("rows", {"n": n, "text": f"row {n}", "done": n % 2 == 0})
""",
    "rows": """%%convex_query -q --no-live
def rows(ctx, most: int):
    return ctx.db.query("rows").order("desc").take(most)
""",
    "commits": f"""def commit():
    for n in range({PAINTS}):
        time.sleep({BETWEEN})
        add(n=n)
threading.Thread(target=commit).start()
""",
    "one": "for n in range(100): add(n=n)\nlive(rows, most=30)",
    "more": f"views = [live(rows, most=31 + k) for k in range({MANY - 1})]\nipywidgets.VBox(views)",
    "fewer": f"for view in views[{FEW - 1}:]: view.close()",
    # In turns, by one kernel: a deployment that the views follow and one that nobody looks at.
    "loops": """def loop(deployment):
    time.sleep(0.3)
    start = time.perf_counter()
    for n in range(10_000): deployment.mutation(add, n=n)
    return time.perf_counter() - start

watched, alone = convex_nb.current(), convex_nb.open()
alone.register(add)
times = [[loop(watched), loop(alone)] for _ in range(3)]
print(json.dumps(times))
""",
}

WATCH: Final = """() => {
    window.painted = {};
    const look = () => {
        const commits = new Set([...document.querySelectorAll(".cx")].map((view) => view.dataset.ts));
        const [commit] = commits;
        if (commits.size > 1 || commit in painted) return;
        painted[commit] = null;
        // All views have drawn it, and when the next frame begins this one has been painted.
        requestAnimationFrame(() => {
            painted[commit] = (performance.timeOrigin + performance.now()) / 1e3 - Number(commit) / 1e9;
        });
    };
    look();
    const observer = new MutationObserver(look);
    for (const view of document.querySelectorAll(".cx")) observer.observe(view, { attributeFilter: ["data-ts"] });
}"""


def lines() -> Iterator[Line | Unmeasured]:
    """Every line of the table, each with what it needs."""
    yield Line(
        "the ES module of a live table",
        lambda: len(bundle("live.js").encode()),
        lambda: MODULE_BYTES,
        "the promise",
        1,
        unit="bytes",
    )
    if find_chromium() is None:
        for name in (*map(painting, PROMISED), LOOP):
            yield Unmeasured(name, "no Chromium on this machine")
        return
    with notebook() as page:
        for cell in ("load", "add", "rows"):
            page.run(cell)
        for views, cell in ((1, "one"), (MANY, "more")):
            page.run(cell)
            yield Line(
                painting(views),
                lambda views=views: seconds_to_paint(page, views),  # type: ignore[misc]
                lambda views=views: PROMISED[views],  # type: ignore[misc]
                "the promise",
                1,
                returned=True,
            )
        page.run("fewer")
        page.run("loops")
        output = page.cell("loops").locator(".jp-OutputArea-output")
        output.wait_for()
        watched, alone = zip(*json.loads(output.inner_text()), strict=True)
        yield Line(
            LOOP,
            lambda: statistics.median(watched) / 10_000,
            lambda: statistics.median(alone) / 10_000,
            "the same loop under none",
            1 / SPEED,
            returned=True,
        )


def painting(views: int) -> str:
    return (
        f"from a commit until {'a live view has' if views == 1 else f'{views} live views have'} painted it, in Chromium"
    )


@contextmanager
def notebook() -> Iterator[NotebookPage]:
    """These cells in JupyterLab, none of them run."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_chromium() as browser,
        running_lab(Path(folder), Path(folder) / ".jupyter") as lab,
    ):
        page = NotebookPage(browser, lab)
        page.write("views.ipynb", CELLS)
        yield page
        page.close()


def seconds_to_paint(page: NotebookPage, views: int) -> float:
    """The median over some commits that another thread makes, one after another."""
    page.page.wait_for_function(
        "views => document.querySelectorAll('.cx[data-state=live]').length === views", arg=views
    )
    page.page.evaluate(WATCH)
    page.run("commits")
    page.page.wait_for_timeout(1000 * BETWEEN * (PAINTS + 2))
    # The first one was there before.
    painted: list[float | None] = list(page.page.evaluate("painted").values())[1:]
    return statistics.median([seconds for seconds in painted if seconds is not None])
