"""Views that run again by the clock."""

from __future__ import annotations

import math
import threading
import time
from datetime import timedelta
from typing import Any, cast

import pytest

from convex_nb.notebook.timetable import Timetable, seconds_of
from tests.notebook.conftest import Notebook
from tests.until import until


class Query:
    reads_clock = True

    def __init__(self) -> None:
        self.expired = 0

    def expire(self) -> None:
        self.expired += 1


class View:
    is_hidden = False

    def __init__(self) -> None:
        self.query: Query | None = Query()


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def made(seconds: float = 60) -> tuple[Timetable, Clock, View]:
    clock, view = Clock(), View()
    timetable = Timetable(clock)
    timetable.set(cast(Any, view), seconds)
    return timetable, clock, view


def test_a_view_is_due_once_in_a_period() -> None:
    timetable, clock, view = made()
    assert view.query is not None
    assert timetable.wait() == 60
    timetable.expire_due()
    clock.time += 60
    assert timetable.wait() == 0
    timetable.expire_due()
    timetable.expire_due()
    assert (view.query.expired, timetable.wait()) == (1, 60)


def test_what_was_missed_while_nobody_looked_runs_once() -> None:
    timetable, clock, view = made()
    assert view.query is not None
    view.is_hidden = True
    clock.time += 600
    timetable.expire_due()
    assert (view.query.expired, timetable.wait()) == (0, None)
    view.is_hidden = False
    assert timetable.wait() == 0
    timetable.expire_due()
    assert (view.query.expired, timetable.wait()) == (1, 60)


def test_without_a_query_or_a_period_nothing_is_due() -> None:
    timetable, clock, view = made()
    query, view.query = view.query, None
    clock.time += 60
    assert timetable.wait() is None
    view.query = query
    timetable.set(cast(Any, view), None)
    timetable.expire_due()
    assert timetable.wait() is None
    assert query is not None
    assert query.expired == 0


def test_a_query_that_does_not_look_at_the_clock_is_left_alone() -> None:
    timetable, clock, view = made()
    assert view.query is not None
    view.query.reads_clock = False
    clock.time += 60
    timetable.expire_due()
    assert (view.query.expired, timetable.wait()) == (0, 60)


@pytest.mark.parametrize("every", [0, -1, 0.01, math.inf, math.nan, True, "60", timedelta(0)])
def test_what_is_no_period_is_refused(every: Any) -> None:
    with pytest.raises(ValueError, match="a number of seconds, at least"):
        seconds_of(every)
    assert seconds_of(timedelta(minutes=1)) == 60.0
    assert seconds_of(None) is None


NOW = """%%convex_query -q --no-live
runs = []
def age(ctx):
    runs.append(ctx.now())
    return [{"age": ctx.now()}]
def count(ctx):
    runs.append(None)
    return 1
None
"""


def stands_still(notebook: Notebook) -> bool:
    """Whether several periods pass without a run."""
    notebook.session.flush.now()
    seen = len(notebook["runs"])
    time.sleep(0.35)
    return len(notebook["runs"]) == seen


@pytest.mark.filterwarnings("ignore:.*changes what is behind the global name")
def test_a_live_view_runs_again_by_itself_until_it_is_paused_hidden_or_closed(notebook: Notebook) -> None:
    notebook.ok(NOW)
    view = notebook.ok("view = live(age, every=0.1)\nview").value
    runs = notebook["runs"]
    first = view.value
    until(lambda: view.value != first)
    # One thread for all views; that of an earlier test may be about to end.
    until(lambda: [thread.name for thread in threading.enumerate()].count("convex_nb views") == 1)
    view.pause()
    assert stands_still(notebook)
    view.resume()
    seen = len(runs)
    until(lambda: len(runs) >= seen + 2)
    sequence = view.whole()["sequence"]
    view._from_browser({"type": "hello", "tab": "t", "sequence": sequence})
    view._from_browser({"type": "hidden", "tab": "t"})
    assert stands_still(notebook)
    view._from_browser({"type": "hello", "tab": "t", "sequence": sequence})
    seen = len(runs)
    until(lambda: len(runs) >= seen + 2)
    view.close()
    assert stands_still(notebook)


@pytest.mark.filterwarnings("ignore:.*changes what is behind the global name")
def test_running_the_cell_again_changes_the_period(notebook: Notebook) -> None:
    notebook.ok(NOW)
    notebook.ok("view = live(age, every=0.1)\nview", "a")
    notebook.ok("view = live(age)\nview", "a")
    assert stands_still(notebook)


def test_a_query_that_reads_no_clock_is_not_run_in_vain(notebook: Notebook) -> None:
    notebook.ok(NOW)
    notebook.ok("live(count, every=0.1)")
    time.sleep(0.3)
    assert notebook["runs"] == [None]
    assert "a number of seconds" in notebook.run("live(count, every='often')").text
