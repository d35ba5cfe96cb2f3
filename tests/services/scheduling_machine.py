"""A state machine of scheduled functions: a deployment in a file, by a virtual clock, against a list of jobs."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

import convex_nb
from convex_nb import ActionCtx, MutationCtx, action, mutation
from convex_nb.deployment.jobs import scheduling
from convex_nb.services.scheduling.scheduled_functions import KEPT_MS
from convex_nb.testing import VirtualClock
from tests.until import PATIENCE

STEP = 10.0
"""Times are multiples of it, so that jobs of one time are common."""


@dataclass
class Job:
    """What the model knows of one job. `number` is in what it writes."""

    id: str
    number: int
    path: str
    due_ms: float
    child_after: float | None = None
    state: str = "pending"
    completed_ms: float = 0.0
    is_swept: bool = False


class RollbackError(Exception):
    """Ends a mutation that is to write nothing."""


@mutation("jobs:write")
def write(ctx: MutationCtx, number: int, child_after: float | None = None) -> None:
    ctx.db.insert("written", {"number": number, "at": ctx.now()})
    if child_after is not None:
        ctx.scheduler.run_after(child_after, write, number=-number)


@mutation("jobs:fail")
def fail(ctx: MutationCtx, number: int, child_after: float | None = None) -> None:
    write.handler(ctx, number, child_after)
    raise RollbackError("it fails")


@action("jobs:act")
def act(ctx: ActionCtx, number: int, child_after: float | None = None) -> None:
    ctx.run_mutation(write, number=number, child_after=child_after)


@action("jobs:act_and_fail")
def act_and_fail(ctx: ActionCtx, number: int, child_after: float | None = None) -> None:
    ctx.run_mutation(write, number=number, child_after=child_after)
    raise RollbackError("it fails")


@mutation("jobs:schedule")
def schedule(ctx: MutationCtx, path: str, after: float, args: Any) -> Any:
    return ctx.scheduler.run_after(after, path, args)


@mutation("jobs:schedule_and_fail")
def schedule_and_fail(ctx: MutationCtx, path: str, after: float, args: Any) -> None:
    ctx.scheduler.run_after(after, path, args)
    raise RollbackError("nothing is scheduled")


@mutation("jobs:schedule_both")
def schedule_both(ctx: MutationCtx, path: str, after: float, args: Any) -> Any:
    try:
        ctx.run_mutation(schedule_and_fail, path=path, after=after, args=args)
    except RollbackError:
        return ctx.run_mutation(schedule, path=path, after=after, args=args)
    raise AssertionError("it fails")


@action("jobs:schedule_in_action")
def schedule_in_action(ctx: ActionCtx, path: str, after: float, args: Any) -> Any:
    return ctx.scheduler.run_after(after, path, args)


@mutation("jobs:cancel")
def cancel(ctx: MutationCtx, ids: list[str], fails: bool = False) -> None:
    for id in ids:
        ctx.scheduler.cancel(id)
    if fails:
        raise RollbackError("nothing is canceled")


TARGETS = (write, fail, act, act_and_fail)
FUNCTIONS = (*TARGETS, schedule, schedule_and_fail, schedule_both, schedule_in_action, cancel)
ENDS = {"jobs:write": "success", "jobs:fail": "failed", "jobs:act": "success", "jobs:act_and_fail": "failed"}
WRITES = {"jobs:write", "jobs:act", "jobs:act_and_fail"}

times = st.integers(0, 5).map(lambda number: number * STEP)


class SchedulingMachine(RuleBasedStateMachine):
    """Whatever is scheduled, canceled, paused and reopened: each job ends, and is done, as it must."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        # The clock is not moved on while an action runs, however long it takes.
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(scheduling, "GRACE_SECONDS", PATIENCE)
        self.clock = VirtualClock()
        self.model: list[Job] = []
        self.written: list[tuple[int, float]] = []
        self.numbers = 0
        self.is_paused = False
        self.knows_functions = True
        self.open()
        self.dep.register(*FUNCTIONS)

    def open(self) -> None:
        self.dep = convex_nb.open(self.folder / "a.convex", clock=self.clock, durability="relaxed")

    # -- what is done --------------------------------------------------------------------------------------------

    @initialize(target=jobs, after=st.tuples(times, times, times, times))
    def schedule_one_of_each(self, after: tuple[float, ...]) -> Any:
        kinds = zip(sorted(ENDS), after, strict=True)
        return multiple(*[self.schedule(schedule, path, delay, STEP) for path, delay in kinds])

    @precondition(lambda self: self.knows_functions and not self.is_paused)
    @rule(
        target=jobs,
        how=st.sampled_from((schedule, schedule_both, schedule_in_action)),
        path=st.sampled_from(sorted(ENDS)),
        after=times,
        child_after=st.none() | times,
    )
    def schedule_one(self, how: Any, path: str, after: float, child_after: float | None) -> int:
        return self.schedule(how, path, after, child_after)

    def schedule(self, how: Any, path: str, after: float, child_after: float | None) -> int:
        self.numbers += 1
        args = {"number": self.numbers, "child_after": child_after}
        call = self.dep.action if how is schedule_in_action else self.dep.mutation
        id = call(how, path=path, after=after, args=args)
        self.model.append(Job(id, self.numbers, path, self.clock.now + after, child_after))
        return len(self.model) - 1

    @precondition(lambda self: self.knows_functions and not self.is_paused)
    @rule(path=st.sampled_from(sorted(ENDS)), after=times)
    def schedule_in_vain(self, path: str, after: float) -> None:
        try:
            self.dep.mutation(schedule_and_fail, path=path, after=after, args={"number": 0})
        except RollbackError:
            return
        raise AssertionError("it fails")

    @precondition(lambda self: self.knows_functions and not self.is_paused)
    @rule(chosen=st.lists(jobs, min_size=1, max_size=3), fails=st.sampled_from((False, False, True)), ms=times)
    def cancel(self, chosen: list[int], fails: bool, ms: float) -> None:
        self.advance(ms)
        try:
            self.dep.mutation(cancel, ids=[self.model[place].id for place in chosen], fails=fails)
        except RollbackError:
            assert fails
            return
        for place in chosen:
            self.ends(self.model[place], "canceled")

    @rule(chosen=jobs)
    def cancel_from_outside(self, chosen: int) -> None:
        job = self.model[chosen]
        assert self.dep.schedules.cancel(job.id) == (job.state == "pending")
        self.ends(job, "canceled")

    @rule(path=st.sampled_from(sorted(ENDS)))
    def cancel_all(self, path: str) -> None:
        waiting = [job for job in self.model if job.state == "pending" and job.path == path]
        assert self.dep.schedules.cancel_all(path) == len(waiting)
        for job in waiting:
            self.ends(job, "canceled")

    @rule(ms=times)
    def advance(self, ms: float) -> None:
        start = self.clock.now
        self.clock.advance(ms)
        assert self.dep.schedules.wait(PATIENCE)
        self.run_model(start)

    @rule()
    def advance_for_a_week(self) -> None:
        self.advance(KEPT_MS)

    @precondition(lambda self: not self.is_paused)
    @rule(ms=times)
    def pause(self, ms: float) -> None:
        self.dep.pause()
        self.is_paused = True
        self.advance(ms)

    @precondition(lambda self: self.is_paused)
    @rule()
    def resume(self) -> None:
        self.is_paused = False
        self.dep.resume()
        assert self.dep.schedules.wait(PATIENCE)
        self.run_model(self.clock.now)

    @rule(closed_for=times, ms=times)
    def reopen(self, closed_for: float, ms: float) -> None:
        self.dep.close()
        self.clock.advance(closed_for)
        self.open()
        self.is_paused = False
        self.knows_functions = False
        self.advance(ms)

    @precondition(lambda self: not self.knows_functions)
    @rule()
    def define_functions(self) -> None:
        self.dep.register(*FUNCTIONS)
        self.knows_functions = True

    # -- the model -----------------------------------------------------------------------------------------------

    def ends(self, job: Job, state: str, now: float | None = None) -> None:
        if job.state == "pending":
            job.state = state
            job.completed_ms = self.clock.now if now is None else now

    def run_model(self, now: float) -> None:
        """Everything that is due, one by one, since the clock stood at `now`; what was held back runs then."""
        if self.is_paused:
            return
        while self.knows_functions:
            due = [job for job in self.model if job.state == "pending" and job.due_ms <= self.clock.now]
            if not due:
                break
            job = min(due, key=lambda job: job.due_ms)
            now = max(now, job.due_ms)
            if job.path in WRITES:
                self.written.append((job.number, now))
                if job.child_after is not None:
                    self.model.append(Job("", -job.number, "jobs:write", now + job.child_after))
            self.ends(job, ENDS[job.path], now)
        for job in self.model:
            job.is_swept |= job.state != "pending" and job.completed_ms + KEPT_MS <= self.clock.now

    @invariant()
    def agrees_with_the_model(self) -> None:
        expected = {
            job.number: (job.path, job.state, job.due_ms, None if job.state == "pending" else job.completed_ms)
            for job in self.model
            if not job.is_swept
        }
        found = {
            job["args"][0]["number"]: (
                job["name"],
                job["state"]["kind"],
                job["scheduledTime"],
                job.get("completedTime"),
            )
            for job in self.dep.schedules.values()
        }
        assert found == expected
        assert len(self.dep.schedules.pending) == sum([job.state == "pending" for job in self.model])
        rows = self.dep.table("written").arrow().to_pylist()
        assert [(row["number"], row["at"]) for row in rows] == self.written

    def teardown(self) -> None:
        self.dep.close()
        self.patch.undo()
        shutil.rmtree(self.folder)
