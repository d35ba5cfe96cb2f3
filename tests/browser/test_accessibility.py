"""What axe-core finds in the views, in both themes, and that a keyboard is enough."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

CELLS = {
    "load": "%load_ext convex_nb\nfrom convex_nb import Id, form, live, paginated",
    "plan": """%%convex_mutation tasks -q
from typing import Literal
def plan(ctx, title: str, priority: Literal["low", "high"] = "low", points: int = 1, tags: list[str] | None = None,
         after: Id["tasks"] | None = None, urgent: bool = False, rest: dict[str, float] | None = None):
    return ctx.db.insert("tasks", {"title": title, "points": points, "web": "https://example.org/" + title})
def rename(ctx, id: Id["tasks"], title: str):
    ctx.db.patch(id, {"title": title})
""",
    "tasks": """%%convex_query tasks -q --no-live
def tasks(ctx):
    return ctx.db.query("tasks").collect()
def paged(ctx, pagination_opts):
    return ctx.db.query("tasks").paginate(pagination_opts)
def one(ctx):
    return {"first": ctx.db.query("tasks").first(), "ids": [[1, 2], {"a": None}]}
def many(ctx):
    return len(ctx.db.query("tasks").collect())
def broken(ctx):
    raise ValueError("broken")
""",
    "fill": "for number in range(70):\n    plan(title=f'task {number}')",
    "table": "view = live(tasks, edit=rename)\nview",
    "pages": "paginated(paged, 5)",
    "form": "form(plan)",
    "tree": "live(one)",
    "figure": "live(many)",
    "error": "live(broken)",
    "paused": "held = live(tasks)\nheld.pause()\nheld",
}
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}


def axe() -> Path | None:
    package = find_spec("axe_playwright_python")
    return None if package is None or package.origin is None else Path(package.origin).parent / "axe.min.js"


def findings(notebook: NotebookPage) -> list[str]:
    """Return what axe finds in our own elements; the rest of the page is Jupyter's."""
    script = axe()
    assert script is not None
    notebook.page.evaluate(script.read_text(encoding="utf-8"))
    # What is out of sight is not laid out, and so has no colours to be looked at.
    notebook.page.add_style_tag(content=".cx { content-visibility: visible !important; }")
    found: list[dict[str, Any]] = notebook.page.evaluate(
        "rules => axe.run({include: [['.cx']]}, rules).then((result) => result.violations)", RULES
    )
    return [
        f"{each['impact']}: {each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.skipif(axe() is None, reason="axe-core is not installed")
def test_axe_finds_nothing_serious_in_either_theme(notebook: NotebookPage, screens: Path) -> None:
    notebook.write("axe.ipynb", CELLS)
    for cell in CELLS:
        notebook.run(cell)
    notebook.view("table", state="live", rows=70)
    notebook.view("error", state="error")
    table = notebook.view("table")
    table.get_by_role("button", name="choose the columns").click()
    table.locator(".cx-jump").first.click()
    table.locator(".cx-panel .cx-tree").wait_for()
    tree = notebook.view("tree")
    tree.locator("summary", has_text="first").last.click()
    tree.locator(".cx-jump").first.click()
    notebook.view("pages").locator("tbody td").nth(2).dblclick()
    form = notebook.view("form", state="idle")
    form.get_by_role("button", name="Run").click()
    for box in form.get_by_role("checkbox").all():
        box.check()
    for add in form.locator(".cx-group > .cx-button:visible").all():
        add.click()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.theme(theme)
        assert findings(notebook) == []
        for cell in ("pages", "tree", "paused"):
            notebook.cell(cell).scroll_into_view_if_needed()
            notebook.page.screenshot(path=screens / f"{cell}-{theme.split()[1].lower()}.png")
