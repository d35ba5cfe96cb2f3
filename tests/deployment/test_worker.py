from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from convex_nb.deployment import worker
from convex_nb.deployment.worker import Worker
from tests.until import PATIENCE


class Work:
    def __init__(self, answer: Callable[[int], bool]) -> None:
        self.calls = 0
        self._answer = answer

    def work(self) -> bool:
        self.calls += 1
        return self._answer(self.calls)

    def rest(self) -> float:
        return 1e9


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.0)


def test_it_works_until_nothing_is_due_and_sleeps_until_it_is_woken() -> None:
    rested = threading.Semaphore(0)

    def answer(call: int) -> bool:
        more = call not in (3, 4)
        if not more:
            rested.release()
        return more

    work = Work(answer)
    thread = Worker(work)
    assert work.calls == 0
    thread.wake()
    assert rested.acquire(timeout=PATIENCE)
    assert work.calls == 3
    thread.wake()
    assert rested.acquire(timeout=PATIENCE)
    assert work.calls == 4
    thread.stop()
    thread.stop()
    thread.wake()
    assert work.calls == 4


def test_threads_that_wake_it_at_the_same_time_start_one_thread() -> None:
    work = Work(lambda _: False)
    worker = Worker(work, name="of two")
    # Both have found that it has none.
    worker._start()
    worker._start()
    assert [thread.name for thread in threading.enumerate()].count("of two") == 1
    worker.stop()


def test_it_is_stopped_while_another_thread_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    starting, go_on = threading.Event(), threading.Event()

    class Late(threading.Thread):
        def start(self) -> None:
            starting.set()
            assert go_on.wait(PATIENCE)
            super().start()

    work = Work(lambda call: True)
    thread = Worker(work)
    waking = threading.Thread(target=thread.wake)
    monkeypatch.setattr(threading, "Thread", Late)
    waking.start()
    assert starting.wait(PATIENCE)
    try:
        thread.stop()
    finally:
        go_on.set()
        waking.join()
    assert thread._thread is not None
    thread._thread.join(PATIENCE)
    assert not thread._thread.is_alive()
    assert work.calls == 0


def test_what_fails_is_said_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tried = threading.Semaphore(0)

    def fail(call: int) -> bool:
        tried.release()
        raise RuntimeError("broken")

    work = Work(fail)
    thread = Worker(work)
    with caplog.at_level(logging.ERROR, "convex_nb"):
        for _ in range(3):
            thread.wake()
            assert tried.acquire(timeout=PATIENCE)
        thread.stop()
    assert work.calls == 3
    assert len(caplog.records) == 1


def test_it_ends_when_nobody_has_its_owner_any_more() -> None:
    working = threading.Event()

    def answer(call: int) -> bool:
        working.set()
        return True

    work = Work(answer)
    thread = Worker(work)
    thread.wake()
    assert working.wait(PATIENCE)
    del work
    gc.collect()
    assert thread._thread is not None
    thread._thread.join(PATIENCE)
    assert not thread._thread.is_alive()


def test_it_looks_again_after_its_rest_though_nobody_wakes_it() -> None:
    looked = threading.Semaphore(0)

    def answer(call: int) -> bool:
        looked.release()
        return False

    work = Work(answer)
    work.rest = lambda: 0.001  # type: ignore[method-assign]
    thread = Worker(work, name="prompt", is_prompt=True)
    thread.wake()
    for _ in range(3):
        assert looked.acquire(timeout=PATIENCE)
    assert thread._thread is not None
    assert thread._thread.name == "prompt"
    thread.stop()


AT_THE_END = """
import atexit, threading, time
from convex_nb.deployment.worker import Worker

class Owner:
    def work(self):
        threading.main_thread().join()
        raise RuntimeError("can't register atexit after shutdown")

    def rest(self):
        return 1.0

owner = Owner()
worker = Worker(owner, is_prompt=True)
worker.wake()
atexit.register(time.sleep, 0.2)
"""


def test_what_the_end_of_the_interpreter_cuts_short_is_no_failure() -> None:
    ran = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
