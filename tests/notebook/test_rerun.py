"""The same live cells run again and again in a real kernel leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from scripts.kernel import running_kernel
from tests.notebook.conftest import Notebook

CELLS = [
    "%load_ext convex_nb\nfrom convex_nb import form, live, paginated",
    """%%convex_mutation notes
def add(ctx, text: str):
    return ctx.db.insert("notes", {"text": text})
""",
    """%%convex_query notes
def every(ctx):
    return ctx.db.query("notes").collect()
""",
    """%%convex_query notes --no-live
def paged(ctx, pagination_opts):
    return ctx.db.query("notes").paginate(pagination_opts)
""",
    "pages = paginated(paged, 2)\npages.load_more()\npages",
    "rows = live(every, every=3600)\nrows",
    "live(every, render=len)",
    "form(add)",
]
COUNTS = """
import gc, threading
import convex_nb
from comm import get_comm_manager
from convex_nb.notebook.session import get_session
from ipywidgets.widgets.widget import _instances
gc.collect()
_session, _reactor = get_session(), convex_nb.current().statistics().reactor
print({
    "widgets": len(_instances),
    "comms": len(get_comm_manager().comms),
    "threads": threading.active_count(),
    "watched": _reactor.watched,
    "queries": _reactor.queries,
    "views": len(_session.flush.views),
    "cells": len(_session.cells),
    "twins": len(_session.twins._twins),
    "periods": len(_session.flush._timetable._turns),
    "bindings": len(_session._bindings),
    "senders": len(_session.carrier._senders),
    "listeners": len(convex_nb.current().on_commit),
})
"""


@pytest.mark.parametrize("runs", [15, pytest.param(1_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_live_cells_that_run_again_leave_nothing_behind(tmp_path: Path, runs: int) -> None:
    path = tmp_path / "rerun.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS]), path)
    with running_kernel(path, tmp_path) as kernel:
        kernel.run_all()
        kernel.run_all()
        first = kernel.ask(COUNTS)
        for _ in range(runs):
            kernel.run_all()
        assert kernel.ask(COUNTS) == first


SUBSCRIBE = "sub = {}.subscribe(recent, {{}}, lambda rows: heard.append(len(rows)))"


@pytest.mark.parametrize("whose", ["dep", "client"])
def test_a_subscription_ends_when_its_cell_runs_again(chat: Notebook, whose: str) -> None:
    chat.ok("import convex_nb\ndep = convex_nb.current()\nclient = dep.client()\nheard = []", "names")
    for _ in range(3):
        chat.ok(SUBSCRIBE.format(whose), "subscribe")
    chat.ok("heard.clear()")
    chat.ok('send(author="Ada", body="x")')
    assert chat["heard"] == [1]
    chat.ok("1", "other")
    assert not chat["sub"].closed
    chat.session.begin_cell("next", ["subscribe"])
    chat.session.end_cell()
    assert chat["sub"].closed


def test_a_subscription_of_a_script_belongs_to_nobody(chat: Notebook) -> None:
    heard: list[int] = []
    subscription = chat.deployment.subscribe("messages:recent", {}, lambda rows: heard.append(len(rows)))
    chat.ok('send(author="Ada", body="x")', "a")
    chat.ok('send(author="Ada", body="x")', "a")
    assert (heard, subscription.closed) == ([0, 1, 2], False)
    subscription.close()
