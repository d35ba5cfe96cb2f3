"""Names that one cell binds and a query of another reads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from convex_nb.notebook.flush import Flush
from tests.notebook.conftest import Notebook

NOTES = """%%convex_query -q --no-live
def few(ctx):
    return [first(note) for note in ctx.db.query("notes").take(LIMIT)]
"""


@pytest.fixture
def notes(notebook: Notebook) -> Notebook:
    notebook.ok('LIMIT = 1\ndef first(note):\n    return note["text"][0]')
    notebook.ok(
        "from convex_nb import current\n"
        "def add(text):\n"
        "    current().transact(lambda db: db.insert('notes', {'text': text}))"
    )
    notebook.ok("add('ada'); add('bob'); add('cyd'); None")
    notebook.ok(NOTES)
    notebook.ok("view = live(few)\nview")
    return notebook


def test_a_view_follows_a_name_and_a_helper(notes: Notebook) -> None:
    view = notes["view"]
    assert view.value == ["a"]
    notes.ok("LIMIT = 2")
    assert view.value == ["a", "b"]
    notes.ok('def first(note):\n    return note["text"].upper()')
    assert view.value == ["ADA", "BOB"]
    notes.ok("del LIMIT")
    assert "NameError" in type(view.error).__name__
    notes.ok("LIMIT = 1")
    assert (view.value, view.error) == (["ADA"], None)


def test_running_all_again_runs_nothing_in_vain(notes: Notebook) -> None:
    live = notes["view"].query
    runs = live.runs
    notes.ok('LIMIT = 1\ndef first(note):\n    return note["text"][0]')
    notes.ok("other = 5")
    assert live.runs == runs


def test_inside_a_cell_a_view_moves_with_the_cell_s_own_commits(notes: Notebook) -> None:
    notes.session.flush._next = 0.0
    cell = "LIMIT = 2\nadd('dan')\nduring = list(view.value)\nLIMIT = 3"
    notes.ok(cell)
    assert notes["during"] == ["a", "b"]
    assert notes["view"].value == ["a", "b", "c"]


def test_a_commit_of_another_thread_waits_for_the_cell(notes: Notebook) -> None:
    def elsewhere() -> None:
        thread = threading.Thread(target=notes["add"], args=("eve",))
        thread.start()
        thread.join(60)
        notes.session.flush.mark()

    notes.shell.user_ns["elsewhere"] = elsewhere
    notes.ok("LIMIT = 9\nelsewhere()\nimport time; time.sleep(0.3)\nduring = list(view.value)")
    assert notes["during"] == ["a"]
    assert notes["view"].value == ["a", "b", "c", "e"]


def test_unloading_leaves_no_cell_behind(notes: Notebook) -> None:
    from convex_nb.functions.live.foreground import foreground

    notes.ok("%unload_ext convex_nb")
    assert not foreground.is_here()


def test_a_refresh_that_is_due_does_not_come_into_its_own_way() -> None:
    refreshed: list[Any] = []

    def after(cell_ended: bool) -> None:
        refreshed.append(cell_ended)
        flush.if_due()

    flush = Flush(after, threaded=False)
    flush.if_due()
    flush.if_due()
    assert refreshed == [False]
    flush._next = 0.0
    flush.if_due()
    assert refreshed == [False, False]


def test_a_refresh_that_fails_does_not_fail_the_commit(caplog: pytest.LogCaptureFixture) -> None:
    def after(cell_ended: bool) -> None:
        raise ValueError("an observer")

    Flush(after, threaded=False).if_due()
    assert "could not be refreshed" in caplog.text
