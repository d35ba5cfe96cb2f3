from __future__ import annotations

import asyncio
from typing import Any

import pytest

import convex_nb
from convex_nb import ActionCtx, LimitError, MutationCtx, QueryCtx, action, mutation, query
from convex_nb.language.limits import Limits


class Time:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        for module in ("engine.usage", "functions.runner", "functions.execution"):
            monkeypatch.setattr(f"convex_nb.{module}.perf_counter", lambda: self.now)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.mark.parametrize(("limits", "seconds"), [("convex", 1), ("notebook", 60)])
def test_a_function_that_computes_too_long_is_refused(time: Time, limits: Any, seconds: float) -> None:
    came_to: list[int] = []

    @query("m:asks")
    def asks(ctx: QueryCtx) -> str:
        time.now += seconds
        return str(ctx.db.query("rows").first())

    @query("m:thinks")
    def thinks(ctx: QueryCtx, seconds: float) -> str:
        time.now += seconds
        return "done"

    @mutation("m:writes")
    def writes(ctx: MutationCtx) -> None:
        ctx.db.insert("rows", {})
        for step in range(1000):
            time.now += seconds / 10
            came_to.append(step)
            ctx.db.query("rows").first()

    with convex_nb.open(limits=limits) as dep:
        assert dep.query(thinks, seconds=seconds) == "done"
        assert dep.query(asks) == "None"
        with pytest.raises(LimitError, match=f"may take {seconds} s") as raised:
            dep.query(thinks, seconds=seconds * 1.1)
        assert raised.value.kind == "query_seconds"
        with pytest.raises(LimitError, match="Nothing was written"):
            dep.mutation(writes)
        assert len(came_to) < 20
        assert dep.table("rows").count() == 0


def test_a_handler_that_catches_the_error_does_not_get_away(time: Time) -> None:
    @mutation("m:catches")
    def catches(ctx: MutationCtx) -> str:
        ctx.db.insert("rows", {})
        time.now += 5
        try:
            ctx.db.query("rows").first()
        except LimitError:
            return "caught"
        return "not raised"

    with convex_nb.open(limits="convex") as dep:
        with pytest.raises(LimitError):
            dep.mutation(catches)
        assert dep.table("rows").count() == 0


def test_ad_hoc_transactions_take_their_time(time: Time) -> None:
    with convex_nb.open(limits="convex") as dep:

        def slow(db: Any) -> None:
            time.now += 100
            db.insert("rows", {})

        dep.transact(slow)
        with dep.transaction() as db:
            slow(db)
        assert dep.table("rows").count() == 2


@query("m:nothing")
def nothing(ctx: QueryCtx) -> None: ...


def test_an_action_is_stopped_at_its_next_call(time: Time) -> None:
    @action("m:long")
    def long(ctx: ActionCtx) -> None:
        ctx.run_query(nothing)
        time.now += 601
        ctx.run_query(nothing)

    with (
        convex_nb.open(limits="convex") as dep,
        pytest.raises(LimitError, match='"m:long" has taken its 600 s') as raised,
    ):
        dep.action(long)
    assert raised.value.kind == "action_seconds"
    with convex_nb.open() as dep:
        dep.action(long)


def test_an_action_that_waits_is_cancelled_where_it_waits() -> None:
    ended: list[str] = []

    @action("m:waits")
    async def waits(ctx: ActionCtx) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    @action("m:fails")
    async def fails(ctx: ActionCtx) -> None:
        raise TimeoutError("its own")

    with convex_nb.open(limits=Limits(action_seconds=0.01)) as dep, pytest.raises(LimitError, match="has taken its"):
        dep.action(waits)
    with convex_nb.open(limits="convex") as dep, pytest.raises(TimeoutError, match="its own"):
        dep.action(fails)
    assert ended == ["cancelled"]


def test_an_action_makes_so_many_calls_at_once() -> None:
    @action("m:inner")
    async def inner(ctx: ActionCtx) -> None:
        await asyncio.sleep(0)

    @action("m:many")
    async def many(ctx: ActionCtx, calls: int) -> int:
        for _ in range(5):
            ctx.run_query(nothing)
        results = await asyncio.gather(*[ctx.run_action_async(inner) for _ in range(calls)], return_exceptions=True)
        ctx.run_query(nothing)
        return sum(isinstance(result, LimitError) for result in results)

    with convex_nb.open(limits=Limits(action_operations=3, action_seconds=float("inf"))) as dep:
        assert dep.action(many, calls=3) == 0
        assert dep.action(many, calls=5) == 2
