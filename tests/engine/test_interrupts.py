from __future__ import annotations

import inspect
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from convex_nb.engine import interrupts
from convex_nb.engine.interrupts import Deferred, deferred
from tests.engine.databases import insert_all, make_database, small_thresholds
from tests.engine.interrupt_loop import LEAST
from tests.engine.tripwire import interrupted_at


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def deferring(*steps: Callable[[], object]) -> None:
    with deferred:
        for step in steps:
            step()


def test_an_interrupt_waits_for_the_end() -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        deferring(interrupt, lambda: reached.append("the end"))
    assert reached == ["the end"]


def test_an_interrupt_waits_for_the_outermost_end() -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        deferring(lambda: deferring(interrupt), lambda: reached.append("after the inner one"))
    assert reached == ["after the inner one"]


def test_outside_it_arrives_at_once() -> None:
    with deferred:
        pass
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_several_interrupts_are_one() -> None:
    with pytest.raises(KeyboardInterrupt):
        deferring(interrupt, interrupt)
    deferring()


def test_an_interrupt_while_leaving_takes_the_waiting_one_along() -> None:
    """Otherwise that one would surface at the end of some later commit."""
    lines, first = inspect.getsourcelines(Deferred.__exit__)
    place = first + next(number for number, line in enumerate(lines) if "_pending and" in line)

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if frame.f_code is not Deferred.__exit__.__code__:
            return None
        if event == "line" and frame.f_lineno == place:
            sys.settrace(None)
            interrupt()
        return trace

    before = sys.gettrace()
    with pytest.raises(KeyboardInterrupt):
        deferring(interrupt, lambda: sys.settrace(trace))
    sys.settrace(before)
    deferring()


def test_the_handler_that_was_there_is_called() -> None:
    calls: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    with deferred:
        interrupt()
        assert calls == []
    assert calls == [signal.SIGINT]
    interrupt()
    assert len(calls) == 2
    # A kernel sets another one for the next cell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), deferred:
        interrupt()
    assert len(calls) == 2


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred:
        interrupt()
    interrupt()


def test_an_error_inside_is_not_lost() -> None:
    def fail() -> None:
        raise ValueError("inside")

    with pytest.raises(KeyboardInterrupt) as caught:
        deferring(interrupt, fail)
    assert isinstance(caught.value.__context__, ValueError)
    with pytest.raises(ValueError, match="inside"):
        deferring(fail)
    assert interrupts._depth == 0


def test_other_threads_are_left_alone() -> None:
    def run() -> None:
        with deferred:
            assert interrupts._depth == 0

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_a_commit_is_whole_before_the_interrupt_surfaces() -> None:
    database = make_database()
    told = []

    def while_committing(commit: Any) -> None:
        interrupt()
        told.append(commit)

    database.on_commit.append(while_committing)
    with pytest.raises(KeyboardInterrupt):
        insert_all(database, "items", [{"n": 1}])
    assert len(database.head.tables["items"]) == len(told) == 1
    database.check()


def test_an_interrupt_at_any_line(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    _, lines = interrupted_at(-1)
    assert lines > 1000
    # Steps that share no factor with anything that repeats; the long tests take every line.
    reached = [interrupted_at(line)[0] for line in range(1, lines, 47)]
    assert sum(reached) > len(reached) - 5


def test_two_thousand_interrupts(root: Path) -> None:
    command = [sys.executable, "-m", "tests.engine.interrupt_loop", "2000", "1", "40"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=root, check=False)
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    assert result["sent"] == result["surfaced"] >= LEAST, result
    # What was acknowledged is there; what was not is there as a whole or not at all, and everybody was told.
    assert result["acknowledged"] <= result["counted"] <= result["tried"]
    assert result["counted"] == result["logged"] == result["commits"] == result["told"]
    assert result["maintenance_steps"] > 0
