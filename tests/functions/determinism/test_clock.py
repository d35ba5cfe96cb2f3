from __future__ import annotations

import datetime as datetime_module
import pickle
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from time import perf_counter, time as time_function
from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, MutationCtx, QueryCtx, query
from convex_nb.testing import VirtualClock
from tests.functions.apps import open_app

START = 1_700_000_000_123.0
"""Milliseconds; 2023-11-14 22:13:20.123 UTC."""
SECONDS = START / 1e3


@pytest.fixture
def dep() -> Any:
    with convex_nb.open(clock=VirtualClock(START)) as deployment:
        yield deployment


def inside(dep: Deployment, function: Callable[[], Any]) -> Any:
    """What a function gives in a mutation."""
    return dep.transact(lambda db: function())


class Clock:
    seconds: Any = time.time
    now: Any = datetime.now


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: time.time(), SECONDS),
        (lambda: time.time_ns(), START * 1e6),
        (lambda: time.monotonic(), SECONDS),
        (lambda: time.monotonic_ns(), START * 1e6),
        (lambda: time.perf_counter(), SECONDS),
        (lambda: time.perf_counter_ns(), START * 1e6),
        (lambda: time.process_time(), SECONDS),
        (lambda: time.clock_gettime(time.CLOCK_REALTIME), SECONDS),
        (lambda: time.clock_gettime_ns(time.CLOCK_REALTIME), START * 1e6),
        (lambda: time.gmtime()[:6], (2023, 11, 14, 22, 13, 20)),
        (lambda: time.gmtime(0)[:6], (1970, 1, 1, 0, 0, 0)),
        (lambda: time.mktime(time.localtime()), int(SECONDS)),
        (lambda: time.ctime(), time.ctime(SECONDS)),
        (lambda: time.ctime(5), time.ctime(5)),
        (lambda: time.asctime(), time.ctime(SECONDS)),
        (lambda: time.strftime("%Y-%m"), "2023-11"),
        (lambda: time.strftime("%Y", time.gmtime(0)), "1970"),
        (lambda: datetime.now(), datetime.fromtimestamp(SECONDS)),
        (lambda: datetime.now(UTC), datetime.fromtimestamp(SECONDS, UTC)),
        (lambda: datetime.now(tz=timezone(timedelta(hours=3))).hour, 1),
        (lambda: datetime_module.datetime.now(), datetime.fromtimestamp(SECONDS)),
        (lambda: datetime.today(), datetime.fromtimestamp(SECONDS)),
        (lambda: date.today(), datetime.fromtimestamp(SECONDS).date()),
        (lambda: time_function(), SECONDS),
        (lambda: perf_counter(), SECONDS),
        (lambda: Clock.seconds(), SECONDS),
        (lambda: Clock().seconds(), SECONDS),
        (lambda: Clock.now(), datetime.fromtimestamp(SECONDS)),
    ],
)
def test_a_clock_stands_still_at_the_beginning_of_the_call(
    dep: Deployment, read: Callable[[], Any], expected: Any
) -> None:
    # What registering does for the module of a handler.
    dep.register(query("m:here")(defined_here))
    assert inside(dep, read) == expected
    real = read()
    assert inside(dep, read) == expected
    if isinstance(real, datetime) and real.tzinfo is None:
        assert real.year > 2023
    elif isinstance(real, float):
        assert real != expected


def defined_here(ctx: QueryCtx) -> None: ...


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_utcnow(dep: Deployment) -> None:
    assert inside(dep, lambda: datetime.utcnow()) == datetime(2023, 11, 14, 22, 13, 20, 123_000)
    assert datetime.utcnow().year > 2023


def test_an_action_sees_the_real_time(dep: Deployment) -> None:
    @convex_nb.action("m:look")
    def look(ctx: convex_nb.ActionCtx) -> list[float]:
        return [time.time(), datetime.now().timestamp(), float(ctx.run_query(frozen))]

    @query("m:frozen")
    def frozen(ctx: QueryCtx) -> float:
        return time.time()

    before = time.time()
    first, second, nested = dep.action(look)
    assert before <= first <= second <= time.time()
    assert nested == SECONDS


def test_a_query_that_looked_at_the_time_is_not_cached() -> None:
    import logging

    @query("m:looks")
    def looks(ctx: QueryCtx) -> str:
        return datetime.now().isoformat()

    @query("m:logs")
    def logs(ctx: QueryCtx) -> str:
        logging.getLogger("tests").warning("a record has a time, which is no part of the result")
        return "same"

    with open_app() as dep:
        assert dep.query(looks) != dep.query(looks)
        dep.query(logs)
        dep.query(logs)
        assert [record.cached for record in dep.logs.executions] == [False, False, False, True]


def test_other_threads_see_the_real_time_meanwhile(dep: Deployment) -> None:
    asked, answered, stop = threading.Event(), threading.Event(), threading.Event()
    seen: list[Any] = []

    def look() -> None:
        while asked.wait() and not stop.is_set():
            asked.clear()
            seen.append((time.time(), datetime.now()))
            answered.set()

    other = threading.Thread(target=look)
    other.start()

    def handler() -> float:
        asked.set()
        assert answered.wait(60)
        return time.time()

    before = time.time()
    assert inside(dep, handler) == SECONDS
    stop.set()
    asked.set()
    other.join(60)
    (seconds, moment), *_ = seen
    assert before <= seconds <= moment.timestamp() + 1e-3 <= time.time() + 1e-3


def test_a_retried_mutation_sees_the_same_time() -> None:
    seen: list[object] = []

    @convex_nb.mutation("m:conflicts")
    def conflicts(ctx: MutationCtx) -> None:
        seen.append((time.time(), datetime.now(), ctx.now()))
        count = len(ctx.db.query("tasks").collect())
        if len(seen) == 1:
            worker = open_thread
            worker.submit(lambda: dep.mutation("tasks:add", {"text": "meanwhile"})).result(60)
        ctx.db.insert("tasks", {"text": str(count), "done": False})

    from concurrent.futures import ThreadPoolExecutor

    with open_app() as dep, ThreadPoolExecutor(1) as open_thread:
        open_thread.submit(int).result()
        dep.mutation(conflicts)
    first, second = seen
    assert first == second


def test_datetime_stays_the_type_that_it_is(dep: Deployment) -> None:
    class Moment(datetime):
        pass

    def handler() -> None:
        now = datetime.now()
        assert type(now) is datetime
        assert isinstance(now, datetime)
        assert isinstance(now, date)
        assert pickle.loads(pickle.dumps(now)) == now
        assert type(Moment.now()) is Moment
        assert type(Moment.today()) is Moment
        assert Moment.now() == now

    inside(dep, handler)
    handler_outside = datetime.now()
    assert type(handler_outside) is datetime
    assert type(Moment.now()) is Moment
    assert datetime_module.datetime is datetime
    with pytest.raises(TypeError):
        datetime.now(5)  # type: ignore[arg-type]


def test_the_clocks_are_pickled_by_name(dep: Deployment) -> None:
    assert pickle.loads(pickle.dumps(time.time)) is time.time
    assert pickle.loads(pickle.dumps(time.strftime)) is time.strftime
    assert time.time.__name__ == "time"
    assert repr(time.time) == "<built-in function time>"
