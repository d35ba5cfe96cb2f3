from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from convex_nb import (
    ActionCtx,
    ArgumentValidationError,
    DeploymentPausedError,
    FunctionNotFoundError,
    InvalidValueError,
    QueryCtx,
    ReturnValidationError,
    action,
    internal_action,
    query,
    set_current,
    v,
)
from tests.functions.apps import add_task, list_tasks, open_app
from tests.until import PATIENCE


@action("tasks:twice")
def twice(ctx: ActionCtx, text: str) -> Any:
    print("adding", text)
    before = len(ctx.run_query(list_tasks))
    ctx.run_mutation(add_task, text=text)
    ctx.run_mutation("tasks:add", {"text": text})
    return [before, len(ctx.run_query(list_tasks))]


@action("tasks:later")
async def later(ctx: ActionCtx, text: str, after: float = 0.0) -> Any:
    await asyncio.sleep(after)
    return ctx.run_action(twice, text=text)


@internal_action("tasks:both", returns=v.array(v.any()))
async def both(ctx: ActionCtx) -> Any:
    print("both")
    return await asyncio.gather(
        ctx.run_action_async(twice, text="a"), ctx.run_action_async("tasks:later", text="b", after=0.001)
    )


def test_each_call_of_an_action_is_a_transaction_of_its_own() -> None:
    seen: list[int] = []
    with open_app() as dep:
        dep.subscribe(list_tasks, {}, lambda tasks: seen.append(len(tasks)))
        assert dep.action(twice, text="a") == [0, 2]
        assert seen == [0, 1, 2]
        assert [line.message for line in dep.logs] == ["adding a"]
        (record,) = [record for record in dep.logs.executions if record.kind == "action"]
        assert (record.path, record.status) == ("tasks:twice", "success")


def test_what_a_failing_action_committed_stays() -> None:
    @action
    def fails(ctx: ActionCtx) -> None:
        ctx.run_mutation(add_task, text="a")
        raise ValueError("after the mutation")

    with open_app() as dep:
        with pytest.raises(ValueError, match="after the mutation") as raised:
            dep.action(fails)
        assert not hasattr(raised.value, "__notes__")
        assert len(dep.query(list_tasks)) == 1
        assert [record.status for record in dep.logs.executions if record.kind == "action"] == ["failure"]


def test_an_async_action_from_plain_code() -> None:
    with open_app() as dep:
        assert dep.action(later, text="a") == [0, 2]
        set_current(dep)
        assert later(text="b") == [2, 4]
        dep.register(later)
        assert all(before < after for before, after in dep.action(both))
        assert len(dep.query(list_tasks)) == 8


def test_an_async_action_from_plain_code_inside_a_loop_as_in_a_notebook() -> None:
    with open_app() as dep:

        async def cell() -> Any:
            return dep.action(later, text="a")

        assert asyncio.run(cell()) == [0, 2]

        async def failing_cell() -> Any:
            return dep.action(later, text=1)

        with pytest.raises(ArgumentValidationError):
            asyncio.run(failing_cell())


def test_actions_awaited_run_beside_one_another() -> None:
    gate = threading.Barrier(2)

    @action("m:meet")
    def meet(ctx: ActionCtx) -> bool:
        # Two plain actions wait for each other, so neither can hold up the loop.
        gate.wait(PATIENCE)
        return True

    async def cell() -> Any:
        return await asyncio.gather(dep.action_async(meet), dep.action_async(meet), dep.action_async(later, text="a"))

    with open_app() as dep:
        assert asyncio.run(cell()) == [True, True, [0, 2]]


def test_an_interrupt_cancels_what_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    @action
    async def endless(ctx: ActionCtx) -> None:
        try:
            begun.set()
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    join = threading.Thread.join
    interrupts = [KeyboardInterrupt()]

    def interrupted(self: threading.Thread, timeout: float | None = None) -> None:
        if self.name == "convex_nb action" and interrupts:
            assert begun.wait(PATIENCE)
            raise interrupts.pop()
        join(self, timeout)

    with open_app() as dep:

        async def cell() -> None:
            dep.action(endless)

        monkeypatch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(cell())
        assert cancelled.is_set()


@pytest.mark.parametrize("is_async", [False, True])
def test_arguments_and_results_of_actions_are_checked(is_async: bool) -> None:
    def plain(ctx: ActionCtx, text: str) -> Any:
        return {1, 2} if text == "set" else text

    async def waits(ctx: ActionCtx, text: str) -> Any:
        return plain(ctx, text)

    function = action("m:echo", returns=v.string())(waits if is_async else plain)
    with open_app() as dep:
        assert dep.action(function, text="a") == "a"
        with pytest.raises(ArgumentValidationError):
            dep.action(function, text=1)
        with pytest.raises((ReturnValidationError, InvalidValueError)):
            dep.action(function, text="set")
        with pytest.raises(FunctionNotFoundError, match="is an action, not a query"):
            dep.query(function, text="a")
        dep.pause()
        with pytest.raises(DeploymentPausedError):
            dep.action(function, text="a")
        with pytest.raises(DeploymentPausedError):
            asyncio.run(dep.action_async(function, text="a"))


def test_an_action_has_no_database_and_the_real_time() -> None:
    @action
    def looks(ctx: ActionCtx) -> Any:
        with pytest.raises(AttributeError, match="run_query"):
            ctx.db  # type: ignore[attr-defined]  # noqa: B018
        before = ctx.now()
        time.sleep(0.002)
        assert 0 <= ctx.random.random() < 1
        return ctx.now() - before

    @query
    def asks(ctx: QueryCtx) -> Any:
        return ctx.run_action(looks)  # type: ignore[attr-defined]

    with open_app() as dep:
        assert dep.action(looks) >= 1
        with pytest.raises(AttributeError, match="QueryCtx has no 'run_action'"):
            dep.query(asks)


def test_an_action_that_forgets_to_await_is_told() -> None:
    async def helper() -> int:
        return 1

    @action
    def forgets(ctx: ActionCtx) -> Any:
        return helper()

    with open_app() as dep, pytest.raises(InvalidValueError, match="was not awaited"):
        dep.action(forgets)


def test_what_is_not_awaited_is_said() -> None:
    @action
    async def waits(ctx: ActionCtx) -> Any:
        return await ctx.run_query(list_tasks)

    with open_app() as dep, pytest.raises(TypeError, match="await") as caught:
        dep.action(waits)
    assert any("write them without `await`" in note for note in caught.value.__notes__)
