"""What runs by the clock: what it costs those who schedule nothing, and how soon a thousand jobs have run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import convex_nb
from benchmarks.harness import Line
from convex_nb import Deployment, MutationCtx, QueryCtx, internal_mutation, mutation, query
from convex_nb.testing import VirtualClock

JOBS = 1000
HOUR_MS = 3_600_000.0


@internal_mutation("bench:write")
def write(ctx: MutationCtx) -> None:
    ctx.db.insert("written", {"at": ctx.now()})


@mutation("bench:schedule")
def schedule(ctx: MutationCtx, number: int, after_ms: float) -> None:
    for _ in range(number):
        ctx.scheduler.run_after(after_ms, write)


@query("bench:waiting")
def waiting(ctx: QueryCtx) -> int:
    jobs = ctx.db.system.query("_scheduled_functions")
    return jobs.with_index("by_state", lambda q: q.eq("state.kind", "pending")).count()


@contextmanager
def app(clock: VirtualClock | None = None) -> Iterator[Deployment]:
    """A deployment in memory with these functions."""
    with convex_nb.open(clock=clock) as dep:
        dep.register(write, schedule, waiting)
        yield dep


def due_at_once() -> float:
    """Seconds from when a thousand jobs were due until the last of them had run, by the machine's clock."""
    with app() as dep:
        done = threading.Event()
        dep.mutation(schedule, number=JOBS, after_ms=200.0)
        dep.subscribe(waiting, {}, lambda left: None if left else done.set())
        done.wait(60)
        jobs = dep.table("_scheduled_functions").df()
        return float(jobs["completedTime"].max() - jobs["scheduledTime"].min()) / 1e3


def lines() -> Iterator[Line]:
    """Every line of the table, each with what it needs."""
    with app() as dep, app() as bare:
        bare._database.on_commit.remove(bare._scheduling._committed)
        yield Line(
            "a mutation where nothing is scheduled",
            lambda: dep.mutation(write),
            lambda: bare.mutation(write),
            "the same without a scheduler",
            1.1,
        )
    with app() as dep, app() as busy:
        busy.mutation(schedule, number=JOBS, after_ms=HOUR_MS)
        yield Line(
            "a mutation while a thousand jobs wait",
            lambda: busy.mutation(write),
            lambda: dep.mutation(write),
            "the same where nothing is scheduled",
            1.2,
        )
    clock = VirtualClock()
    with app(clock) as dep, app() as called:

        def scheduled() -> None:
            dep.mutation(schedule, number=1, after_ms=0.0)
            clock.advance(0)

        yield Line(
            "a mutation, scheduled by another and run",
            scheduled,
            lambda: called.mutation(write),
            "the mutation, called",
        )
    yield Line(
        "a thousand jobs due at once, until the last has run",
        due_at_once,
        lambda: 1.0,
        "one second",
        1.0,
        returned=True,
    )
