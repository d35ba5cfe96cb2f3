"""What a reader enters, while something else happens: one widget by itself, its kernel played by the test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from convex_nb.views.dashboard.blocks import Block, grid
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
globalThis.begin = (traits) => {
  globalThis.model = new Model({ mark: "v1", ...traits });
  const widget = widgetOf();
  widget.initialize?.({ model });
  widget.render({ model, el: document.body.appendChild(document.createElement("div")) });
};
globalThis.tell = (update) => {
  model.heard.get("msg:custom")({ type: "updates", of: [["v1", update]] });
  return new Promise(requestAnimationFrame);
};
globalThis.set = (name, value) => {
  model.traits[name] = value;
  model.heard.get(`change:${name}`)();
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


@contextmanager
def alone(browser: Browser, module: str, **traits: Any) -> Iterator[Page]:
    """A page with one widget, and an input beside it."""
    page = browser.new_page()
    errors: list[Exception] = []
    page.on("pageerror", lambda error: errors.append(error))
    styles = style("live.css", "form.css", "dashboard.css")
    page.set_content(f"<style>{styles}</style><input id=other>")
    page.evaluate(f"() => {{ {bundle(module).replace('export default', 'globalThis.widgetOf =')}\n{KERNEL} }}")
    page.evaluate("begin", traits)
    yield page
    page.close()
    assert errors == []


def whole(head: Mapping[str, Any], page: Sequence[Any]) -> dict[str, Any]:
    return {"sequence": 1, "base": None, "head": head, "page": page}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A view of three rows, of which the second is being edited."""
    with alone(browser, "live.js", snapshot=whole(HEAD, ROWS)) as page:
        page.locator("tbody td", has_text="two").dblclick()
        page.locator(".cx-edit").fill("half a wo")
        yield page


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


def test_a_grid_of_the_dashboard_stays_where_it_was_scrolled_to(browser: Browser) -> None:
    def rows(number: int) -> Block:
        lines = [{"key": str(each), "cells": [each]} for each in range(number)]
        return grid("calls", "Calls", ["number"], lines, "none")  # type: ignore[arg-type]

    head = {"page": "logs", "pages": ["logs"], "state": "live", "note": "", "problem": None, "timestamp": "1"}
    with alone(browser, "dashboard.js", snapshot=whole(head, [["calls", [rows(100)]]])) as page:
        page.evaluate("document.querySelector('.cx-scroll').scrollTop = 500")
        delta = {"remove": [], "insert": [], "change": [["calls", {"0": rows(101)}]]}
        page.evaluate("tell", {"sequence": 2, "base": 1, "head": {}, "delta": delta})
        assert page.locator("tbody tr").count() == 101
        assert page.evaluate("document.querySelector('.cx-scroll').scrollTop") == 500


NUMBER = {"kind": "number", "type": "number", "name": "n"}
EITHER = [{"kind": "object", "type": f"{which} {{n}}", "fields": [NUMBER]} for which in ("one", "other")]
FIELDS: list[dict[str, Any]] = [
    {"kind": "array", "type": "array", "name": "sizes", "item": {"kind": "number", "type": "number"}},
    {"kind": "record", "type": "record", "name": "by", "item": {"kind": "id", "type": "id", "table": "users"}},
    {"kind": "union", "type": "union", "name": "either", "members": EITHER},
]


def test_what_is_wrong_stands_beside_the_item_that_is_meant(browser: Browser) -> None:
    shape = {"path": "t:f", "kind": "mutation", "closed": False, "fixed": [], "fields": FIELDS}
    with alone(browser, "form.js", shape=shape, answer={"state": "idle"}) as page:
        add = page.get_by_role("button", name="add to sizes")
        for _ in range(3):
            add.click()
        page.get_by_role("button", name="remove").first.click()
        add.click()
        assert page.locator(".cx-item .cx-name").all_inner_texts() == ["0", "1", "2"]
        page.get_by_role("button", name="add to by").click()
        key, id = page.locator(".cx-item").last.locator("textarea, input").all()
        key.fill("ada")
        assert id.evaluate("box => box.list !== null"), "ids are offered in items as well"
        page.locator(".cx-run").click()
        assert page.evaluate("sent('submit')[0].entries") == {
            "sizes": ["", "", ""],
            "by": [["ada", ""]],
            "either": [0, {"n": ""}],
        }
        errors = [[["sizes", "1"], "no number"], [["by", "ada"], "no id"], [["either", "n"], "not one"]]
        page.evaluate("answer => set('answer', answer)", {"state": "error", "errors": errors})
        wrong = "[...document.querySelectorAll('.cx-item')].map((item) => item.querySelector('.cx-wrong').textContent)"
        assert page.evaluate(wrong) == ["", "no number", "", "no id"]
        assert page.get_by_text("not one").is_visible()


def test_a_file_that_was_written_to_since_it_was_chosen_is_chosen_again(browser: Browser, tmp_path: Path) -> None:
    fields = [{"kind": "file", "type": "file", "name": "photo"}]
    shape = {"path": "t:f", "kind": "mutation", "closed": False, "fixed": [], "fields": fields}
    file = tmp_path / "a.txt"
    file.write_bytes(b"hello")
    with alone(browser, "form.js", shape=shape, answer={"state": "idle"}) as page:
        page.locator("input[type=file]").set_input_files(file)
        # As a browser reads a file that was written to after it had been chosen.
        page.evaluate("() => { Blob.prototype.read = Blob.prototype.slice; Blob.prototype.slice = null; }")
        page.locator(".cx-run").click()
        page.get_by_text("a.txt cannot be read. Choose it again.").wait_for()
        page.evaluate("() => { Blob.prototype.slice = Blob.prototype.read; }")
        page.locator(".cx-run").click()
        page.wait_for_function("sent('submit').length")
