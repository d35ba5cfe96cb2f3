"""Deployments that share a PostgreSQL database: what happens in one arrives in the others, and jobs run once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import ActionCtx, Deployment, MutationCtx, QueryCtx, cron_jobs, mutation, query
from convex_nb.engine.postgres import presence
from convex_nb.functions.definition import Function
from convex_nb.language.errors import InvalidValueError, ReadOnlyError, StorageExistsError
from tests.engine.postgres.server import Server
from tests.functions.apps import SCHEMA, add_task, add_to_counter, counter_value, list_tasks
from tests.until import until

FUNCTIONS = (list_tasks, add_task, add_to_counter, counter_value)


@contextmanager
def sharing(uri: str, number: int = 2, functions: tuple[Function, ...] = FUNCTIONS) -> Iterator[list[Deployment]]:
    with ExitStack() as stack:
        opened = [stack.enter_context(convex_nb.open(uri)) for _ in range(number)]
        opened[0].push(SCHEMA)
        for deployment in opened:
            deployment.register(*functions)
        until(lambda: all(deployment.schema == SCHEMA for deployment in opened))
        yield opened


def test_subscriptions_and_views_follow_what_others_commit(uri: str) -> None:
    with sharing(uri) as (a, b):
        heard: list[int] = []
        stale: list[bool] = []
        b.subscribe("tasks:list", {}, lambda tasks: heard.append(len(tasks)))
        view = b.watch("tasks:list", {}, lambda: stale.append(True))
        a.mutation("tasks:add", {"text": "one"})
        until(lambda: heard == [0, 1] and stale)
        assert b.refresh() == [view]
        assert [task["text"] for task in view.value] == ["one"]
        # Both directions, and both count on the same.
        for deployment in (b, a, b):
            deployment.mutation("counters:add", {"name": "n"})
        until(lambda: a.query("counters:value", {"name": "n"}) == 3)
        assert a.timestamp == b.timestamp
        a.check()
        b.check()


def test_many_threads_of_many_kernels_count_to_the_same_number(uri: str) -> None:
    with sharing(uri, 3) as deployments:

        def bump(db: Any) -> None:
            counter = db.query("counters").with_index("by_name", name="n").unique()
            if counter is None:
                db.insert("counters", {"name": "n", "value": 1})
            else:
                db.patch(counter["_id"], {"value": counter["value"] + 1})

        def insist(deployment: Deployment) -> None:
            for _ in range(10):
                while True:
                    try:
                        deployment.transact(bump)
                        break
                    except convex_nb.WriteConflictError:
                        continue

        threads = [threading.Thread(target=insist, args=(each,)) for each in deployments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for deployment in deployments:
            until(partial(is_at, deployment, 30))


def is_at(deployment: Deployment, number: int) -> bool:
    return bool(deployment.query("counters:value", {"name": "n"}) == number)


def test_jobs_and_crons_run_once_though_everybody_could(uri: str) -> None:
    ran: list[str] = []

    @mutation("jobs:once")
    def once(ctx: MutationCtx, name: str) -> None:
        ctx.db.insert("counters", {"name": name, "value": 1})

    @convex_nb.action("jobs:act")
    def act(ctx: ActionCtx, name: str) -> None:
        ran.append(name)

    @mutation("jobs:plan")
    def plan(ctx: MutationCtx) -> None:
        for n in range(4):
            ctx.scheduler.run_after(0, once, {"name": f"m{n}"})
            ctx.scheduler.run_after(0, act, {"name": f"a{n}"})

    @mutation("jobs:tick")
    def tick(ctx: MutationCtx) -> None:
        ctx.db.insert("counters", {"name": "tick", "value": 1})

    with sharing(uri, 3, (*FUNCTIONS, once, act, plan, tick)) as deployments:
        crons = cron_jobs()
        crons.interval("tick", {"seconds": 1}, tick)
        deployments[0].push(crons=crons)
        deployments[1].mutation("jobs:plan")
        until(lambda: len(deployments[2].schedules.finished) >= 8)
        until(lambda: len([d for d in table(deployments[2], "counters") if d["name"] == "tick"]) >= 2)
        deployments[0].push(crons=cron_jobs())
        names = sorted(each["name"] for each in table(deployments[0], "counters") if each["name"] != "tick")
        assert names == ["m0", "m1", "m2", "m3"]
        assert sorted(ran) == ["a0", "a1", "a2", "a3"]
        kinds = {job["state"]["kind"] for job in deployments[0].schedules.finished.values()}
        assert kinds == {"success"}


def table(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = deployment.table(name).arrow().to_pylist()
    return rows


def test_a_job_waits_for_the_kernel_that_has_its_function(uri: str) -> None:
    @mutation("jobs:here")
    def here(ctx: MutationCtx) -> None:
        ctx.db.insert("counters", {"name": "here", "value": 1})

    @mutation("jobs:plan")
    def plan(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(0, "jobs:here", {})

    with sharing(uri) as (a, b):
        a.register(here, plan)
        b.mutation("counters:add", {"name": "n"})
        a.mutation("jobs:plan")
        until(lambda: len(b.schedules.finished) == 1)
        assert [job["state"] for job in b.schedules.finished.values()] == [{"kind": "success"}]


def test_what_a_kernel_that_is_gone_was_at_has_failed_and_what_others_are_at_goes_on(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(presence, "POLL_SECONDS", 0.1)
    release = threading.Event()

    @convex_nb.action("jobs:wait")
    def wait(ctx: ActionCtx) -> None:
        release.wait(60)

    @mutation("jobs:plan")
    def plan(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(0, "jobs:wait", {})

    with sharing(uri, 1) as (b,):
        a = convex_nb.open(uri)
        a.register(wait)
        a.register(plan)
        a.mutation("jobs:plan")
        until(lambda: [job["state"]["kind"] for job in b.schedules.in_progress.values()] == ["inProgress"])
        # Whoever opens it now does not take it for something that was left behind.
        convex_nb.open(uri).close()
        assert len(b.schedules.in_progress) == 1
        monkeypatch.setattr(presence, "GONE_SECONDS", 1.0)
        a._following.stop()  # type: ignore[union-attr]
        until(lambda: len(b.schedules.finished) == 1)
        (job,) = b.schedules.finished.values()
        assert job["state"]["kind"] == "failed"
        assert "The process ended" in job["state"]["error"]
        release.set()
        a.close()


def test_files_variables_and_the_past_are_shared(uri: str) -> None:
    with sharing(uri) as (a, b):
        id = a.files.store(b"x" * 1_500_000)
        a.env["COLOUR"] = "blue"
        until(lambda: id in b.files and b.env.get("COLOUR") == "blue")
        assert b.files[id].read() == b"x" * 1_500_000
        b.files.delete(id)
        until(lambda: id not in a.files)
        a.check()


def test_it_says_where_it_is_without_the_password(server: Server, uri: str, tmp_path: Path) -> None:
    name = uri.split("@/")[1].split("?")[0]
    with convex_nb.open(uri.replace("owner@", "owner:s3cret@")) as dep:
        assert dep.place == f"postgresql://owner@/{name}"
        assert dep.path is None
        for said in (repr(dep), dep._repr_html_(), repr(dep.statistics()), str(dep._database.log.__dict__)):
            assert "s3cret" not in said
        with pytest.raises(StorageExistsError, match="There is a deployment in") as caught:
            dep.save(uri.replace("owner@", "owner:s3cret@"))
        assert "s3cret" not in str(caught.value)
        dep.transact(lambda db: db.insert("tasks", {"text": "one"}))
        with convex_nb.open(uri, read_only=True) as watcher:
            with pytest.raises(ReadOnlyError):
                watcher.transact(lambda db: db.insert("tasks", {"text": "two"}))
            dep.transact(lambda db: db.insert("tasks", {"text": "three"}))
            until(lambda: watcher.table("tasks").count() == 2)
        # It may leave for a file of its own.
        dep.save(tmp_path / "app.convex")
        dep.transact(lambda db: db.insert("tasks", {"text": "four"}))
        assert dep.path == tmp_path / "app.convex"
    with convex_nb.open(uri) as dep:
        assert dep.table("tasks").count() == 2


def test_an_address_of_another_kind_is_not_repeated() -> None:
    with pytest.raises(InvalidValueError, match=r"not postgresql\+psycopg://") as caught:
        convex_nb.open("postgresql+psycopg://ada:s3cret@db.example.org/app")
    assert "s3cret" not in str(caught.value) + repr(caught.value.__dict__)


def test_a_push_of_another_kernel_is_in_force_here_too(uri: str) -> None:
    @query("tasks:done")
    def done(ctx: QueryCtx) -> Any:
        return ctx.db.query("tasks").with_index("by_done", done=True).collect()

    with convex_nb.open(uri) as a, convex_nb.open(uri) as b:
        b.register(done)
        errors: list[Exception] = []
        values: list[Any] = []
        b.transact(lambda db: db.insert("tasks", {"text": "one", "done": True}))
        b.subscribe("tasks:done", {}, values.append, errors.append)
        assert errors
        a.push(SCHEMA)
        until(lambda: values)
        assert [task["text"] for task in values[-1]] == ["one"]
