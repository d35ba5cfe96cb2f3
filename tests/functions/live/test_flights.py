from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from convex_nb import Deployment, QueryCtx, query
from convex_nb.functions.live.flights import Flights
from tests.functions.apps import add_task, open_app
from tests.until import until


class Crowd:
    """Threads that call something at once, and what they got."""

    def __init__(self, number: int, call: Callable[[], Any]) -> None:
        self.results: list[Any] = []
        self._call = call
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        try:
            self.results.append(self._call())
        except Exception as error:
            self.results.append(error)

    def join(self) -> list[Any]:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        return self.results


class Slow:
    """A query that stops until it is let go."""

    def __init__(self, dep: Deployment, fails: bool = False, reads_clock: bool = False) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.runs = 0

        @query("slow:query")
        def slow(ctx: QueryCtx) -> Any:
            self.runs += 1
            self.begun.set()
            assert self.go.wait(30)
            if reads_clock:
                ctx.now()
            if fails:
                raise ValueError("no")
            return [task["text"] for task in ctx.db.query("tasks").collect()]

        self.query = slow
        dep.register(slow)


def waiting(dep: Deployment) -> int:
    """How many runs somebody waits for."""
    return len([flight for flight in dep._cache._flights._flights.values() if flight.landed is not None])


def test_who_asks_the_same_meanwhile_waits_and_shares_the_answer() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        slow = Slow(dep)
        first = Crowd(1, lambda: dep.query(slow.query))
        assert slow.begun.wait(30)
        others = Crowd(5, lambda: dep.query(slow.query))
        until(lambda: waiting(dep))
        slow.go.set()
        assert first.join() + others.join() == [["a"]] * 6
        assert slow.runs == 1
        assert len(dep._cache._flights) == 0
        assert len({id(value) for value in first.results + others.results}) == 6, "everybody has a copy"


def test_an_error_is_shared_with_those_who_waited_and_nobody_else() -> None:
    with open_app() as dep:
        slow = Slow(dep, fails=True)
        first = Crowd(1, lambda: dep.query(slow.query))
        assert slow.begun.wait(30)
        others = Crowd(3, lambda: dep.query(slow.query))
        until(lambda: waiting(dep))
        slow.go.set()
        assert [str(error) for error in first.join() + others.join()] == ["no"] * 4
        assert slow.runs < 4
        runs = slow.runs
        with pytest.raises(ValueError, match="no"):
            dep.query(slow.query)
        assert slow.runs == runs + 1


def test_what_reads_the_clock_is_run_by_everybody() -> None:
    with open_app() as dep:
        slow = Slow(dep, reads_clock=True)
        first = Crowd(1, lambda: dep.query(slow.query))
        assert slow.begun.wait(30)
        other = Crowd(1, lambda: dep.query(slow.query))
        until(lambda: waiting(dep))
        slow.go.set()
        assert first.join() + other.join() == [[], []]
        assert slow.runs == 2


def test_whoever_asks_after_a_commit_gets_what_is_true_then() -> None:
    with open_app() as dep:
        slow = Slow(dep)
        first = Crowd(1, lambda: dep.query(slow.query))
        assert slow.begun.wait(30)
        dep.mutation(add_task, text="a")
        other = Crowd(1, lambda: dep.query(slow.query))
        until(lambda: waiting(dep))
        slow.go.set()
        assert (first.join(), other.join()) == ([[]], [["a"]])


def test_queries_that_call_one_another_across_threads_do_not_wait_for_ever() -> None:
    """Each of two threads is in a run that the other one asks for."""
    barrier = threading.Barrier(2, timeout=30)
    inside: set[str] = set()

    with open_app() as dep:

        @query("a:one")
        def one(ctx: QueryCtx) -> Any:
            if "one" not in inside:
                inside.add("one")
                barrier.wait()
                return dep.query("a:two")
            return 1

        @query("a:two")
        def two(ctx: QueryCtx) -> Any:
            if "two" not in inside:
                inside.add("two")
                barrier.wait()
                return dep.query("a:one")
            return 2

        dep.register(one, two)
        crowds = [Crowd(1, lambda: dep.query(one)), Crowd(1, lambda: dep.query(two))]
        assert set(crowds[0].join() + crowds[1].join()) <= {1, 2}


def test_a_query_that_asks_for_itself_does_not_wait() -> None:
    with open_app() as dep:
        depth: list[int] = []

        @query("a:self")
        def itself(ctx: QueryCtx) -> Any:
            depth.append(1)
            return 5 if len(depth) > 1 else dep.query("a:self")

        dep.register(itself)
        assert dep.query(itself) == 5


def test_an_interrupted_run_is_made_again_by_whoever_waits() -> None:
    with open_app() as dep:
        begun, go = threading.Event(), threading.Event()
        runs: list[int] = []

        @query("a:interrupted")
        def interrupted(ctx: QueryCtx) -> Any:
            runs.append(1)
            begun.set()
            assert go.wait(30)
            if len(runs) == 1:
                raise KeyboardInterrupt
            return "whole"

        dep.register(interrupted)

        def first() -> Any:
            with pytest.raises(KeyboardInterrupt):
                dep.query(interrupted)

        crowd = Crowd(1, first)
        assert begun.wait(30)
        other = Crowd(1, lambda: dep.query(interrupted))
        until(lambda: waiting(dep))
        go.set()
        assert (crowd.join(), other.join()) == ([None], ["whole"])


def test_patience_ends_and_nobody_else_loses_as_much_time() -> None:
    flights = Flights(patience=0.01)
    flight, is_mine = flights.begin("k")
    assert is_mine
    crowd = Crowd(1, lambda: flights.wait("k", flight))
    assert crowd.join() == [None]
    assert len(flights) == 0
    flights.land("k", flight, None)
    assert flights.begin("k")[1]
