"""Documents that would rather be code: they are shown as the text that they are, wherever they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.lab import NotebookPage

pytestmark = pytest.mark.browser

HOSTILE = [
    '<img src=x onerror="window.hacked = 1">',
    "<script>window.hacked = 2</script>",
    "javascript:window.hacked=3",
    "[click](javascript:window.hacked=4) **bold** `code` $x^2$",
    '"><svg onload="window.hacked=5"></svg>',
    "</td></tr></table><iframe srcdoc='<script>parent.hacked=6</script>'></iframe>",
    "\u202egnp.exe \u2066 end",
    "x" * 100_000,
    "data:text/html,<script>opener.hacked=7</script>",
    'https://example.org/"onmouseover="window.hacked=8',
    "\x00\x1b[31m\r\n\tlines",
    "{{constructor.constructor('window.hacked=9')()}}",
]
CELLS = {
    "load": f"%load_ext convex_nb\nfrom convex_nb import Id, form, live, v\nHOSTILE = {HOSTILE!r}",
    "fill": """%%convex_mutation
for number, text in enumerate(HOSTILE):
    db.insert("notes", {"text": text, "nested": {"<b>key</b>": [text]}, "number": number})
""",
    "table": "%%convex_query\ndb.query('notes').collect()",
    "tree": "%%convex_query\n[[note['text'], note['nested']] for note in db.query('notes').collect()]",
    "figure": "%%convex_query\n' '.join(note['text'] for note in db.query('notes').collect())[:400]",
    "once": "%%convex_query --no-live\ndb.query('notes').collect()",
    "refuse": """%%convex_mutation notes
from convex_nb import ConvexError
def refuse(ctx, id: Id["notes"], text: str = "", kind: v.union(v.literal(HOSTILE[0]), v.literal(HOSTILE[1])) = None):
    print(HOSTILE[1])
    raise ConvexError(HOSTILE[0] + text)
""",
    "form": "form(refuse, text=HOSTILE[4])",
    "error": "%%convex_query\nraise ValueError(HOSTILE[1] + HOSTILE[0])\n1",
    "log": "%convex logs",
    "texts": """%%convex_query notes --no-live
def texts(ctx):
    return [note["text"] for note in ctx.db.query("notes")]
""",
    "chart": "def render(texts):\n    raise ValueError(texts[0])\nlive(texts, render=render)",
}


def test_a_hostile_document_is_text_everywhere(notebook: NotebookPage, screens: Path) -> None:
    dialogs: list[str] = []
    notebook.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    notebook.write("hostile.ipynb", CELLS)
    for cell in CELLS:
        notebook.run(cell)
    page = notebook.page
    table = notebook.view("table", state="live", rows=len(HOSTILE))
    table.scroll_into_view_if_needed()
    text = table.text_content() or ""
    for shown in ("<script>window.hacked = 2</script>", "javascript:window.hacked=3", "\\u202egnp.exe", "<b>key</b>"):
        assert shown in text
    assert table.locator("tbody img, tbody script, tbody svg, tbody iframe, tbody b").count() == 0
    links = table.locator("tbody a").evaluate_all("links => links.map((link) => link.protocol)")
    assert set(links) <= {"http:", "https:"}
    assert "x" * 1_000 not in table.inner_html()
    tree = notebook.view("tree", kind="tree")
    tree.scroll_into_view_if_needed()
    tree.locator("details").evaluate_all("branches => branches.forEach((branch) => { branch.open = true; })")
    notebook.view("figure", kind="figure").locator(".cx-figure").hover()
    table.get_by_role("button", name="choose the columns").click()
    panel = table.locator(".cx-panel")
    for place in range(len(HOSTILE)):
        row = table.locator("tbody tr").nth(place)
        for column, shown in ((0, "text"), (1, "nested")):
            row.locator("td").nth(column).click(position={"x": 3, "y": 3})
            page.keyboard.press("Space")
            table.locator(f'.cx-panel[aria-label="{shown}"]').wait_for()
        row.locator(".cx-jump").last.click()
        panel.locator(".cx-leaf", has_text=f"number{place}").first.wait_for()
        assert panel.locator("img, script, svg, iframe, b").count() == 0
        assert "\u202e" not in (panel.text_content() or "")
    page.keyboard.press("Escape")
    for place in range(12):
        table.locator("tbody td").nth(place).hover()
    form = notebook.view("form", state="idle")
    entry = form.locator("input.cx-text")
    entry.focus()
    form.locator("datalist option").first.wait_for(state="attached")
    entry.fill(HOSTILE[0])
    form.get_by_role("button", name="Run").click()
    notebook.view("form", state="error")
    entry.fill(form.locator("datalist option").first.get_attribute("value") or "")
    form.get_by_role("checkbox", name="give kind").check()
    form.get_by_role("button", name="Run").click()
    form.locator(".cx-band", has_text="<img src=x").wait_for()
    notebook.cell("form").scroll_into_view_if_needed()
    page.screenshot(path=screens / "hostile-form.png")
    notebook.cell("table").scroll_into_view_if_needed()
    page.screenshot(path=screens / "hostile-table.png")
    assert page.evaluate("window.hacked") is None
    assert dialogs == []
