"""One message in flight, the rest folded."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.views.messages import Head, Row, Update
from convex_nb.views.screen import Picture, Screen
from tests.views.browsers import apply_delta

HEAD: Head = {
    "path": "t:q",
    "arguments": [],
    "kind": "table",
    "state": "live",
    "note": "",
    "problem": None,
    "rows": 0,
    "total": 0,
    "filter": "",
    "timestamp": "0",
    "duration": 0.0,
    "columns": [],
    "fields": [],
    "widths": {},
    "sort": [],
    "start": 0,
    "size": 50,
    "above": 0,
    "edit": None,
    "more": None,
    "jumps": False,
    "opened": None,
}


class Kernel:
    """A view's side of a screen: rows that change, and what was sent."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.kind: Any = "table"
        self.body: Any = None
        self.sent: list[Update] = []
        self.is_busy = False
        self.screen = Screen(self.picture, self.sent.append, lambda: self.is_busy)

    def picture(self) -> Picture:
        head: Head = {**HEAD, "rows": len(self.rows), "kind": self.kind}
        return Picture(head, list(self.rows), self.body)

    def change(self, *rows: str) -> None:
        self.rows = [(row, [row]) for row in rows]
        self.screen.touch()
        self.screen.pump()


class Browser:
    """What `live.js` does with updates."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.sequence = -1
        self.head: dict[str, Any] = {}
        self.page: list[Row] = []
        self.take(kernel.screen.whole())

    def take(self, update: Update) -> None:
        if update["base"] is None:
            self.head, self.page = dict(update["head"]), list(update.get("page", []))
        else:
            assert update["base"] == self.sequence
            self.head |= update["head"]
            self.page = update.get("page", self.page)
            if "delta" in update:
                self.page = apply_delta(self.page, update["delta"])
        self.sequence = update["sequence"]

    def hello(self) -> None:
        self.kernel.screen.hello("tab", self.sequence)

    def read(self) -> None:
        for update in self.kernel.sent:
            self.take(update)
        self.kernel.sent.clear()

    def drawn(self) -> None:
        self.kernel.screen.drawn(self.sequence)
        self.kernel.screen.pump()


def beside(call: Any) -> None:
    """Call on another thread, as a kernel with subshells does."""
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_nothing_is_sent_while_nobody_looks() -> None:
    kernel = Kernel()
    kernel.change("a")
    assert kernel.sent == []
    assert kernel.screen.whole()["page"] == [("a", ["a"])]


def test_the_first_page_needs_no_second_message() -> None:
    kernel = Kernel()
    kernel.change("a")
    browser = Browser(kernel)
    browser.hello()
    assert kernel.sent == []
    kernel.change("b", "a")
    assert [update["base"] for update in kernel.sent] == [browser.sequence]
    browser.read()
    assert [key for key, _ in browser.page] == ["b", "a"]


def test_a_burst_is_folded_into_one_message() -> None:
    kernel = Kernel()
    browser = Browser(kernel)
    beside(browser.hello)
    for number in range(100):
        kernel.change(*map(str, range(number)))
    assert len(kernel.sent) == 1
    browser.read()
    beside(browser.drawn)
    assert len(kernel.sent) == 1
    browser.read()
    assert len(browser.page) == 99


def test_a_kernel_that_cannot_hear_while_it_computes_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("convex_nb.views.screen.time.monotonic", lambda: now[0])
    kernel = Kernel()
    browser = Browser(kernel)
    browser.hello()
    kernel.change("a")
    now[0] += 1
    kernel.change("b")
    assert len(kernel.sent) == 1
    kernel.is_busy = True
    kernel.change("c")
    assert len(kernel.sent) == 2
    kernel.change("d")
    assert len(kernel.sent) == 2
    now[0] += 1
    kernel.change("e")
    assert len(kernel.sent) == 3
    browser.read()
    assert [key for key, _ in browser.page] == ["e"]


def test_an_answer_that_was_lost_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("convex_nb.views.screen.time.monotonic", lambda: now[0])
    kernel = Kernel()
    browser = Browser(kernel)
    beside(browser.hello)
    kernel.change("a")
    for _ in range(3):
        now[0] += 0.5
        kernel.change(str(now))
    assert len(kernel.sent) == 1
    now[0] += 0.6
    kernel.change("b")
    assert len(kernel.sent) == 2
    browser.read()
    assert [key for key, _ in browser.page] == ["b"]


def test_a_hidden_page_gets_nothing_until_it_comes_back() -> None:
    kernel = Kernel()
    browser = Browser(kernel)
    browser.hello()
    kernel.screen.hidden("tab")
    kernel.change("a")
    kernel.change("a", "b")
    assert kernel.sent == []
    browser.hello()
    browser.read()
    assert [key for key, _ in browser.page] == ["a", "b"]


def test_what_did_not_change_is_not_sent() -> None:
    kernel = Kernel()
    browser = Browser(kernel)
    browser.hello()
    kernel.change()
    assert kernel.sent == []


def test_a_change_of_kind_takes_its_body_along() -> None:
    kernel = Kernel()
    browser = Browser(kernel)
    browser.hello()
    kernel.kind, kernel.body = "figure", None
    kernel.change()
    (update,) = kernel.sent
    assert update["head"]["kind"] == "figure"
    assert "body" in update


@given(st.lists(st.sampled_from(["change", "read", "drawn", "hello", "hidden", "reload"]), max_size=40), st.integers())
def test_a_browser_always_ends_up_with_the_newest_rows(steps: list[str], seed: int) -> None:
    kernel = Kernel()
    browser = Browser(kernel)
    for number, step in enumerate(steps):
        if step == "change":
            kernel.change(*[str(row) for row in range(number + abs(seed) % 3)][:: 1 + number % 2])
        elif step == "read":
            browser.read()
        elif step == "drawn":
            browser.drawn()
        elif step == "hello":
            browser.read()
            browser.hello()
        elif step == "hidden":
            kernel.screen.hidden("tab")
        else:
            kernel.sent.clear()
            browser = Browser(kernel)
    browser.read()
    browser.hello()
    browser.read()
    browser.drawn()
    browser.read()
    assert browser.page == kernel.rows
    assert browser.head["rows"] == len(kernel.rows)
