"""Calls into components: one transaction, live, scheduled, and by handles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ConvexError,
    Deployment,
    FunctionNotFoundError,
    MutationCtx,
    QueryCtx,
    action,
    components,
    create_function_handle,
    define_component,
    internal_mutation,
    mutation,
    query,
)
from convex_nb.testing import VirtualClock
from tests.deployment.components.counting import SCHEMA, counter, opened


def advance(dep: Deployment, ms: float) -> None:
    clock = dep._database.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(ms)


@mutation
def note_and_count(ctx: MutationCtx, catch: bool) -> Any:
    ctx.db.insert("notes", {"text": "before"})
    ctx.run_mutation(components.likes.add, name="a")
    try:
        ctx.run_mutation(components.likes.add_and_fail, name="a")
    except ConvexError:
        if not catch:
            raise
    ctx.db.insert("notes", {"text": "after"})
    return ctx.run_query(components.likes.total, name="a")


@query
def likes(ctx: QueryCtx, name: str) -> Any:
    return ctx.run_query(components.likes.total, name=name)


def test_a_component_that_raises_loses_only_its_own_writes_and_schedules() -> None:
    with opened() as dep:
        assert dep.mutation(note_and_count, catch=True) == 1
        assert dep.table("notes").count() == 2
        assert dep.query(components.likes.jobs) == []
        advance(dep, 10)
        assert dep.query(likes, name="a") == 1


def test_what_nobody_catches_undoes_everything() -> None:
    with opened() as dep:
        with pytest.raises(ConvexError):
            dep.mutation(note_and_count, catch=False)
        assert (dep.table("notes").count(), dep.query(likes, name="a")) == (0, 0)


def test_all_of_a_mutation_is_one_commit() -> None:
    with opened() as dep:
        commits: list[Any] = []
        dep.on_commit.append(commits.append)
        dep.mutation(note_and_count, catch=True)
        (commit,) = commits
        assert commit.tables == {"notes", "likes//counts"}
        assert commit.source == "note_and_count"


def test_queries_follow_the_tables_of_components() -> None:
    with opened() as dep:
        seen: list[Any] = []
        dep.subscribe(likes, {"name": "a"}, seen.append)
        dep.subscribe(components.counter.total, {"name": "a"}, seen.append)
        dep.mutation(components.likes.add, name="a")
        dep.mutation(components.likes.add, name="b")
        dep.mutation(components.counter.add, name="a", n=5)
        assert seen == [0, 0, 1, 5]


def test_pages_are_read_inside_of_components_too() -> None:
    @query
    def page(ctx: QueryCtx, opts: Any) -> Any:
        return ctx.run_query(components.likes.names, paginationOpts=opts)

    with opened() as dep:
        for name in "abc":
            dep.mutation(components.likes.add, name=name)
        first = dep.query(page, opts={"numItems": 2, "cursor": None})
        rest = dep.query(page, opts={"numItems": 2, "cursor": first["continueCursor"]})
        assert [[each["name"] for each in page["page"]] for page in (first, rest)] == [["a", "b"], ["c"]]


def test_an_action_calls_components_and_they_call_their_own() -> None:
    outer = define_component("outer")
    outer.use(counter(), name="inner")

    @outer.action
    def add_twice(ctx: Any, name: str) -> Any:
        ids = [ctx.run_mutation(components.inner.add, name=name) for _ in range(2)]
        assert {type(id) for id in ids} == {str}
        return ctx.run_query(components.inner.total, name=name)

    @action
    async def forward(ctx: Any) -> Any:
        return await ctx.run_action_async(components.outer.add_twice, name="a")

    with opened(outer) as dep:
        assert dep.action(forward) == 2
        assert list(dep.components) == ["outer", "outer/inner"]
        assert dep.components["outer/inner"].query("total", name="a") == 2
        with pytest.raises(FunctionNotFoundError, match='no component "inner"'):
            dep.query(components.inner.total, name="a")


def test_a_component_schedules_for_itself() -> None:
    with opened() as dep:
        job = dep.mutation(components.likes.add_later, name="a")
        assert type(job) is str
        assert dep.query(components.likes.jobs) == ["likes//add"]
        assert dep.query(components.counter.jobs) == []
        assert len(dep.schedules) == 0
        advance(dep, 999)
        assert dep.query(likes, name="a") == 0
        advance(dep, 1)
        assert dep.query(likes, name="a") == 1
        assert dep.components["likes"].table("_scheduled_functions").df()["name"].tolist() == ["likes//add"]
        dep.check()


def calling_back() -> Any:
    """A component that calls what it was handed, at once and later."""
    component = define_component("calling")

    @component.mutation
    def call(ctx: MutationCtx, handle: str, delay: float, text: str) -> Any:
        if delay:
            return ctx.scheduler.run_after(delay, handle, text=text)
        return ctx.run_mutation(handle, text=text)

    return component


@internal_mutation("notes:add")
def add_note(ctx: MutationCtx, text: str) -> Any:
    return ctx.db.insert("notes", {"text": text})


@mutation
def hand_over(ctx: MutationCtx, delay: float) -> Any:
    handle = create_function_handle("notes:add")
    return ctx.run_mutation(components.calling.call, handle=handle, delay=delay, text="called back")


def test_a_handle_lets_a_component_call_the_application() -> None:
    with opened(calling_back()) as dep:
        dep.register(add_note)
        assert type(dep.mutation(hand_over, delay=0)) is str
        dep.mutation(hand_over, delay=100)
        assert dep.table("notes").count() == 1
        advance(dep, 100)
        assert dep.table("notes").df()["text"].tolist() == ["called back"] * 2


def test_a_handle_is_kept_in_a_table_and_called_after_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock(1_000_000)
    one = counter()
    with convex_nb.open(tmp_path / "app.convex", clock=clock) as dep:
        dep.push(SCHEMA, components=[one.named("likes")])
        dep.register(mutation("keep")(_keep), mutation("run")(_run))
        dep.mutation("keep")
        dep.mutation("run")
    with convex_nb.open(tmp_path / "app.convex", clock=clock) as dep:
        advance(dep, 100)
        assert dep.components["likes"].table("counts").count() == 0
        dep.push(components=[one.named("likes")])
        advance(dep, 0)
        assert dep.query(likes, name="later") == 1
        dep.check()


def _keep(ctx: MutationCtx) -> Any:
    ctx.db.insert("notes", {"text": create_function_handle(components.likes.add)})


def _run(ctx: MutationCtx) -> Any:
    handle = ctx.db.query("notes").first()["text"]  # type: ignore[index]
    ctx.scheduler.run_after(50, handle, name="later")


def test_a_handle_is_made_of_what_one_may_call() -> None:
    with opened() as dep:
        convex_nb.set_current(dep)
        assert create_function_handle(components.likes.add) == create_function_handle(components.likes.add)
        with pytest.raises(FunctionNotFoundError, match="internal"):
            create_function_handle(components.likes.everything)
    convex_nb.set_current(None)
    with pytest.raises(convex_nb.DeploymentClosedError):
        create_function_handle(components.likes.add)
