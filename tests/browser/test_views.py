"""What a reader does with live views: filter, keep the rows, load more."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

CELLS = {
    "load": "%load_ext convex_nb\nfrom convex_nb import live, paginated",
    "add": """%%convex_mutation cards
def add(ctx, names: list[str], size: int = 0):
    for place, name in enumerate(names):
        ctx.db.insert("cards", {"name": name, "size": size + place, "done": place % 2 == 0})
""",
    "all": """%%convex_query cards
def every(ctx):
    return ctx.db.query("cards").collect()
""",
    "fill": "add(names=[f'card {number}' for number in range(120)])",
    "more": "add(names=['late card 1', 'another'])",
    "paged": """%%convex_query cards --no-live
def paged(ctx, pagination_opts):
    return ctx.db.query("cards").paginate(pagination_opts)
""",
    "pages": "paginated(paged, 15)",
}


def test_rows_are_filtered_by_the_kernel_and_downloaded(notebook: NotebookPage, screens: Path) -> None:
    notebook.write("filter.ipynb", CELLS)
    for cell in ("load", "add", "all", "fill"):
        notebook.run(cell)
    table = notebook.view("all", state="live", rows=120)
    box = table.get_by_role("searchbox", name="filter rows")
    box.fill("name:1 done=true size<30")
    notebook.view("all", rows=5)
    assert "5 of 120 rows" in table.inner_text()
    notebook.run("more")
    notebook.view("all", rows=6)
    assert box.input_value() == "name:1 done=true size<30"
    notebook.cell("all").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "filter-light.png")
    with notebook.page.expect_download() as download:
        table.get_by_role("button", name="download all rows as CSV").click()
    assert download.value.suggested_filename == "cards-every.csv"
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert [row["name"] for row in rows][:2] == ["card 10", "card 12"]
    assert len(rows) == 6
    box.fill("nothing of the kind")
    notebook.view("all", rows=0)
    assert "No row passes the filter." in table.inner_text()
    box.fill("")
    notebook.view("all", rows=122)
    box.focus()
    notebook.page.keyboard.type("b")
    assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == len(CELLS), "a letter is not a command of Jupyter"


def test_a_button_loads_the_next_page(notebook: NotebookPage, screens: Path) -> None:
    notebook.write("pages.ipynb", CELLS)
    for cell in ("load", "add", "fill", "paged", "pages"):
        notebook.run(cell)
    table = notebook.view("pages", state="live", rows=15)
    table.get_by_role("button", name="load the next page").click()
    notebook.view("pages", rows=30)
    notebook.run("more")
    notebook.cell("pages").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "pages-light.png")
    for rows in range(45, 122, 15):
        table.get_by_role("button", name="load the next page").click()
        notebook.view("pages", rows=min(rows, 122))
    table.get_by_role("button", name="load the next page").click()
    notebook.view("pages", rows=122)
    assert table.get_by_text("All loaded").is_disabled()


FORM = {
    "load": "%load_ext convex_nb\nfrom typing import Literal\nfrom convex_nb import form, live, v",
    "plan": """%%convex_mutation tasks
def plan(ctx, title: str, priority: Literal["low", "high"], points: int, urgent: bool,
         tags: list[str], note: str | None = None, where: v.object({"city": v.string(), "zip": v.number()}) = None):
    task = {"title": title, "priority": priority, "points": points, "urgent": urgent, "tags": tags}
    return ctx.db.insert("tasks", task if note is None else {**task, "note": note})
""",
    "tasks": """%%convex_query tasks
def tasks(ctx):
    return ctx.db.query("tasks").collect()
""",
    "form": "form(plan)",
    "attach": """%%convex_mutation tasks -q
def attach(ctx, file: Id["_storage"], name: str, size: int = 0):
    return ctx.db.insert("attached", {"file": file, "name": name})
""",
    "attached": "form(attach)",
    "wait": """%%convex_action tasks -q
from pathlib import Path
from time import sleep

def wait(ctx, title: str, note: str):
    while not Path("waited").exists():
        sleep(0.01)
""",
    "waiting": "form(wait)",
}


def test_a_form_runs_a_mutation_and_says_what_is_wrong(notebook: NotebookPage, screens: Path) -> None:
    waited = notebook.lab.folder / "waited"
    waited.unlink(missing_ok=True)
    notebook.write("form.ipynb", FORM)
    for cell in FORM:
        notebook.run(cell)
    form = notebook.view("form", path="tasks:plan", state="idle")
    form.get_by_label("title").fill("<b>Write</b> \u202eit")
    form.get_by_label("points").fill("many")
    form.get_by_label("points").press("Enter")
    notebook.view("form", state="error")
    assert "many" in form.locator(".cx-wrong:visible").inner_text()
    assert form.get_by_label("points").evaluate("box => box === document.activeElement")
    notebook.cell("form").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "form-error-light.png")
    form.get_by_label("points").fill("3")
    form.get_by_label("priority").select_option(label="high")
    form.get_by_label("urgent").check()
    form.get_by_role("button", name="add to tags").click()
    notebook.page.keyboard.type("chores")
    form.get_by_role("checkbox", name="give note").check()
    notebook.page.keyboard.press("Control+Enter")
    notebook.view("form", state="ok")
    assert "wrote 1 (tasks +1)" in form.inner_text()
    table = notebook.view("tasks", state="live", rows=1)
    # Not what is laid out, since the focus has gone back to the form: the table may be out of sight.
    assert "<b>Write</b> \\u202eit" in (table.text_content() or "")
    assert '["chores"]' in (table.text_content() or "")
    title = form.get_by_label("title")
    assert (title.input_value(), form.get_by_label("points").input_value()) == ("", "")
    assert title.evaluate("box => box === document.activeElement")
    assert form.get_by_role("checkbox", name="give note").is_checked()
    files = notebook.view("attached", state="idle")
    chosen = [{"name": "long.txt", "mimeType": "text/plain", "buffer": b"0123456789" * 250_000}]
    files.get_by_label("file").set_input_files(chosen)  # type: ignore[arg-type]
    files.get_by_label("name").fill("long")
    files.get_by_label("name").press("Enter")
    notebook.view("attached", state="ok")
    assert files.get_by_label("file").evaluate("box => box.files.length") == 0
    notebook.cell("attached").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "form-file-light.png")
    runner = notebook.view("plan", state="idle")
    assert not runner.get_by_label("title").is_visible()
    runner.get_by_role("button", name="run this function").click()
    notebook.page.keyboard.type("from below")
    runner.get_by_label("points").fill("1")
    runner.get_by_label("points").press("Enter")
    notebook.view("plan", state="ok")
    notebook.view("tasks", rows=2)
    notebook.cell("plan").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "runner-light.png")
    # What is entered for the next call, while this one runs, stays.
    form = notebook.view("waiting", path="tasks:wait", state="idle")
    form.get_by_label("title").fill("first")
    form.get_by_label("note").fill("a note")
    form.get_by_label("note").press("Enter")
    notebook.view("waiting", state="running")
    form.get_by_label("title").fill("second")
    waited.touch()
    notebook.view("waiting", state="ok")
    assert (form.get_by_label("title").input_value(), form.get_by_label("note").input_value()) == ("second", "")
    assert form.get_by_label("title").evaluate("box => box === document.activeElement")
    for name, theme in [("dark", "JupyterLab Dark"), ("light", "JupyterLab Light")]:
        notebook.theme(theme)
        notebook.cell("form").scroll_into_view_if_needed()
        notebook.page.screenshot(path=screens / f"form-{name}.png")


EDIT = {
    "load": "%load_ext convex_nb\nimport convex_nb\nfrom convex_nb import ConvexError, Id, live",
    "rename": """%%convex_mutation tasks
def update(ctx, id: Id["tasks"], title: str | None = None, done: bool | None = None, size: float | None = None):
    if title == "bad":
        raise ConvexError("no <b>bad</b> words")
    changes = {"title": title, "done": done, "size": size}
    ctx.db.patch(id, {name: value for name, value in changes.items() if value is not None})
""",
    "fill": """%%convex_mutation
for number in range(5):
    db.insert("tasks", {"title": f"task {number}", "done": False, "size": number})
""",
    "tasks": """%%convex_query tasks --no-live
def tasks(ctx):
    return ctx.db.query("tasks").collect()
""",
    "live": "live(tasks, edit=update)",
}


def test_cells_are_edited_through_a_mutation_and_a_refusal_is_shown(notebook: NotebookPage, screens: Path) -> None:
    notebook.write("edit.ipynb", EDIT)
    for cell in EDIT:
        notebook.run(cell)
    table = notebook.view("live", state="live", rows=5)
    keyboard = notebook.page.keyboard
    row = table.locator("tbody tr").nth(1).locator("td")
    row.nth(0).click()
    keyboard.press("Enter")
    table.locator(".cx-edit").fill("renamed")
    keyboard.press("Enter")
    table.locator("td:not(.cx-pending)", has_text="renamed").wait_for()
    keyboard.press("ArrowRight")
    keyboard.press("Enter")
    table.locator("select.cx-edit").select_option(label="true")
    keyboard.press("Enter")
    table.locator("td:not(.cx-pending)", has_text="true").wait_for()
    keyboard.press("ArrowLeft")
    keyboard.press("F2")
    table.locator(".cx-edit").fill("never mind")
    keyboard.press("Escape")
    assert row.nth(0).inner_text() == "renamed"
    keyboard.press("Enter")
    table.locator(".cx-edit").fill("bad")
    keyboard.press("Enter")
    refusal = table.get_by_role("alert").filter(has_text="no <b>bad</b> words")
    refusal.wait_for()
    notebook.cell("live").scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "edit-refused-light.png")
    assert row.nth(0).inner_text() == "renamed"
    keyboard.press("ArrowDown")
    refusal.wait_for(state="detached")
    table.locator("tbody tr").nth(3).locator("td").nth(2).dblclick()
    table.locator(".cx-edit").fill("x")
    keyboard.press("Enter")
    table.get_by_role("alert").filter(has_text="not a number").wait_for()


def test_what_is_being_entered_stays_when_the_view_is_told_the_whole(notebook: NotebookPage) -> None:
    # The whole comes when a message was lost, or a second page of this notebook has come up.
    cells = EDIT | {
        "live": "view = live(tasks, edit=update)\nview",
        "lost": """from pathlib import Path
from threading import Thread
from time import sleep

def until(name):
    while not Path(name).exists():
        sleep(0.01)

def others():
    until("whole")
    view._from_browser({"type": "hello", "tab": "another", "sequence": -1})
    update(id=tasks()[4]["_id"], title="after the whole")
    until("moved")
    update(id=tasks()[0]["_id"], size=99)
    convex_nb.current().transact(lambda db: db.insert("tasks", {"title": "new", "size": -1, "more": "a column"}))

Thread(target=others).start()
""",
    }
    whole, moved = notebook.lab.folder / "whole", notebook.lab.folder / "moved"
    for file in (whole, moved):
        file.unlink(missing_ok=True)
    notebook.write("whole.ipynb", cells)
    for cell in cells:
        notebook.run(cell)
    table = notebook.view("live", state="live", rows=5)
    table.locator("th", has_text="size").click()
    table.locator("th[aria-sort=ascending]", has_text="size").wait_for()
    table.locator("tbody tr").nth(1).locator("td").nth(0).dblclick()
    box = table.locator(".cx-edit")
    box.fill("half a wo")
    whole.touch()
    table.locator("td", has_text="after the whole").wait_for()
    assert box.input_value() == "half a wo"
    # Rows that come and go, and columns, wait until it is written.
    moved.touch()
    notebook.view("live", rows=6)
    box.press_sequentially("rd")
    box.press("Enter")
    table.locator("td", has_text="half a word").wait_for()
    table.locator("th", has_text="more").wait_for()
    assert table.locator("tbody tr").first.locator("td").first.inner_text() == "new"


def test_the_notebook_of_live_views(notebook: NotebookPage, screens: Path) -> None:
    notebook.open("live_views.ipynb")
    cells = [
        "load",
        "schema",
        "mutations",
        "seed",
        "of-team",
        "board",
        "form",
        "one",
        "detail",
        "newest",
        "pages",
        "more",
    ]
    for cell in [*cells, "age", "clock", "render", "change"]:
        notebook.run(cell)
    board = notebook.view("board", state="live", rows=120)
    notebook.view("pages", rows=25)
    assert notebook.view("detail").get_attribute("data-state") == "loading"
    board.locator("tbody tr").nth(2).locator("td").first.click()
    detail = notebook.view("detail", kind="tree", state="live")
    assert "task 2" in (detail.text_content() or "")
    board.locator(".cx-jump").first.click()
    board.locator(".cx-panel .cx-string", has_text="Ada").wait_for()
    board.get_by_role("button", name="close (Escape)").click()
    notebook.cell("board").get_by_role("button", name="web", exact=True).click()
    notebook.view("board", state="live", rows=40)
    # The row of the cursor is gone; the cursor, and with it the selection, is in its neighbour.
    title = board.locator("tr.cx-current td").first.inner_text()
    notebook.view("detail").locator(".cx-string", has_text=title).first.wait_for(state="attached")
    board.get_by_role("button", name="pause this view").click()
    notebook.view("board", state="paused")
    form = notebook.view("form", state="idle")
    form.get_by_label("title").fill("from the form")
    form.get_by_label("title").press("Enter")
    notebook.view("form", state="ok")
    notebook.view("pages", rows=26)
    board.locator(".cx-band", has_text="1 commit behind").wait_for()
    board.scroll_into_view_if_needed()
    notebook.page.screenshot(path=screens / "live-views-light.png")
    board.get_by_role("button", name="catch up with the newest commit").first.click()
    notebook.view("board", state="live", rows=40)
    age = notebook.view("clock", kind="figure")
    age.scroll_into_view_if_needed()
    first = age.locator(".cx-figure").inner_text()
    notebook.page.wait_for_function(
        "([root, first]) => root.querySelector('.cx-figure').textContent !== first", arg=[age.element_handle(), first]
    )
