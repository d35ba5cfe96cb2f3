"""When scheduled functions run, how often, and what becomes of them: by a virtual clock and by the machine's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import ActionCtx, Deployment, MutationCtx, SchedulingError, action, mutation
from convex_nb.deployment.jobs import lead, scheduling
from convex_nb.engine.database import Database
from convex_nb.language.limits import Limits
from convex_nb.services.scheduling.scheduled_functions import INTERRUPTED, ScheduledFunctions
from convex_nb.testing import ConvexTest, VirtualClock
from tests.services.apps import (
    FUNCTIONS,
    act,
    add_later,
    add_note,
    fail,
    list_jobs,
    list_notes,
    notes_of,
    scheduling_app,
    states_of,
)
from tests.until import PATIENCE, until

WAIT = PATIENCE


def open_real(path: Path | None = None, **options: Any) -> Deployment:
    """The application by the machine's clock."""
    deployment = convex_nb.open(path, **options)
    deployment.register(*FUNCTIONS)
    return deployment


def until_states(dep: Deployment, *expected: str) -> None:
    """Wait for a commit after which the jobs have these states."""
    reached = threading.Event()

    def look(jobs: list[Any]) -> None:
        if [job["state"]["kind"] for job in jobs] == list(expected):
            reached.set()

    subscription = dep.subscribe(list_jobs, {}, look)
    if not reached.wait(WAIT):
        raise AssertionError(f"{states_of(dep)} are not {expected}")
    subscription.close()


# -- by a virtual clock ------------------------------------------------------------------------------------------


def test_jobs_run_at_their_own_times() -> None:
    with scheduling_app() as test:
        start = test.clock.now
        for ms in (300, 100, 200, 100.25):
            test.mutation(add_later, text=str(ms), ms=ms)
        test.advance(99)
        assert notes_of(test.deployment) == []
        test.advance(1000)
        written = test.run(lambda ctx: [(note["text"], note["at"]) for note in ctx.db.query("notes").collect()])
        assert written == [[text, start + float(text)] for text in ("100", "100.25", "200", "300")]
        assert test.clock.now == start + 1099
        assert [job["completedTime"] for job in test.query(list_jobs)] == [start + ms for ms in (300, 100, 200, 100.25)]


def test_jobs_of_one_time_run_in_the_order_in_which_they_were_scheduled() -> None:
    with scheduling_app() as test:
        for number in range(20):
            test.mutation(add_later, text=str(number), ms=5)
        test.advance(5)
        assert notes_of(test.deployment) == [str(number) for number in range(20)]


def test_a_chain_runs_along_the_clock() -> None:
    @mutation("chain:next")
    def chain(ctx: MutationCtx, left: int) -> None:
        ctx.db.insert("notes", {"text": str(left), "at": ctx.now()})
        if left:
            ctx.scheduler.run_after(1000, chain, left=left - 1)

    with scheduling_app() as test:
        test.deployment.register(chain)
        test.mutation(chain, left=3)
        test.advance(2500)
        assert notes_of(test.deployment) == ["3", "2", "1"]
        test.finish_all_scheduled_functions()
        assert notes_of(test.deployment) == ["3", "2", "1", "0"]


def test_a_failing_job_leaves_its_error_and_nothing_else() -> None:
    with scheduling_app() as test:
        id = test.run(lambda ctx: ctx.scheduler.run_after(0, fail, text="no luck"))
        test.mutation(add_later, text="the next one")
        test.advance(0)
        job = test.deployment.schedules[id]
        assert job["state"] == {"kind": "failed", "error": "ValueError: no luck"}
        assert notes_of(test.deployment) == ["the next one"]
        (record,) = [each for each in test.deployment.logs.executions if each.status == "failure"]
        assert (record.path, record.job_id, record.caller) == ("notes:fail", id, "system")
        assert record.error == "ValueError: no luck"


def test_a_failing_action_keeps_what_it_committed() -> None:
    @action("notes:half")
    def half(ctx: ActionCtx) -> None:
        ctx.run_mutation(add_note, text="a half")
        raise RuntimeError("the other half is missing")

    with scheduling_app() as test:
        test.deployment.register(half)
        id = test.run(lambda ctx: ctx.scheduler.run_after(0, half))
        test.finish_in_progress_scheduled_functions()
        assert notes_of(test.deployment) == ["a half"]
        assert test.deployment.schedules[id]["state"]["error"] == "RuntimeError: the other half is missing"


def test_a_function_that_is_gone_fails_its_job() -> None:
    with scheduling_app() as test:
        id = test.mutation(add_later, text="a")
        test.deployment.unregister("notes:add")
        test.advance(0)
        assert test.deployment.schedules[id]["state"]["kind"] == "failed"
        assert "Could not find function" in test.deployment.schedules[id]["state"]["error"]
        assert [each.job_id for each in test.deployment.logs.executions if each.status == "failure"] == [id]


def test_a_function_that_has_become_a_query_fails_its_job() -> None:
    with scheduling_app() as test:
        id = test.mutation(add_later, text="a")
        test.deployment.register(convex_nb.query("notes:add")(lambda ctx, text: text))
        test.advance(0)
        assert "is a query" in test.deployment.schedules[id]["state"]["error"]


def test_the_newest_code_runs() -> None:
    with scheduling_app() as test:
        test.mutation(add_later, text="a", ms=10)
        test.deployment.register(
            mutation("notes:add")(lambda ctx, text: ctx.db.insert("notes", {"text": text + ", anew"}))
        )
        test.advance(10)
        assert notes_of(test.deployment) == ["a, anew"]


def test_a_conflict_is_retried_silently() -> None:
    attempts: list[int] = []

    @mutation("counter:bump")
    def bump(ctx: MutationCtx) -> None:
        (counter,) = ctx.db.query("counters").collect()
        if len(attempts) < 7:
            # More often than a mutation that somebody calls is run again.
            thread = threading.Thread(target=lambda: other(counter["_id"]))
            attempts.append(1)
            run_outside(thread)
        ctx.db.patch(counter["_id"], {"mine": counter["mine"] + 1})

    with scheduling_app() as test:
        dep = test.deployment
        dep.register(bump)

        def other(id: str) -> None:
            dep.transact(lambda db: db.patch(id, {"theirs": db.get(id)["theirs"] + 1}))  # type: ignore[index]

        test.run(lambda ctx: ctx.db.insert("counters", {"mine": 0, "theirs": 0}))
        id = test.run(lambda ctx: ctx.scheduler.run_after(0, bump))
        dep._runner._sleep = lambda _: None
        test.advance(0)
        (counter,) = test.run(lambda ctx: ctx.db.query("counters").collect())
        assert (counter["mine"], counter["theirs"]) == (1, 7)
        assert dep.schedules[id]["state"] == {"kind": "success"}


def run_outside(thread: threading.Thread) -> None:
    """Run a thread to its end from inside a handler, where starting one is refused."""
    from convex_nb.functions.execution import running

    token = running.set(None)
    try:
        thread.start()
        thread.join()
    finally:
        running.reset(token)


def test_a_job_that_cancels_itself_is_canceled_and_done() -> None:
    @mutation("notes:self")
    def cancels_itself(ctx: MutationCtx) -> None:
        (job,) = ctx.db.system.query("_scheduled_functions").collect()
        ctx.scheduler.cancel(job["_id"])
        ctx.db.insert("notes", {"text": "done"})
        ctx.scheduler.run_after(0, add_note, text="of a canceled one")

    with scheduling_app() as test:
        test.deployment.register(cancels_itself)
        test.run(lambda ctx: ctx.scheduler.run_after(0, cancels_itself))
        test.finish_all_scheduled_functions()
        assert notes_of(test.deployment) == ["done"]
        assert states_of(test.deployment) == ["canceled", "canceled"]


def test_nothing_runs_before_the_clock_is_moved() -> None:
    with scheduling_app() as test:
        test.mutation(add_later)
        assert not test.deployment.schedules.wait(0.01) or states_of(test.deployment) == ["pending"]
        test.advance(-5)
        assert states_of(test.deployment) == ["pending"]
        test.advance(5)
        assert states_of(test.deployment) == ["success"]


def test_a_clock_that_is_moved_by_hand_moves_every_deployment_that_has_it() -> None:
    clock = VirtualClock()
    with convex_nb.open(clock=clock) as one, convex_nb.open(clock=clock) as other:
        for dep, ms in ((one, 20), (other, 10)):
            dep.register(*FUNCTIONS)
            dep.mutation(add_later, text="a", ms=ms)
        clock.advance(10)
        assert (states_of(one), states_of(other)) == (["pending"], ["success"])
        clock.advance(10)
        assert states_of(one) == ["success"]


def test_results_are_kept_for_seven_days() -> None:
    day = 86_400_000
    with scheduling_app() as test:
        test.mutation(add_later)
        test.mutation(add_later, ms=3 * day)
        test.mutation(add_later, ms=30 * day)
        test.advance(7 * day - 1)
        assert states_of(test.deployment) == ["success", "success", "pending"]
        test.advance(1)
        assert states_of(test.deployment) == ["success", "pending"]
        test.advance(3 * day)
        assert states_of(test.deployment) == ["pending"]


def test_a_chain_without_end_is_noticed() -> None:
    @mutation("chain:endless")
    def endless(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(1000, endless)

    with scheduling_app() as test:
        test.deployment.register(endless)
        test.mutation(endless)
        with pytest.raises(SchedulingError, match="After 5 rounds there are still 1 scheduled"):
            test.finish_all_scheduled_functions(max_rounds=5)
        with pytest.raises(SchedulingError, match="schedule itself"):
            test.finish_all_scheduled_functions(lambda: test.advance(10_000), max_rounds=3)


# -- actions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_cancel_of_a_running_action_cancels_what_it_schedules_from_then_on(is_async: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(ctx: ActionCtx) -> None:
        ctx.scheduler.run_after(0, add_note, text="before")
        begun.set()
        assert go_on.wait(WAIT)
        ctx.scheduler.run_after(0, add_note, text="child")
        ctx.run_mutation(add_later, text="child of a mutation")
        ctx.run_action(schedules)
        ctx.run_mutation(add_note, text="its own work")

    @action("notes:nested")
    async def schedules(ctx: ActionCtx) -> None:
        await asyncio.to_thread(lambda: ctx.run_mutation(add_later, text="child of an action"))

    async def work_async(ctx: ActionCtx) -> None:
        await asyncio.to_thread(work, ctx)

    with scheduling_app() as test:
        running = action("notes:work")(work_async if is_async else work)
        test.deployment.register(running, schedules)
        id = test.run(lambda ctx: ctx.scheduler.run_after(0, running))
        dep = test.deployment
        thread = threading.Thread(target=test.advance, args=(0,))
        thread.start()
        assert begun.wait(WAIT)
        assert states_of(dep) == ["inProgress", "pending"]
        assert dep.schedules.running == {id}
        test.run(lambda ctx: ctx.scheduler.cancel(id))
        go_on.set()
        thread.join(WAIT)
        test.finish_all_scheduled_functions()
        assert states_of(dep) == ["canceled", "success", "canceled", "canceled", "canceled"]
        assert sorted(notes_of(dep)) == ["before", "its own work"]


def test_ten_actions_run_at_once_and_mutations_pass_them_by() -> None:
    go_on = threading.Event()
    at_once: list[int] = []
    count = threading.Lock()
    running = 0

    @action("notes:blocked")
    def blocked(ctx: ActionCtx) -> None:
        nonlocal running
        with count:
            running += 1
            at_once.append(running)
        assert go_on.wait(WAIT)
        with count:
            running -= 1

    with open_real(limits=Limits(running_scheduled_functions=3, query_seconds=float("inf"))) as dep:
        dep.register(blocked)
        dep.mutation(mutation(lambda ctx: [ctx.scheduler.run_after(0, blocked) for _ in range(8)]))
        dep.mutation(add_later, text="not in the way")
        done = threading.Event()
        dep.subscribe(list_notes, {}, lambda notes: done.set() if notes else None)
        assert done.wait(WAIT)
        assert states_of(dep).count("inProgress") <= 3
        until(lambda: running == 3)
        go_on.set()
        until_states(dep, *["success"] * 9)
        assert max(at_once) == 3


# -- by the machine's clock --------------------------------------------------------------------------------------


def test_a_job_runs_with_nobody_calling() -> None:
    with open_real() as dep:
        dep.mutation(add_later, text="soon", ms=20)
        dep.mutation(add_later, text="at once")
        until_states(dep, "success", "success")
        assert sorted(notes_of(dep)) == ["at once", "soon"]
        dep.check()


def test_jobs_that_never_end_are_not_in_the_way_of_others() -> None:
    go_on = threading.Event()

    @mutation("notes:stuck")
    def stuck(ctx: MutationCtx) -> None:
        assert go_on.wait(WAIT)

    with open_real() as dep:
        dep.register(stuck)
        dep.mutation(mutation(lambda ctx: [ctx.scheduler.run_after(0, stuck) for _ in range(2)]))
        dep.mutation(add_later, text="passes")
        until_states(dep, "pending", "pending", "success")
        go_on.set()
        until_states(dep, "success", "success", "success")


def test_a_thousand_jobs_that_are_due_at_once_run_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    # In their order as well, unless one of them takes so long that the others pass it by.
    monkeypatch.setattr(lead, "PATIENCE_SECONDS", PATIENCE)
    with open_real() as dep:
        dep.mutation(mutation(lambda ctx: [ctx.scheduler.run_after(10, add_note, text=str(n)) for n in range(1000)]))
        until_states(dep, *["success"] * 1000)
        assert notes_of(dep) == [str(n) for n in range(1000)]


def test_a_paused_deployment_keeps_its_jobs_and_runs_them_after() -> None:
    with open_real() as dep:
        dep.pause()
        dep.resume()
        dep.mutation(add_later, text="a", ms=60_000)
    with scheduling_app() as test:
        dep = test.deployment
        test.mutation(add_later, text="a", ms=10)
        test.mutation(add_later, text="b", ms=20)
        dep.pause()
        test.advance(100)
        assert [job["state"]["kind"] for job in dep.schedules.values()] == ["pending"] * 2
        dep.resume()
        assert notes_of(dep) == ["a", "b"]


def test_nobody_is_logged_in_inside_a_job() -> None:
    @mutation("notes:who")
    def who(ctx: MutationCtx) -> None:
        ctx.db.insert("notes", {"text": str(ctx.auth.get_user_identity())})

    @action("notes:who_acts")
    def who_acts(ctx: ActionCtx) -> None:
        ctx.run_mutation(who)

    @mutation("notes:ask_later")
    def ask_later(ctx: MutationCtx) -> None:
        assert ctx.auth.get_user_identity() is not None
        ctx.scheduler.run_after(0, who)
        ctx.scheduler.run_after(0, who_acts)

    with scheduling_app() as test:
        test.deployment.register(who, who_acts, ask_later)
        test.deployment.client(identity={"subject": "ada"}).mutation(ask_later)
        test.finish_all_scheduled_functions()
        assert notes_of(test.deployment) == ["None", "None"]


def test_a_function_that_removes_itself_while_it_is_scheduled() -> None:
    @mutation("notes:leaves")
    def leaves(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(0, "notes:leaves")
        test.deployment.unregister("notes:leaves")
        ctx.db.insert("notes", {"text": "the last one"})

    with scheduling_app() as test:
        test.deployment.register(leaves)
        test.mutation(leaves)
        test.advance(0)
        assert notes_of(test.deployment) == ["the last one"]
        assert states_of(test.deployment) == ["failed"]


def test_a_closed_deployment_starts_nothing_any_more() -> None:
    clock = VirtualClock()
    dep = convex_nb.open(clock=clock)
    dep.register(*FUNCTIONS)
    dep.mutation(add_later)
    dep.close()
    clock.advance(1000)
    assert dep._log.executions.df()["path"].tolist() == ["notes:later"]


def test_a_deployment_without_jobs_has_no_thread_for_them() -> None:
    with open_real() as dep:
        dep.mutation(add_note, text="a")
        assert dep._scheduling._worker is not None
        assert dep._scheduling._worker._thread is None


# -- in a file ---------------------------------------------------------------------------------------------------


def test_what_waits_is_run_after_reopening_once_its_function_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    clock = VirtualClock()
    with convex_nb.open(path, clock=clock) as dep:
        dep.register(*FUNCTIONS)
        dep.mutation(add_later, text="a", ms=1000)
    with convex_nb.open(path, clock=clock) as dep:
        clock.advance(5000)
        assert [job["state"]["kind"] for job in dep.schedules.values()] == ["pending"]
        dep.register(*FUNCTIONS)
        clock.advance(0)
        assert notes_of(dep) == ["a"]
    with convex_nb.open(path, clock=clock) as dep:
        dep.register(*FUNCTIONS)
        clock.advance(0)
        assert notes_of(dep) == ["a"]


def test_a_reader_of_the_file_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    clock = VirtualClock()
    with convex_nb.open(path, clock=clock) as dep:
        dep.register(*FUNCTIONS)
        dep.mutation(add_later)
    with convex_nb.open(path, read_only=True, clock=clock) as dep:
        dep.register(*FUNCTIONS)
        clock.advance(1000)
        assert states_of(dep) == ["pending"]


KILLED = """
import os, sys
import convex_nb
from convex_nb import action, mutation

dep = convex_nb.open(sys.argv[1])

@mutation("notes:add")
def add_note(ctx, text=""):
    ctx.db.insert("notes", {"text": text, "at": ctx.now()})

@action("notes:dies")
def dies(ctx):
    ctx.run_mutation(add_note, text="before the end")
    os._exit(9)

@mutation("notes:dies_before_its_commit")
def dies_before_its_commit(ctx):
    ctx.db.insert("notes", {"text": "exactly once"})
    if not os.path.exists(sys.argv[1] + ".died"):
        open_outside()
        os._exit(9)

def open_outside():
    from convex_nb.functions.execution import running
    token = running.set(None)
    open(sys.argv[1] + ".died", "w").close()
    running.reset(token)

dep.register(add_note, dies, dies_before_its_commit)
dep.mutation(mutation(lambda ctx: [
    ctx.scheduler.run_after(3_600_000, add_note, text="later"),
    ctx.scheduler.run_after(0, sys.argv[2]),
]))
import time
time.sleep(60)
"""


@pytest.mark.parametrize("dies", ["notes:dies", "notes:dies_before_its_commit"])
def test_a_process_that_is_killed(tmp_path: Path, dies: str) -> None:
    path = tmp_path / "a.convex"
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    ended = subprocess.run([sys.executable, str(script), str(path), dies], timeout=120, check=False, cwd=Path.cwd())
    assert ended.returncode == 9
    with convex_nb.open(path) as dep:
        dep.register(*FUNCTIONS)
        if dies == "notes:dies":
            (job,) = [job for job in dep.schedules.values() if job["name"] == dies]
            assert job["state"] == {"kind": "failed", "error": INTERRUPTED}
            assert job["completedTime"] > job["scheduledTime"]
            assert [line.message for line in dep.logs] == [f"{INTERRUPTED} (job {job['_id']})"]
            assert notes_of(dep) == ["before the end"]
        else:
            assert states_of(dep) == ["pending", "pending"]
            dep.register(mutation(dies)(lambda ctx: ctx.db.insert("notes", {"text": "exactly once"})))
            until_states(dep, "pending", "success")
            assert notes_of(dep) == ["exactly once"]
        assert [job["name"] for job in dep.schedules.pending.values()] == ["notes:add"]


def test_the_test_kit_says_who_is_still_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "GRACE_SECONDS", 0.01)
    go_on = threading.Event()

    @action("notes:slow")
    def slow(ctx: ActionCtx) -> None:
        assert go_on.wait(WAIT)

    with ConvexTest() as test:
        test.deployment.register(slow, act)
        test.run(lambda ctx: ctx.scheduler.run_after(0, slow))
        with pytest.raises(TimeoutError, match="notes:slow"):
            test.finish_in_progress_scheduled_functions(timeout=0.01)
        go_on.set()
        test.finish_in_progress_scheduled_functions()


def test_a_job_that_takes_long_is_left_behind_by_the_others_and_ends_alone() -> None:
    go_on = threading.Event()
    threads: list[str] = []

    @mutation("notes:long")
    def long(ctx: MutationCtx) -> None:
        threads.append(threading.current_thread().name)
        assert go_on.wait(WAIT)
        ctx.db.insert("notes", {"text": "long"})

    with open_real(limits=Limits(running_scheduled_functions=2, query_seconds=float("inf"))) as dep:
        dep.register(long)
        dep.mutation(mutation(lambda ctx: [ctx.scheduler.run_after(0, long) for _ in range(3)]))
        dep.action(action(lambda ctx: ctx.scheduler.run_after(0, act, text="an action")))
        until_states(dep, "pending", "pending", "pending", "success")
        until(lambda: len(dep.schedules.running) == len(threads) == 2)
        go_on.set()
        until_states(dep, *["success"] * 4)
        assert sorted(notes_of(dep)) == ["an action", "long", "long", "long"]
        assert dep.schedules.wait(WAIT)
        dep.check()


def test_a_look_that_fails_is_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [OSError("no room"), OSError("no room")]
    tidy = ScheduledFunctions.tidy

    def fail_twice(self: ScheduledFunctions, database: Any, now_ms: float) -> None:
        if failures:
            raise failures.pop()
        tidy(self, database, now_ms)

    monkeypatch.setattr(scheduling, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(ScheduledFunctions, "tidy", fail_twice)
    with open_real() as dep:
        dep.mutation(add_later, text="after all")
        until_states(dep, "success")
    assert len([record for record in caplog.records if "tried again" in record.message]) == 2


def test_a_commit_that_the_disk_refuses_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = {"notes:add": [OSError("no room")] * 2, "scheduler": [OSError("no room")] * 3}
    commit = Database.commit

    def refuse(self: Database, transaction: Any, source: str = "") -> Any:
        if refusals.get(source):
            raise refusals[source].pop()
        return commit(self, transaction, source)

    with scheduling_app() as test:
        test.mutation(add_later, text="a mutation")
        test.run(lambda ctx: ctx.scheduler.run_after(0, act, text="an action"))
        monkeypatch.setattr(Database, "commit", refuse)
        test.advance(0)
        test.finish_in_progress_scheduled_functions()
        assert notes_of(test.deployment) == ["a mutation", "an action"]
        assert states_of(test.deployment) == ["success", "success"]
    assert "could not be committed" in caplog.text


def test_a_callback_that_fails_is_not_in_the_way_of_jobs(caplog: pytest.LogCaptureFixture) -> None:
    def look(notes: list[str]) -> None:
        raise RuntimeError("a broken callback")

    with scheduling_app() as test:
        dep = test.deployment
        for number in range(30):
            test.mutation(add_later, text=str(number))
        subscription = dep.subscribe(list_notes, {}, lambda notes: None if not notes else look(notes))
        for _ in range(40):
            try:
                test.advance(0)
            except RuntimeError:
                continue
        subscription.close()
        test.finish_all_scheduled_functions()
        assert len(notes_of(dep)) == 30
        assert dep.schedules.running == frozenset()
        assert dep._scheduling.executor._running == {"mutation": 0, "action": 0}


def test_waiting_ends_when_all_that_is_due_has_run() -> None:
    def again(ctx: Any, left: int) -> None:
        ctx.db.insert("notes", {"text": str(left)})
        if left:
            ctx.scheduler.run_after(0, again_registered, left=left - 1)

    def waits(ctx: Any) -> None:
        dep.schedules.wait()

    again_registered = mutation(again)
    with open_real() as dep:
        dep.register(again_registered)
        dep.mutation(mutation(lambda ctx: ctx.scheduler.run_after(0, again_registered, left=5)))
        assert dep.schedules.wait()
        assert sorted(notes_of(dep)) == list("012345")
        dep.mutation(mutation(lambda ctx: ctx.scheduler.run_after(3_600_000, again_registered, left=0)))
        assert dep.schedules.wait()
        assert len(dep.schedules.pending) == 1
        dep.pause()
        assert dep.schedules.wait()
        dep.resume()
        with pytest.raises(SchedulingError, match="would wait for the function itself"):
            dep.mutation(mutation(waits))


def test_waiting_in_a_pause_or_for_too_long_says_so() -> None:
    go_on = threading.Event()

    def long(ctx: Any) -> None:
        assert go_on.wait(WAIT)

    registered = action(long)
    with open_real() as dep:
        dep.register(registered)
        dep.mutation(mutation(lambda ctx: ctx.scheduler.run_after(0, registered)))
        assert not dep.schedules.wait(0.01)
        go_on.set()
        assert dep.schedules.wait(WAIT)
        dep.schedules.hold()
        dep.mutation(mutation(lambda ctx: ctx.scheduler.run_after(0, registered)))
        assert not dep.schedules.wait()
