"""`ctx.scheduler`: what mutations and actions schedule, and what cannot be."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ActionCtx,
    ConvexNbError,
    FunctionNotFoundError,
    InvalidIdError,
    InvalidValueError,
    LimitError,
    MutationCtx,
    QueryCtx,
    ReadOnlyError,
    SchedulingError,
    action,
    api,
    components,
    create_function_handle,
    define_component,
    mutation,
    query,
    v,
)
from convex_nb.language.limits import Limits
from convex_nb.testing import ConvexTest, VirtualClock
from tests.services.apps import (
    FUNCTIONS,
    act,
    add_later,
    add_note,
    fail,
    list_notes,
    notes_of,
    scheduling_app,
    states_of,
)
from tests.until import PATIENCE


def schedule_of(test: ConvexTest) -> list[Any]:
    return [dict(job) for job in test.deployment.schedules.values()]


def test_a_job_is_a_document() -> None:
    with scheduling_app() as test:
        id = test.mutation(add_later, text="a", ms=5000)
        assert id.table == "_scheduled_functions"
        (job,) = schedule_of(test)
        assert job == {
            "_id": id,
            "_creationTime": job["_creationTime"],
            "name": "notes:add",
            "args": [{"text": "a"}],
            "scheduledTime": test.clock.now + 5000,
            "state": {"kind": "pending"},
        }
        assert test.run(lambda ctx: ctx.db.system.get(id)) == job
        test.advance(5000)
        assert schedule_of(test) == [{**job, "state": {"kind": "success"}, "completedTime": test.clock.now}]


@mutation
def follow(ctx: MutationCtx, job: str) -> None:
    ctx.scheduler.run_when_over(job, 5000, add_note, text="followed")


@pytest.mark.parametrize(
    ("target", "cancels", "lasts"),
    [(add_note, False, 1000), (fail, False, 1000), (act, False, 1000), (add_note, True, 0), (add_note, False, 9000)],
    ids=["ran", "raised", "an action", "canceled", "takes too long"],
)
def test_what_follows_a_job_runs_when_it_is_over(target: Any, cancels: bool, lasts: int) -> None:
    with scheduling_app() as test:
        test.deployment.register(follow)
        id = test.run(lambda ctx: ctx.scheduler.run_after(lasts, target, {} if target is fail else {"text": "it"}))
        test.mutation(follow, job=id)
        started = test.clock.now
        if cancels:
            test.deployment.schedules.cancel(id)
        test.finish_all_scheduled_functions()
        (followed,) = [job for job in schedule_of(test) if job["args"] == [{"text": "followed"}]]
        assert followed["state"] == {"kind": "success"}
        assert followed["completedTime"] - started == min(lasts, 5000)
        # A job that is over already, or not known any more, is not waited for.
        test.mutation(follow, job=id)
        test.advance(0)
        assert notes_of(test.deployment).count("followed") == 2


def test_what_follows_a_job_runs_though_all_jobs_are_canceled() -> None:
    with scheduling_app() as test:
        test.deployment.register(follow)
        id = test.mutation(add_later, text="it", ms=1000)
        test.mutation(follow, job=id)
        schedules = test.deployment.schedules
        assert (schedules.cancel_all(), schedules.cancel_all()) == (1, 0)
        assert [job.get("follows") for job in schedules.values()] == [None, id]
        test.advance(0)
        assert notes_of(test.deployment) == ["followed"]
        # By its function it is meant.
        test.mutation(follow, job=test.mutation(add_later, text="it", ms=1000))
        assert (schedules.cancel_all("notes:add"), schedules.cancel_all()) == (2, 0)


def test_what_follows_a_canceled_action_waits_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convex_nb.deployment.jobs.scheduling.GRACE_SECONDS", 0.01)
    at_it, gate = threading.Event(), threading.Event()

    @action
    def slow(ctx: ActionCtx) -> None:
        at_it.set()
        gate.wait(PATIENCE)

    with scheduling_app() as test:
        test.deployment.register(slow, follow)
        id = test.run(lambda ctx: ctx.scheduler.run_after(0, slow))
        test.mutation(follow, job=id)
        test.deployment.schedules.run_due()
        assert at_it.wait(PATIENCE)
        test.deployment.schedules.cancel(id)
        test.advance(1)
        assert notes_of(test.deployment) == []
        gate.set()
        test.finish_in_progress_scheduled_functions()
        test.advance(0)
        assert notes_of(test.deployment) == ["followed"]


def test_what_a_mutation_schedules_is_a_part_of_it() -> None:
    def schedule_and_raise(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(0, add_note)
        raise ValueError("after scheduling")

    with scheduling_app() as test:
        with pytest.raises(ValueError, match="after scheduling"):
            test.run(schedule_and_raise)
        assert states_of(test.deployment) == []


def test_a_sub_mutation_that_fails_takes_its_own_jobs_with_it() -> None:
    @mutation
    def child(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(0, add_note, text="of the child")
        raise ValueError("the child fails")

    def parent(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(0, add_note, text="before")
        with pytest.raises(ValueError, match="the child fails"):
            ctx.run_mutation(child)
        ctx.run_mutation(add_later, text="of another child")

    with scheduling_app() as test:
        test.run(parent)
        test.advance(0)
        assert notes_of(test.deployment) == ["before", "of another child"]


def test_what_an_action_schedules_stays_whatever_becomes_of_it() -> None:
    @action
    def schedule_and_raise(ctx: ActionCtx) -> None:
        ctx.scheduler.run_after(timedelta(seconds=1), add_note, {"text": "kept"})
        raise ValueError("after scheduling")

    with scheduling_app() as test:
        with pytest.raises(ValueError, match="after scheduling"):
            test.deployment.action(schedule_and_raise)
        test.advance(999)
        assert notes_of(test.deployment) == []
        test.advance(1)
        assert notes_of(test.deployment) == ["kept"]


def test_a_time_in_the_past_runs_first() -> None:
    def handler(ctx: MutationCtx) -> None:
        ctx.scheduler.run_at(ctx.now(), add_note, text="now")
        ctx.scheduler.run_at(ctx.now() - 1000, add_note, text="past")
        ctx.scheduler.run_after(0, add_note, text="as soon as possible")

    with scheduling_app() as test:
        test.run(handler)
        test.advance(0)
        assert notes_of(test.deployment) == ["past", "now", "as soon as possible"]


def test_jobs_of_one_time_run_in_their_order_whoever_has_scheduled_them() -> None:
    inner = define_component("inner")

    @inner.mutation("lib:later")
    def later(ctx: MutationCtx, function: str, text: str) -> None:
        ctx.scheduler.run_after(5, function, text=text)

    def handler(ctx: MutationCtx) -> None:
        for number in range(0, 6, 2):
            ctx.run_mutation(components.inner.lib.later, function=create_function_handle(add_note), text=str(number))
            ctx.scheduler.run_after(5, add_note, text=str(number + 1))

    with scheduling_app() as test:
        test.register_component(inner)
        test.run(handler)
        test.advance(5)
        assert notes_of(test.deployment) == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("target", [add_note, "notes:add", "notes.py:add", convex_nb.internal.notes.add])
def test_a_target_is_named_as_in_any_call(target: Any) -> None:
    with scheduling_app() as test:
        test.run(lambda ctx: ctx.scheduler.run_after(0, target, {"text": "a"}))
        assert [job["name"] for job in schedule_of(test)] == ["notes:add"]


REFUSED: list[tuple[Callable[[MutationCtx], object], type[ConvexNbError], str]] = [
    (lambda ctx: ctx.scheduler.run_after(0, list_notes), SchedulingError, "is a query"),
    (lambda ctx: ctx.scheduler.run_after(0, "notes:list"), SchedulingError, "is a query"),
    (lambda ctx: ctx.scheduler.run_after(0, mutation(lambda ctx: 1)), SchedulingError, "by its path"),
    (lambda ctx: ctx.scheduler.run_after(0, "notes:ad"), FunctionNotFoundError, "Did you mean"),
    (lambda ctx: ctx.scheduler.run_after(0, api.notes.add), FunctionNotFoundError, "internal"),
    (lambda ctx: ctx.scheduler.run_after(0, print), FunctionNotFoundError, "is no function"),  # type: ignore[arg-type]
    (lambda ctx: ctx.scheduler.run_after(-1, add_note), SchedulingError, "negative"),
    (lambda ctx: ctx.scheduler.run_after(math.nan, add_note), SchedulingError, "milliseconds"),
    (lambda ctx: ctx.scheduler.run_at(ctx.now() / 1000, add_note), SchedulingError, "seconds"),
    (lambda ctx: ctx.scheduler.run_after(0, add_note, text={1, 2}), InvalidValueError, "not scheduled"),
    (lambda ctx: ctx.scheduler.run_after(0, add_note, ["a"]), InvalidValueError, "as one dict"),  # type: ignore[arg-type]
    (lambda ctx: ctx.scheduler.run_after(0, add_note, {"text": "a"}, text="b"), InvalidValueError, "twice"),
    (lambda ctx: ctx.scheduler.run_after(0, add_note, text="a" * (1 << 20)), LimitError, "pass their ids"),
    (lambda ctx: ctx.scheduler.run_when_over("nonsense", 0, add_note), InvalidIdError, r"run_when_over\(\) takes"),
    (lambda ctx: ctx.scheduler.cancel("nonsense"), InvalidIdError, "cancel"),
    (lambda ctx: ctx.scheduler.cancel(5), InvalidIdError, "cancel"),  # type: ignore[arg-type]
    (lambda ctx: ctx.scheduler.cancel(ctx.db.insert("notes", {})), InvalidIdError, 'Id<"notes">'),
]


@pytest.mark.parametrize(("handler", "error", "message"), REFUSED)
def test_what_cannot_be_scheduled(
    handler: Callable[[MutationCtx], object], error: type[ConvexNbError], message: str
) -> None:
    with scheduling_app() as test:
        with pytest.raises(error, match=message):
            test.run(handler)
        assert schedule_of(test) == []


def test_arguments_too_deep_to_be_kept_are_refused_by_name() -> None:
    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    with (
        scheduling_app() as test,
        pytest.raises(InvalidValueError, match='The arguments for "notes:add" cannot be kept'),
    ):
        test.run(lambda ctx: ctx.scheduler.run_after(0, add_note, text=deep))


def test_a_query_has_no_scheduler_nor_has_one_inside_a_mutation() -> None:
    @query
    def asks(ctx: QueryCtx) -> None:
        ctx.scheduler.run_after(0, add_note)  # type: ignore[attr-defined]

    with scheduling_app() as test:
        with pytest.raises(AttributeError, match="mutations and actions schedule"):
            test.query(asks)
        with pytest.raises(AttributeError, match="mutations and actions schedule"):
            test.run(lambda ctx: ctx.run_query(asks))


def test_a_scheduler_that_was_kept_schedules_nothing() -> None:
    kept: list[Any] = []
    with scheduling_app() as test:
        test.run(lambda ctx: kept.append(ctx.scheduler))
        with pytest.raises(ReadOnlyError, match="is over"):
            kept[0].run_after(0, add_note)


def test_limits_of_one_call() -> None:
    def many(ctx: MutationCtx, number: int, size: int) -> None:
        for _ in range(number):
            ctx.scheduler.run_after(0, add_note, text="x" * size)

    with convex_nb.open(limits=Limits(query_seconds=math.inf), clock=VirtualClock()) as dep:
        dep.register(*FUNCTIONS, mutation("many")(many))
        dep.mutation("many", number=1000, size=1)
        assert len(dep.schedules.pending) == 1000
        with pytest.raises(LimitError, match="more than 1000 functions") as raised:
            dep.mutation("many", number=1001, size=1)
        assert (raised.value.kind, raised.value.limit, raised.value.used) == ("scheduled_functions", 1000, 1001)
        with pytest.raises(LimitError, match="bytes of arguments in one call"):
            dep.mutation("many", number=18, size=1_000_000)
        assert len(dep.schedules.pending) == 1000


def test_only_so_many_may_wait() -> None:
    with convex_nb.open(limits=Limits(outstanding_scheduled_functions=2), clock=VirtualClock()) as dep:
        dep.register(*FUNCTIONS)
        for _ in range(2):
            dep.mutation(add_later)
        with pytest.raises(LimitError, match="2 functions are scheduled"):
            dep.mutation(add_later)
        dep.schedules.run_due()
        dep.mutation(add_later)


def test_cancel_is_a_part_of_the_mutation() -> None:
    def cancel_and_raise(ctx: MutationCtx, id: str) -> None:
        ctx.scheduler.cancel(id)
        raise ValueError("after canceling")

    with scheduling_app() as test:
        id = test.mutation(add_later, text="a", ms=10)
        with pytest.raises(ValueError, match="after canceling"):
            test.run(lambda ctx: cancel_and_raise(ctx, id))
        assert states_of(test.deployment) == ["pending"]
        test.run(lambda ctx: ctx.scheduler.cancel(id))
        test.advance(10)
        assert notes_of(test.deployment) == []
        (job,) = schedule_of(test)
        assert job["state"] == {"kind": "canceled"}
        assert "completedTime" in job


def test_canceling_what_is_over_or_was_removed_does_nothing() -> None:
    def cancel_all(ctx: MutationCtx) -> None:
        for id in ids:
            ctx.scheduler.cancel(id)

    with scheduling_app() as test:
        ids = [test.mutation(add_later), test.run(lambda ctx: ctx.scheduler.run_after(0, fail))]
        test.advance(0)
        test.run(cancel_all)
        assert states_of(test.deployment) == ["success", "failed"]
        test.advance(8 * 86_400_000)
        assert states_of(test.deployment) == []
        test.run(lambda ctx: ctx.scheduler.cancel(ids[0]))


def test_schedulers_of_one_function_do_not_conflict_with_one_another() -> None:
    with scheduling_app() as test:
        with test.deployment.transaction() as one, test.deployment.transaction() as other:
            for db in (one, other):
                db.insert("notes", {"text": "a"})
        first = test.deployment._database.begin()
        from convex_nb.engine.reading.system_reader import SystemWriter
        from convex_nb.services.scheduling.scheduled_functions import add_job

        add_job(SystemWriter(first), "notes:add", {}, 0.0)
        test.mutation(add_later)
        assert test.deployment._database.commit(first) is not None


def test_arguments_are_checked_when_it_runs() -> None:
    @mutation("notes:strict", args={"n": v.number()})
    def strict(ctx: MutationCtx, n: float) -> None:
        ctx.db.insert("notes", {"text": str(n)})

    with scheduling_app() as test:
        test.deployment.register(strict)
        test.run(lambda ctx: ctx.scheduler.run_after(0, strict, n="x"))
        test.advance(0)
        (job,) = schedule_of(test)
        assert job["state"]["kind"] == "failed"
        assert "ArgumentValidationError" in job["state"]["error"]


def test_an_action_in_a_thread_of_its_own_schedules_as_well() -> None:
    @action
    async def schedules(ctx: ActionCtx) -> Any:
        return [ctx.scheduler.run_after(0, act, text=text) for text in ("a", "b")]

    with scheduling_app() as test:
        one, other = test.deployment.action(schedules)
        test.run(lambda ctx: ctx.scheduler.cancel(one))
        test.advance(0)
        test.finish_in_progress_scheduled_functions()
        assert notes_of(test.deployment) == ["b"]
        assert test.deployment.schedules[other]["state"] == {"kind": "success"}
