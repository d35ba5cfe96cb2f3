from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ActionCtx,
    Deployment,
    InvalidValueError,
    MutationCtx,
    QueryCtx,
    action,
    define_schema,
    define_table,
    mutation,
    query,
    v,
)
from convex_nb.functions.tracebacks import user_traceback


def names(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(user_traceback(error.__traceback__))]


@mutation
def writes_nonsense(ctx: MutationCtx) -> None:
    ctx.db.insert("tasks", {"text": 1})


@query
def divides(ctx: QueryCtx) -> float:
    return 1 / 0


@query
def calls(ctx: QueryCtx) -> Any:
    return ctx.run_query(divides)


@query
def explains(ctx: QueryCtx) -> Any:
    try:
        return ctx.run_query(divides)
    except ZeroDivisionError as error:
        raise ValueError("explained") from error


CALLS: list[tuple[Callable[[Deployment], object], list[str]]] = [
    (lambda dep: dep.mutation(writes_nonsense), ["writes_nonsense"]),
    (lambda dep: dep.query(calls), ["calls", "divides"]),
    (lambda dep: dep.query(explains), ["explains"]),
    (lambda dep: dep.query(divides, extra=1), []),
    (lambda dep: dep.query("nobody"), []),
    (lambda dep: dep.transact(lambda db: db.insert("tasks", {"text": 1})), ["<lambda>"]),
]


@pytest.mark.parametrize(("call", "own"), CALLS)
def test_only_the_users_frames_are_left(call: Callable[[Deployment], object], own: list[str]) -> None:
    with convex_nb.open() as dep:
        dep.push(define_schema({"tasks": define_table({"text": v.string()})}))
        with pytest.raises(Exception) as raised:  # noqa: PT011 (what it is does not matter here)
            call(dep)
        # The first two are this test and its lambda.
        assert names(raised.value)[2:] == own
        cause = raised.value.__cause__
        assert cause is None or names(cause) == ["explains", "divides"]


def test_the_traceback_of_an_error_is_not_changed_by_looking() -> None:
    with pytest.raises(InvalidValueError) as raised:
        convex_nb.encode_key(object())
    before = traceback.extract_tb(raised.value.__traceback__)
    assert names(raised.value) == ["test_the_traceback_of_an_error_is_not_changed_by_looking"]
    assert traceback.extract_tb(raised.value.__traceback__) == before
    assert user_traceback(None) is None


@action("m:waits")
async def waits(ctx: ActionCtx) -> Any:
    await asyncio.sleep(0)
    return ctx.run_query(divides)


@action("m:gathers")
async def gathers(ctx: ActionCtx) -> Any:
    async with asyncio.TaskGroup() as group:
        group.create_task(ctx.run_action_async(waits))
        group.create_task(ctx.run_action_async(waits))


def machinery(error: BaseException) -> list[str]:
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__) if "asyncio" in frame.filename]


def test_the_loop_of_an_action_is_not_shown() -> None:
    """Neither where there is no loop yet, nor inside one, as in a cell."""

    async def inside() -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            dep.action(waits)
        assert machinery(caught.value) == []
        assert names(caught.value)[-2:] == ["waits", "divides"]

    with convex_nb.open() as dep:
        dep.register(waits, gathers, divides)
        with pytest.raises(ZeroDivisionError) as caught:
            dep.action(waits)
        assert machinery(caught.value) == []
        assert names(caught.value)[-2:] == ["waits", "divides"]
        asyncio.run(inside())


def test_every_error_of_a_group_is_shown_by_the_users_lines() -> None:
    with convex_nb.open() as dep:
        dep.register(waits, gathers, divides)
        with pytest.raises(ExceptionGroup) as caught:
            dep.action(gathers)
        for error in caught.value.exceptions:
            shown = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            assert shown == ["waits", "divides"]
