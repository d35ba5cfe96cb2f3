"""`paginated`: results, statuses, the button, and the life of its view."""

from __future__ import annotations

import threading

import pytest

from convex_nb.language.errors import ArgumentValidationError, FunctionNotFoundError, InvalidValueError
from convex_nb.views.paginated_view import PaginatedView
from tests.notebook.conftest import Notebook

PAGED = """%%convex_query messages -q --no-live
def paged(ctx, pagination_opts, author: str | None = None):
    messages = ctx.db.query("messages")
    if author is not None:
        messages = messages.with_index("by_author", author=author)
    return messages.paginate(pagination_opts)
"""


@pytest.fixture
def paged(chat: Notebook) -> Notebook:
    """A chat of 55 messages, by two authors, and a paginated query of them."""
    chat.ok(PAGED)
    chat.ok("from convex_nb import paginated")
    chat.ok('for i in range(55):\n    send(author="Ada" if i % 2 else "Bob", body=str(i))')
    return chat


def bodies(view: PaginatedView) -> list[int]:
    return [int(row["body"]) for row in view.results]


def test_pages_are_loaded_and_follow_commits(paged: Notebook) -> None:
    view = paged.ok("pages = paginated(paged)\npages").value
    assert (bodies(view), view.status) == ([*range(20)], "CanLoadMore")
    assert paged.ok("pages.load_more(30)").value
    assert (bodies(view), view.status) == ([*range(50)], "CanLoadMore")
    paged.ok("pages.load_more()")
    assert (bodies(view), view.status) == ([*range(55)], "Exhausted")
    assert not paged.ok("pages.load_more()").value
    paged.ok('send(author="Eve", body="99")')
    assert (bodies(view)[-1], len(view.df())) == (99, 56)
    assert view.whole()["head"]["rows"] == 56


def test_a_page_may_be_asked_for_in_the_cell_that_wrote(paged: Notebook) -> None:
    paged.ok("pages = paginated('messages:paged', num_items=10)")
    cell = (
        "db_id = pages.results[3]['_id']\ncurrent().transact(lambda db: db.delete(db_id))\n"
        "pages.load_more(10)\nlen(pages.results), pages.status"
    )
    paged.ok("from convex_nb import current")
    assert paged.ok(cell).value == (19, "CanLoadMore")


def test_the_button_of_the_page_loads_more(paged: Notebook) -> None:
    view = paged.ok("paginated(api.messages.paged, 10)").value
    assert view.whole()["head"]["more"] == "CanLoadMore"
    pressed = {"type": "more", "tab": "t", "sequence": view.whole()["sequence"]}
    thread = threading.Thread(target=view._from_browser, args=(pressed,))
    thread.start()
    thread.join()
    assert len(view.results) == 20
    assert len(view.whole()["page"]) == 20
    view._from_browser({"type": "sort", "column": "body", "add": False})
    assert view.whole()["page"][1][1][1] == "1"


def test_a_button_that_is_pressed_twice_in_one_picture_loads_one_page(paged: Notebook) -> None:
    view = paged.ok("paginated(paged, 10)").value
    pressed = {"type": "more", "tab": "t", "sequence": view.whole()["sequence"]}
    # What was on its way to the page when the button was pressed lets it be pressed again.
    view._from_browser({"type": "sort", "column": "body", "add": False})
    late = {**pressed, "sequence": view.whole()["sequence"]}
    assert late != pressed
    for each in (pressed, pressed, late):
        view._from_browser(each)
    assert len(view.results) == 20
    view._from_browser({**pressed, "sequence": view.whole()["sequence"]})
    assert len(view.results) == 30


def test_new_arguments_begin_at_the_first_page(paged: Notebook) -> None:
    paged.ok("import ipywidgets\npicker = ipywidgets.Dropdown(options=['Ada', 'Bob'])")
    view = paged.ok("pages = paginated(paged, 10, author=picker)\npages").value
    paged.ok("pages.load_more(100)")
    assert (len(view.results), view.status) == (27, "Exhausted")
    assert paged.ok("picker.value = 'Bob'\nlen(pages.results), pages.status").value == (10, "CanLoadMore")
    assert paged.ok("waiting = paginated(paged, author=SKIP)\nwaiting.status, waiting.results").value == (
        "LoadingFirstPage",
        [],
    )
    assert paged.ok("waiting").value.whole()["head"]["state"] == "loading"


def test_a_pause_forgets_no_page(paged: Notebook) -> None:
    view = paged.ok("pages = paginated(paged, 10)\npages.load_more(20)\npages").value
    view.pause()
    assert (len(view.results), view.whole()["head"]["state"]) == (30, "paused")
    assert not view.load_more()
    view.resume()
    assert (bodies(view), view.status) == ([*range(30)], "CanLoadMore")


def test_a_cell_gets_its_pages_back_and_closing_leaves_nothing(paged: Notebook) -> None:
    paged.ok("live(recent)", "a")
    watched = paged.deployment.statistics().reactor.watched
    first = paged.ok("paginated(paged)", "b").value
    first.load_more()
    again = paged.ok("paginated(paged)", "b").value
    assert again is first
    assert len(first.results) == 20
    paged.ok("1", "b")
    assert paged.deployment.statistics().reactor.watched == watched


def test_an_error_is_shown_and_goes(paged: Notebook) -> None:
    paged.ok("%%convex_query messages -q --no-live\ndef odd(ctx, pagination_opts):\n    return len(pagination_opts)")
    view = paged.ok("paginated(odd)").value
    assert view.whole()["head"]["state"] == "error"
    assert "which is no page" in view.whole()["head"]["problem"]["message"]
    paged.ok(PAGED.replace("def paged", "def odd"))
    assert (len(view.results), view.status, view.error) == (20, "CanLoadMore", None)


def test_what_cannot_be_paginated_is_refused(paged: Notebook) -> None:
    views = len(paged.session.flush.views)
    assert isinstance(paged.run("paginated(recent)").error, InvalidValueError)
    assert isinstance(paged.run("paginated('messages:page')").error, FunctionNotFoundError)
    assert isinstance(paged.run("paginated(paged, writer=1)").error, ArgumentValidationError)
    assert isinstance(paged.run("paginated(paged, 0)").error, InvalidValueError)
    assert len(paged.session.flush.views) == views
