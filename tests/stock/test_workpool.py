from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import ConvexError, FunctionNotFoundError, InvalidValueError, SchedulingError, action, mutation
from convex_nb.stock import HOUR, SECOND, Workpool
from convex_nb.testing import ConvexTest, VirtualClock
from tests.until import PATIENCE, until

DAY = 24 * HOUR
gate = threading.Event()
counting = threading.Lock()
running: list[str] = []
most: list[int] = []


@action("work:act")
def act(ctx: Any, name: str) -> str:
    with counting:
        running.append(name)
        most.append(len(running))
    assert gate.wait(PATIENCE)
    running.remove(name)
    if name == "bad":
        raise ConvexError("bad")
    return "x" * 2_000_000 if name == "huge" else name


@mutation("work:write")
def write(ctx: Any, name: str) -> str:
    ctx.db.insert("written", {"name": name, "at": ctx.now()})
    if name == "bad":
        raise ConvexError("bad")
    return "x" * 2_000_000 if name == "huge" else name


@mutation("work:done")
def done(ctx: Any, id: str, context: Any, outcome: Any) -> None:
    ctx.db.insert("told", {"context": context, **outcome})


pool = Workpool(name="slow", max_parallelism=2)
other = Workpool(name="other", max_parallelism=1, retry=True)


@pytest.fixture
def test(monkeypatch: pytest.MonkeyPatch) -> Iterator[ConvexTest]:
    monkeypatch.setattr("convex_nb.deployment.jobs.scheduling.GRACE_SECONDS", 0.01)
    gate.set()
    running.clear()
    most.clear()
    with ConvexTest() as test:
        test.register_component(Workpool.definition)
        test.deployment.register(act, write, done)
        yield test
        gate.set()
        test.finish_in_progress_scheduled_functions()


def enqueue(test: ConvexTest, name: str, pool: Workpool = pool, **options: Any) -> str:
    options = {"on_complete": done, "context": name, **options}
    function = options.pop("function", act)
    into = pool.enqueue_action if function is act else pool.enqueue_mutation
    return str(test.run(lambda ctx: into(ctx, function, {"name": name}, **options)))


def states(test: ConvexTest, *ids: str) -> Any:
    return test.run(lambda ctx: [(pool.status(ctx, id) or {"state": "forgotten"})["state"] for id in ids])


def status(test: ConvexTest, id: str) -> Any:
    return test.run(lambda ctx: pool.status(ctx, id))


def told(test: ConvexTest) -> Any:
    return test.run(lambda ctx: [f"{each['context']} {each['kind']}" for each in ctx.db.query("told").collect()])


def written(test: ConvexTest) -> Any:
    return test.run(lambda ctx: [each["name"] for each in ctx.db.query("written").collect()])


def test_so_many_run_at_a_time_in_the_order_in_which_they_became_due(test: ConvexTest) -> None:
    gate.clear()
    ids = [enqueue(test, str(n)) for n in range(5)]
    apart = [enqueue(test, name, other) for name in "abc"]
    test.advance(0)
    until(lambda: len(most) == 3)
    assert states(test, *ids, *apart) == ["running"] * 2 + ["pending"] * 3 + ["running"] + ["pending"] * 2
    gate.set()
    while len(told(test)) < 8:
        test.finish_in_progress_scheduled_functions()
    assert states(test, *ids) == ["success"] * 5
    assert max(most) == 3
    # Of two that run at a time either may be the first to end.
    assert [each for each in told(test) if each[0] in "abc"] == [f"{name} success" for name in "abc"]


def test_a_mutation_and_that_it_ran_are_one_commit(test: ConvexTest) -> None:
    # What a huge one returns cannot be kept, and so it has not run.
    good, bad, huge = (enqueue(test, name, function=write) for name in ("good", "bad", "huge"))
    again = enqueue(test, "bad", function=write, retry={"max_attempts": 3})
    test.finish_all_scheduled_functions()
    assert written(test) == ["good"]
    assert states(test, good, bad, again, huge) == ["success", "failed", "failed", "failed"]
    assert [status(test, id)["failures"] for id in (bad, again)] == [1, 3]
    assert sum("work:write: ConvexError: bad" in str(line) for line in test.deployment.logs) == 4
    assert sorted(told(test)) == ["bad failed", "bad failed", "good success", "huge failed"]


def test_at_a_time_and_after_a_while(test: ConvexTest) -> None:
    start = test.clock.now
    when = datetime.fromtimestamp(start / 1000, UTC).replace(tzinfo=None) + timedelta(seconds=2)
    for options in (
        {"run_at": when},
        {"run_after": timedelta(seconds=1)},
        {"run_at": start + 3000},
        {"run_at": start - 9},
    ):
        enqueue(test, "x", function=write, **options)
    test.advance(10 * SECOND)
    at = test.run(lambda ctx: [each["at"] - start for each in ctx.db.query("written").collect()])
    assert at == [0, 1000, 2000, 3000]


def test_canceled_ones_do_not_run_and_one_that_runs_keeps_its_place(test: ConvexTest) -> None:
    gate.clear()
    ids = [enqueue(test, str(n)) for n in range(4)] + [enqueue(test, "later", run_after=DAY)]
    test.advance(0)
    until(lambda: len(most) == 2)
    assert test.run(lambda ctx: pool.cancel(ctx, ids[0])) is True
    test.advance(0)
    assert states(test, *ids) == ["canceled", "running", "pending", "pending", "pending"]
    assert (sorted(running), told(test)) == (["0", "1"], ["0 canceled"])
    assert test.run(lambda ctx: (pool.cancel_all(ctx), pool.cancel_all(ctx))) == [4, 0]
    gate.set()
    test.finish_all_scheduled_functions()
    assert states(test, *ids) == ["canceled"] * 5
    assert (max(most), len(most), len(told(test))) == (2, 2, 5)
    # The places of both are free again.
    assert states(test, *[enqueue(test, "next") for _ in range(3)]) == ["pending"] * 3
    test.finish_all_scheduled_functions()
    assert told(test)[5:] == ["next success"] * 3


def test_a_result_that_cannot_be_kept_is_a_failure_and_no_reason_to_do_it_again(test: ConvexTest) -> None:
    id = enqueue(test, "huge", other)
    test.finish_all_scheduled_functions()
    error = status(test, id)["error"]
    assert (states(test, id), len(most), test.clock.now) == (["failed"], 1, VirtualClock().now)
    assert error.startswith("It ran, but its result could not be kept.")


def test_a_job_that_was_canceled_by_hand_gives_its_place_when_it_ends(test: ConvexTest) -> None:
    gate.clear()
    id = enqueue(test, "0", other)
    later = enqueue(test, "1", other)
    test.advance(0)
    until(lambda: running == ["0"])
    schedules = test.deployment.components["workpool"].schedules
    (job,) = schedules.running
    schedules.cancel(job)
    test.advance(SECOND)
    assert states(test, id, later) == ["running", "pending"]
    gate.set()
    now = test.clock.now
    while states(test, id, later) != ["canceled", "success"]:
        test.finish_in_progress_scheduled_functions()
    assert test.clock.now == now


def test_a_pool_whose_jobs_are_all_canceled_by_hand_goes_on_with_the_next(test: ConvexTest) -> None:
    gate.clear()
    schedules = test.deployment.components["workpool"].schedules
    first, second, third = (enqueue(test, name, other) for name in "abc")
    test.advance(0)
    until(lambda: running == ["a"])
    assert schedules.cancel_all() == 1
    gate.set()
    while states(test, first, second, third) != ["canceled", "success", "success"]:
        test.finish_in_progress_scheduled_functions()
    test.finish_all_scheduled_functions()
    assert told(test) == ["a canceled", "b success", "c success"]
    assert (most, list(schedules.pending)) == ([1, 1, 1], [])


def test_who_is_to_be_told_is_told_though_all_jobs_are_canceled_by_hand(test: ConvexTest) -> None:
    id = enqueue(test, "a")
    test.run(lambda ctx: pool.cancel(ctx, id))
    assert test.deployment.components["workpool"].schedules.cancel_all() == 0
    test.advance(0)
    assert told(test) == ["a canceled"]


def test_one_that_takes_long_is_looked_at_and_left_alone(test: ConvexTest) -> None:
    gate.clear()
    id = enqueue(test, "0", other)
    test.advance(0)
    until(lambda: running == ["0"])
    test.advance(HOUR)
    assert states(test, id) == ["running"]
    gate.set()
    test.finish_in_progress_scheduled_functions()
    assert (states(test, id), most) == (["success"], [1])
    # Nothing is left that looks for it.
    assert not test.deployment.components["workpool"].schedules.pending


def test_one_whose_function_is_not_defined_yet_waits_for_it(test: ConvexTest) -> None:
    id = enqueue(test, "x", function=write)
    test.deployment.unregister("work:write")
    test.advance(0)
    waiting = 'It waits until "work:write" is defined.'
    assert status(test, id) == {"state": "pending", "failures": 0, "result": None, "error": waiting}
    test.deployment.unregister("work:done")
    test.deployment.register(write)
    test.advance(60 * SECOND)
    assert (states(test, id), written(test), told(test)) == (["success"], ["x"], [])
    later = enqueue(test, "y", function=write, run_after=DAY, on_complete="work:write")
    test.deployment.unregister("work:write")
    assert test.run(lambda ctx: pool.cancel(ctx, later)) is True
    # Who is to be told is waited for too.
    test.deployment.register(done)
    test.advance(60 * SECOND)
    assert told(test) == ["x success"]


def test_one_whose_function_is_gone_when_its_turn_comes_lets_others_pass(test: ConvexTest) -> None:
    gate.clear()
    first, second = (enqueue(test, name, other) for name in "ab")
    test.advance(0)
    until(lambda: running == ["a"])
    third = enqueue(test, "c", other, function=write)
    test.deployment.unregister("work:act")
    gate.set()
    test.finish_in_progress_scheduled_functions()
    assert states(test, first, second, third) == ["success", "pending", "success"]
    test.deployment.register(act)
    test.finish_all_scheduled_functions()
    assert (states(test, second), status(test, second)["failures"], len(most)) == (["success"], 0, 2)


def test_who_is_to_be_told_is_not_waited_for_forever(test: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convex_nb.stock.work.KEPT_MS", 600 * SECOND)
    enqueue(test, "x", function=write)
    test.deployment.unregister("work:done")
    test.finish_all_scheduled_functions()
    assert 600 <= (test.clock.now - VirtualClock().now) / SECOND <= 660


def test_what_is_over_goes_after_a_week(test: ConvexTest) -> None:
    old = enqueue(test, "old", function=write)
    test.advance(7 * DAY + 1)
    new = enqueue(test, "new", function=write)
    test.advance(0)
    assert states(test, old, new) == ["forgotten", "success"]


def test_what_cannot_be_enqueued_is_refused(test: ConvexTest) -> None:
    with pytest.raises(FunctionNotFoundError, match="is no mutation"):
        test.run(lambda ctx: pool.enqueue_mutation(ctx, act, name="x"))
    with pytest.raises(InvalidValueError, match="`write` is told `id`, `context` and `outcome`"):
        enqueue(test, "x", on_complete=write)
    with pytest.raises(SchedulingError, match="not both"):
        enqueue(test, "x", run_at=1, run_after=1)
    for wrong in (0, True, 1.5):
        with pytest.raises(InvalidValueError, match="one function at a time"):
            Workpool(max_parallelism=wrong)  # type: ignore[arg-type]


KILLED = """
import signal, sys
import convex_nb
from convex_nb import action, mutation
from convex_nb.stock import Workpool

pool = Workpool(name="p", max_parallelism=1, retry=True)

@mutation("work:write")
def write(ctx, name):
    ctx.db.insert("written", {"name": name})

@action("work:act")
def act(ctx):
    ctx.run_mutation(write, name="act")
    if sys.argv[2:] == ["kill"]:
        signal.raise_signal(signal.SIGKILL)

@mutation("work:done")
def done(ctx, id, context, outcome):
    ctx.db.insert("told", {"context": context, "kind": outcome["kind"]})

@mutation("work:begin")
def begin(ctx):
    for n in range(3):
        pool.enqueue_mutation(ctx, write, name=str(n), on_complete=done, context=n)
    pool.enqueue_action(ctx, act, on_complete=done, context=3)
    for n in range(4, 7):
        pool.enqueue_mutation(ctx, write, name=str(n), on_complete=done, context=n)

FUNCTIONS = write, act, done, begin
"""
BEGIN = """
import time
with convex_nb.open(sys.argv[1]) as dep:
    dep.use(Workpool.definition)
    dep.register(*FUNCTIONS)
    dep.mutation(begin)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_nothing_is_lost_or_done_twice_when_the_process_is_killed_in_an_action(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    code = [sys.executable, "-c", KILLED + BEGIN, str(path), "kill"]
    assert subprocess.run(code, timeout=60, check=False).returncode == -9
    names: dict[str, Any] = {}
    exec(KILLED, names)
    clock = VirtualClock(time.time() * 1000)
    with convex_nb.open(path, clock=clock) as dep:
        assert sorted(dep.table("written").df()["name"]) == ["0", "1", "2", "act"]
        dep.use(Workpool.definition)
        clock.advance(0)
        works = dep.components["workpool"].table("works").df()
        (failed,) = works[works["kind"] == "action"].to_dict("records")
        # What the process was at when it was killed is known at once.
        assert (failed["phase"], failed["failures"]) == ("scheduled", 1)
        assert "The process ended while this action was running" in failed["error"]
        clock.advance(60 * SECOND)
        # The application is not defined yet, and nothing fails for that.
        assert sorted(dep.table("written").df()["name"]) == ["0", "1", "2", "act"]
        dep.register(*names["FUNCTIONS"])
        clock.advance(60 * SECOND)
        dep.schedules.wait(PATIENCE)
        clock.advance(60 * SECOND)
        assert sorted(dep.table("written").df()["name"]) == [*"012456", "act", "act"]
        assert sorted(dep.table("told").df()["context"]) == list(range(7))
        assert set(dep.table("told").df()["kind"]) == {"success"}
