"""What lies behind a cell: the document of an id, a value in full, and nested values edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

CELLS = {
    "load": "%load_ext convex_nb\nfrom convex_nb import Id, live",
    "fill": """%%convex_mutation
ada = db.insert("people", {"name": "Ada", "born": 1815})
bob = db.insert("people", {"name": "Bob", "boss": ada})
for number in range(4):
    db.insert("tasks", {"title": f"task {number}", "by": bob, "tags": ["new", "urgent"], "story": "long " * 200})
""",
    "change": """%%convex_mutation tasks -q
def change(ctx, id: Id["tasks"], tags: list[str]):
    if "bad" in tags:
        raise ValueError("no bad tags")
    ctx.db.patch(id, {"tags": tags})
""",
    "tasks": """%%convex_query tasks -q --no-live
def tasks(ctx):
    return ctx.db.query("tasks").collect()
""",
    "live": "live(tasks, edit=change)",
    "tree": "%%convex_query\n{'people': [person['_id'] for person in db.query('people')]}",
    "rename": "%%convex_mutation\ndb.patch(db.query('people').first()['_id'], {'name': 'Countess'})",
}


def test_ids_lead_to_documents_and_nested_values_are_edited(notebook: NotebookPage, screens: Path) -> None:
    notebook.write("panel.ipynb", CELLS)
    for cell in [*CELLS][:-1]:
        notebook.run(cell)
    table = notebook.view("live", state="live", rows=4)
    keyboard = notebook.page.keyboard
    panel = table.locator(".cx-panel")

    row = table.locator("tbody tr").nth(1).locator("td")
    row.nth(1).click(position={"x": 3, "y": 3})
    keyboard.press("Enter")
    panel.locator(".cx-string", has_text="Bob").wait_for()
    assert panel.evaluate("panel => panel === document.activeElement")
    keyboard.press("Tab")
    panel.locator(".cx-jump").press("Enter")
    panel.locator(".cx-string", has_text="Ada").wait_for()
    notebook.run("rename")
    panel.locator(".cx-string", has_text="Countess").wait_for()
    notebook.cell("live").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "panel-document-light.png")
    panel.get_by_role("button", name="back").click()
    panel.locator(".cx-string", has_text="Bob").wait_for()
    keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert row.nth(1).evaluate("cell => cell === document.activeElement")

    keyboard.press("ArrowRight")
    keyboard.press("Enter")
    box = panel.get_by_role("textbox")
    assert box.input_value() == '["new", "urgent"]'
    for entry, problem in [("[", "Not JSON"), ("[5]", "[0]: 5 does not fit"), ('["bad"]', "no bad tags")]:
        box.fill(entry)
        keyboard.press("Control+Enter")
        panel.get_by_role("alert").filter(has_text=problem).wait_for()
        assert box.input_value() == entry
    notebook.theme("JupyterLab Dark")
    notebook.cell("live").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "panel-edit-dark.png")
    box.fill('["good"]')
    panel.get_by_role("button", name="save", exact=False).click()
    panel.wait_for(state="hidden")
    table.locator("td", has_text='["good"]').wait_for()

    row.nth(3).dblclick()
    panel.locator("pre").wait_for()
    assert panel.locator("pre").inner_text() == "long " * 200
    tree = notebook.view("tree", kind="tree")
    tree.locator("summary", has_text="people").last.click()
    tree.locator(".cx-jump").last.click()
    tree.locator(".cx-panel .cx-string", has_text="Bob").wait_for()
    notebook.cell("tree").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "panel-tree-dark.png")
