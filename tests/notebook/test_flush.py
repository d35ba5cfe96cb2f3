"""When views refresh."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from convex_nb.notebook import flush as flush_module
from convex_nb.notebook.flush import Flush
from tests.until import PATIENCE, until


class Deployment:
    """Refreshes what was marked."""

    def __init__(self) -> None:
        self.stale: list[Any] = []
        self.on_commit: list[Any] = []
        self.refreshes: list[str] = []

    def refresh(self) -> list[Any]:
        self.refreshes.append(threading.current_thread().name)
        changed, self.stale = self.stale, []
        return changed


class View:
    """Counts what the flush asks of it."""

    is_paused = is_hidden = False

    def __init__(self) -> None:
        self.query = SimpleNamespace(reads_clock=False)
        self.absorbed = 0
        self.pumped = 0

    def expect(self) -> None:
        self.expected = True

    def is_among(self, moved: set[int]) -> bool:
        return id(self.query) in moved

    def absorb(self) -> None:
        self.absorbed += 1

    def pump(self) -> None:
        self.pumped += 1


def made(
    *, threaded: bool = False, after: Callable[[bool], float | None] | None = None
) -> tuple[Flush, Deployment, View]:
    flush, deployment, view = Flush(after, threaded=threaded), Deployment(), View()
    flush.add(cast(Any, deployment), cast(Any, view))
    return flush, deployment, view


def test_views_with_news_absorb_and_the_others_only_send_what_waited() -> None:
    flush, deployment, view = made()
    other = View()
    flush.add(cast(Any, deployment), cast(Any, other))
    deployment.stale = [view.query]
    flush.now()
    assert (view.absorbed, view.pumped, other.absorbed, other.pumped) == (1, 0, 0, 1)
    assert len(deployment.refreshes) == 1


def test_what_views_say_is_one_message_that_leaves_before_tables_are_drawn() -> None:
    told: list[str] = []

    @contextmanager
    def together() -> Iterator[None]:
        told.append("[")
        yield
        told.append("]")

    flush = Flush(lambda _: told.append("after"), together=together, threaded=False)
    deployment, view = Deployment(), View()
    view.expect = lambda: told.append("expect")  # type: ignore[method-assign]
    view.pump = lambda: told.append("pump")  # type: ignore[method-assign]
    deployment.refresh = lambda: told.append("refresh") or []  # type: ignore[method-assign,func-returns-value]
    flush.add(cast(Any, deployment), cast(Any, view))
    flush.now()
    assert told == ["[", "expect", "]", "refresh", "[", "pump", "]", "after"]


def test_without_threads_nothing_happens_until_somebody_flushes() -> None:
    flush, deployment, _ = made()
    flush.mark()
    assert deployment.refreshes == []


def test_the_thread_flushes_what_is_marked_and_sleeps_otherwise() -> None:
    flush, deployment, view = made(threaded=True)
    try:
        deployment.stale = [view.query]
        flush.mark()
        until(lambda: view.absorbed == 1)
        assert deployment.refreshes == ["convex_nb views"]
        time.sleep(2 * flush_module.INTERVAL)
        assert len(deployment.refreshes) == 1
    finally:
        flush.close()


def test_marks_in_quick_succession_are_one_flush() -> None:
    flush, deployment, view = made(threaded=True)
    try:
        flush.mark()
        until(lambda: len(deployment.refreshes) == 1)
        with flush._flushing:
            for _ in range(1000):
                flush.mark()
        until(lambda: view.pumped == 2)
        time.sleep(2 * flush_module.INTERVAL)
        assert len(deployment.refreshes) == 2
    finally:
        flush.close()


def test_a_failing_view_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    flush, deployment, view = made(threaded=True)
    try:
        view.pump = lambda: 1 // 0  # type: ignore[method-assign,assignment]
        flush.mark()
        until(lambda: "could not be refreshed" in caplog.text)
        del view.pump
        deployment.stale = [view.query]
        flush.mark()
        until(lambda: view.absorbed == 1)
    finally:
        flush.close()


def test_closing_ends_the_thread() -> None:
    flush, *_ = made(threaded=True)
    thread = flush._thread
    assert thread is not None
    assert thread.is_alive()
    flush.close()
    assert not thread.is_alive()


def test_what_comes_after_is_told_when_a_cell_has_ended_and_may_ask_to_come_again() -> None:
    told: list[bool] = []

    def after(cell_ended: bool) -> float | None:
        told.append(cell_ended)
        return 0.01 if len(told) < 3 else None

    flush, *_ = made(threaded=True, after=after)
    try:
        # The thread may have begun to wait before that, or not yet.
        assert flush.now(cell_ended=True) == 0.01
        until(lambda: len(told) == 3)
        assert told == [True, False, False]
    finally:
        flush.close()


def test_a_period_holds_though_a_cell_ends_before_the_thread_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    run = Flush._run

    def late(flush: Flush) -> None:
        assert go_on.wait(PATIENCE)
        run(flush)

    monkeypatch.setattr(Flush, "_run", late)
    flush, deployment, view = made(threaded=True)
    try:
        flush.add(cast(Any, deployment), cast(Any, view), every=0.01)
        flush.now(cell_ended=True)
        go_on.set()
        until(lambda: "convex_nb views" in deployment.refreshes)
    finally:
        flush.close()


def test_only_the_last_move_of_a_view_is_made() -> None:
    flush, _, view = made(threaded=True)
    try:
        with flush._flushing:
            moves: list[int] = []
            for number in range(10):
                flush.later(cast(Any, view), lambda number=number: moves.append(number))  # type: ignore[misc]
        flush.now()
        assert moves == [9]
    finally:
        flush.close()


def test_a_value_that_a_query_refuses_keeps_nobody_else_from_moving(caplog: pytest.LogCaptureFixture) -> None:
    flush, deployment, view = made(threaded=True)
    flush.close()
    flush.later(cast(Any, View()), lambda: cast(None, 1 // 0))
    deployment.stale = [view.query]
    flush.now()
    assert view.absorbed == 1
    assert "could not follow its arguments" in caplog.text
