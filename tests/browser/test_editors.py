"""A cell that is being edited, while something else happens: one view by itself, its kernel played by the test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from convex_nb.views.modules import bundle, style

pytestmark = pytest.mark.browser

KERNEL = """
class Model {
  sent = [];
  heard = new Map();
  constructor(traits) { this.traits = traits; }
  get(name) { return this.traits[name]; }
  on(event, take) { this.heard.set(event, take); }
  send(message) { this.sent.push(message); }
}
globalThis.begin = (snapshot) => {
  globalThis.model = new Model({ mark: "v1", snapshot });
  const widget = live();
  widget.initialize({ model });
  widget.render({ model, el: document.body.appendChild(document.createElement("div")) });
};
globalThis.tell = (update) => {
  model.heard.get("msg:custom")({ type: "updates", of: [["v1", update]] });
  return new Promise(requestAnimationFrame);
};
globalThis.stop = () => model.heard.get("comm_live_update")();
globalThis.sent = (type) => model.sent.filter((message) => message.type === type);
"""

COLUMNS = [{"name": name, "type": "string", "align": "left", "system": False} for name in ("title", "size")]
HEAD: dict[str, Any] = {
    "path": "tasks:all",
    "arguments": [],
    "state": "live",
    "note": "",
    "problem": None,
    "timestamp": "1",
    "kind": "table",
    "rows": 3,
    "total": 3,
    "filter": "",
    "columns": COLUMNS,
    "fields": ["title", "size"],
    "widths": {},
    "sort": [],
    "start": 0,
    "size": 100,
    "above": 0,
    "duration": 1.0,
    "more": None,
    "jumps": True,
    "opened": None,
    "edit": {"title": {"kind": "string", "type": "string", "optional": False}},
}
ROWS = [["k1", ["one", "1"]], ["k2", ["two", "2"]], ["k3", ["three", "3"]]]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A view of three rows, of which the second is being edited."""
    page = browser.new_page()
    errors: list[Exception] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.set_content(f"<style>{style('live.css')}</style><input id=other>")
    page.evaluate(f"() => {{ {bundle('live.js').replace('export default', 'globalThis.live =')}\n{KERNEL} }}")
    page.evaluate("begin", {"sequence": 1, "base": None, "head": HEAD, "page": ROWS})
    page.locator("tbody td", has_text="two").dblclick()
    page.locator(".cx-edit").fill("half a wo")
    yield page
    page.close()
    assert errors == []


def titles(page: Page) -> list[str]:
    return page.locator("tbody tr:not([data-gone]) td:first-child").all_inner_texts()


def test_the_focus_is_where_the_reader_has_clicked(page: Page) -> None:
    page.locator("#other").click()
    page.keyboard.type("x")
    assert page.locator("#other").input_value() == "x"
    assert titles(page) == ["one", "two", "three"]


def test_whoever_goes_to_another_window_comes_back_to_the_cell(page: Page) -> None:
    page.locator(".cx-edit").dispatch_event("blur")
    assert titles(page) == ["one", "two", "three"]
    assert page.evaluate("document.activeElement.textContent") == "two"


def test_what_waited_for_the_editor_is_drawn_when_it_is_left(page: Page) -> None:
    delta = {"remove": ["k2"], "insert": [[0, "k0", ["zero", "0"]]], "change": []}
    page.evaluate("tell", {"sequence": 2, "base": 1, "head": {}, "delta": delta})
    assert page.locator(".cx-edit").input_value() == "half a wo"
    page.locator("#other").click()
    assert titles(page) == ["zero", "one", "three"]


def test_a_view_that_loads_anew_waits_for_the_editor(page: Page) -> None:
    loading = {"sequence": 2, "base": 1, "head": {"state": "loading"}}
    page.evaluate("tell", loading)
    assert page.locator(".cx-edit").input_value() == "half a wo"
    page.evaluate("tell", {"sequence": 3, "base": 2, "head": {"state": "live"}})
    page.locator(".cx-edit").press("Escape")
    assert titles(page) == ["one", "two", "three"]
    page.keyboard.press("Enter")
    page.locator(".cx-edit").fill("half a wo")
    page.evaluate("tell", {**loading, "sequence": 4, "base": 3})
    page.locator("#other").click()
    assert page.locator(".cx-skeleton").count() == 1


def test_an_editor_that_has_lost_the_focus_without_a_word_holds_nothing_back(page: Page) -> None:
    page.evaluate("""() => {
        // As Firefox takes away what has the focus, and as JupyterLab shows again what was out of sight.
        addEventListener("blur", (event) => event.stopImmediatePropagation(), true);
        const root = document.querySelector(".cx");
        root.replaceWith(root.cloneNode());
        document.querySelector(".cx").replaceWith(root);
    }""")
    assert page.locator(".cx-edit").count() == 1
    delta = {"remove": ["k1"], "insert": [], "change": []}
    page.evaluate("tell", {"sequence": 2, "base": 1, "head": {}, "delta": delta})
    assert titles(page) == ["two", "three"]


def test_nothing_seems_to_be_saved_when_the_kernel_has_stopped(page: Page) -> None:
    page.evaluate("stop")
    page.keyboard.press("Enter")
    assert titles(page) == ["one", "two", "three"]
    assert page.locator(".cx-pending").count() == 0


def test_a_filter_is_told_once(page: Page) -> None:
    box = page.get_by_role("searchbox")
    box.fill("t")
    page.wait_for_function("sent('filter').length")
    page.locator("#other").click()
    assert page.evaluate("sent('filter').map(({ text }) => text)") == ["t"]
    box.fill("th")
    page.locator("#other").click()
    assert page.evaluate("sent('filter').map(({ text }) => text)") == ["t", "th"]


def test_more_is_asked_for_with_the_picture_in_which_that_was(page: Page) -> None:
    for sequence in (2, 3):
        page.evaluate("tell", {"sequence": sequence, "base": sequence - 1, "head": {"more": "CanLoadMore"}})
        page.get_by_role("button", name="load the next page").click()
    assert page.evaluate("sent('more').map(({ sequence }) => sequence)") == [2, 3]
