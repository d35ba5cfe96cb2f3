"""`dep.schedules`: looking at jobs, canceling them from outside; and where there are no threads."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import pytest

import convex_nb
from convex_nb import DeploymentClosedError, InvalidIdError, ReadOnlyError, action, mutation
from convex_nb.deployment import foundation
from convex_nb.deployment.jobs import scheduling
from convex_nb.testing import VirtualClock
from tests.services.apps import FUNCTIONS, add_later, add_note, fail, notes_of, scheduling_app, states_of
from tests.until import PATIENCE, until


def test_jobs_are_mappings_by_state() -> None:
    with scheduling_app() as test:
        schedules = test.deployment.schedules
        assert (len(schedules), list(schedules), repr(schedules)) == (0, [], "no scheduled functions")
        assert schedules._repr_html_() == "<p>no scheduled functions</p>"
        assert len(schedules.df()) == 0
        later, sooner = (test.mutation(add_later, text=text, ms=ms) for text, ms in (("b", 2000), ("a", 1000)))
        failing = test.run(lambda ctx: ctx.scheduler.run_after(0, fail))
        test.advance(0)
        assert list(schedules) == [later, sooner, failing]
        assert list(schedules.pending) == [sooner, later]
        assert list(schedules.finished) == [failing]
        assert len(schedules.in_progress) == 0
        assert (len(schedules), len(schedules.pending)) == (3, 2)
        assert schedules[later] == schedules.pending[later]
        assert later in schedules
        assert later not in schedules.finished
        for missing in ("nonsense", 5):
            with pytest.raises(KeyError):
                schedules[missing]  # type: ignore[index]


def test_they_show_themselves() -> None:
    with scheduling_app() as test:
        test.mutation(add_later, text="<a>", ms=1000)
        test.run(lambda ctx: ctx.scheduler.run_after(0, fail))
        test.advance(0)
        schedules = test.deployment.schedules
        assert repr(schedules).splitlines() == [
            "2025-01-01 00:00:01  pending  notes:add(text='<a>')",
            "2025-01-01 00:00:00  failed: ValueError: boom  notes:fail()",
        ]
        assert "&lt;a&gt;" in schedules._repr_html_()
        frame = schedules.df()
        assert list(frame.columns) == ["id", "name", "state", "scheduled", "completed", "error", "args"]
        assert frame["state"].tolist() == ["pending", "failed"]
        assert str(frame["scheduled"][0]) == "2025-01-01 00:00:01+00:00"
        assert frame["completed"].isna().tolist() == [True, False]
        test.run(lambda ctx: [ctx.scheduler.run_after(0, add_note) for _ in range(25)])
        assert repr(schedules).splitlines()[-1] == "and 7 more; all: .df()"
        assert len(schedules.newest_finished(5)) == 1


def test_canceling_from_outside() -> None:
    with scheduling_app() as test:
        schedules = test.deployment.schedules
        ids = [test.mutation(add_later, text=str(n), ms=10) for n in range(5)]
        test.run(lambda ctx: ctx.scheduler.run_after(10, fail))
        assert schedules.cancel(ids[0])
        assert not schedules.cancel(ids[0])
        with pytest.raises(InvalidIdError, match="cancel"):
            schedules.cancel("nonsense")
        assert schedules.cancel_all("notes.py:add") == 4
        assert schedules.cancel_all("notes:unknown") == 0
        assert states_of(test.deployment) == ["canceled"] * 5 + ["pending"]
        assert schedules.cancel_all() == 1
        test.advance(10)
        assert notes_of(test.deployment) == []


def test_a_live_query_sees_what_is_canceled_from_outside() -> None:
    seen: list[Any] = []
    with scheduling_app() as test:
        id = test.mutation(add_later, ms=10)
        test.deployment.subscribe("jobs:list", {}, lambda jobs: seen.append([job["state"]["kind"] for job in jobs]))
        test.deployment.schedules.cancel(id)
        assert seen == [["pending"], ["canceled"]]


def test_of_a_closed_deployment_and_of_one_that_is_only_read(tmp_path: Any) -> None:
    dep = convex_nb.open(tmp_path / "a.convex", clock=VirtualClock())
    dep.register(*FUNCTIONS)
    id = dep.mutation(add_later, ms=1000)
    schedules = dep.schedules
    dep.close()
    for look in (lambda: len(schedules), lambda: schedules.cancel(id), schedules.cancel_all, schedules.run_due):
        with pytest.raises(DeploymentClosedError):
            look()
    with convex_nb.open(tmp_path / "a.convex", read_only=True) as reader:
        assert list(reader.schedules) == [id]
        with pytest.raises(ReadOnlyError):
            reader.schedules.cancel(id)


def test_where_there_are_no_threads_jobs_run_after_commits_and_when_cells_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "HAS_THREADS", False)
    monkeypatch.setattr(foundation, "HAS_THREADS", False)

    @mutation("notes:chain")
    def chain(ctx: Any, left: int) -> None:
        ctx.db.insert("notes", {"text": str(left)})
        if left:
            ctx.scheduler.run_after(0, chain, left=left - 1)

    @action("notes:acts")
    async def acts(ctx: Any) -> None:
        ctx.run_mutation(add_later, text="of an action")

    with convex_nb.open() as dep:
        dep.register(*FUNCTIONS, chain, acts)
        dep.mutation(chain, left=3)
        assert notes_of(dep) == ["3", "2", "1", "0"]
        dep.transact(lambda db: db.insert("notes", {"text": "between"}))
        dep.mutation(mutation(lambda ctx: ctx.scheduler.run_after(0, acts)))
        assert notes_of(dep)[4:] == ["between", "of an action"]
        dep.mutation(add_later, text="later", ms=1)
        while notes_of(dep)[-1] != "later":
            dep.refresh()
        assert dep._scheduling._worker is None


def test_a_deployment_that_everybody_has_forgotten_goes_with_its_jobs() -> None:
    dep = convex_nb.open()
    dep.register(*FUNCTIONS)
    dep.mutation(add_later, ms=3_600_000)
    worker = dep._scheduling._worker
    assert worker is not None
    assert worker._thread is not None
    thread = worker._thread
    gone = weakref.ref(dep)
    convex_nb.set_current(None)
    del dep

    def is_gone() -> bool:
        # The thread of upkeep holds it while it works for it.
        gc.collect()
        return gone() is None

    until(is_gone)
    until(lambda: not thread.is_alive())


def test_closing_gives_what_runs_a_moment(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    @action("notes:brief")
    def brief(ctx: Any) -> None:
        begun.set()
        time.sleep(0.05)
        ctx.run_mutation(add_note, text="done")

    monkeypatch.setattr(scheduling, "CLOSING_SECONDS", PATIENCE)
    path = tmp_path / "a.convex"
    with convex_nb.open(path) as dep:
        dep.register(*FUNCTIONS, brief)
        dep.mutation(mutation(lambda ctx: ctx.scheduler.run_after(0, brief)))
        assert begun.wait(30)
    with convex_nb.open(path) as dep:
        dep.register(*FUNCTIONS)
        assert (notes_of(dep), states_of(dep)) == (["done"], ["success"])


def test_a_job_may_close_its_deployment() -> None:
    closed = threading.Event()

    @action("notes:closes")
    def closes(ctx: Any) -> None:
        dep.close()
        closed.set()

    dep = convex_nb.open()
    dep.register(closes)
    dep.mutation(mutation(lambda ctx: ctx.scheduler.run_after(0, closes)))
    assert closed.wait(30)


def test_what_is_held_waits_for_the_next_process(tmp_path: Any) -> None:
    path, clock = tmp_path / "a.convex", VirtualClock()
    with convex_nb.open(path, clock=clock) as dep:
        dep.register(*FUNCTIONS)
        dep.schedules.hold()
        dep.mutation(add_later, text="a")
        clock.advance(1000)
        dep.schedules.run_due()
        assert states_of(dep) == ["pending"]
    with convex_nb.open(path, clock=clock) as dep:
        dep.register(*FUNCTIONS)
        clock.advance(0)
        assert notes_of(dep) == ["a"]


def test_statistics_tell_how_late_it_is() -> None:
    with scheduling_app() as test:
        test.mutation(add_later, ms=1000)
        test.mutation(add_later, ms=60_000)
        test.deployment.pause()
        test.advance(3500)
        figures = test.deployment.statistics().scheduling
        assert (figures.pending, figures.running, figures.lag_seconds) == (2, 0, 2.5)
        test.deployment.resume()
        assert test.deployment.statistics().scheduling.lag_seconds == 0
