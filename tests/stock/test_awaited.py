from __future__ import annotations

import asyncio
from typing import Any

import pytest

from convex_nb.stock.awaited import Loop, result_of


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def fail(error: BaseException) -> None:
    raise error


def test_a_result_is_that_of_a_plain_or_an_async_function() -> None:
    assert (result_of(3), result_of(double(3))) == (3, 6)
    # Two of them end a loop.
    for error in (ValueError("no"), SystemExit("no"), KeyboardInterrupt("no")):
        with pytest.raises(type(error), match="no"):
            result_of(fail(error))


def test_it_is_waited_for_inside_of_another_loop_too() -> None:
    async def outer() -> Any:
        return result_of(double(4))

    assert asyncio.run(outer()) == 8


def test_what_is_still_under_way_at_the_end_is_canceled_and_has_ended() -> None:
    ended: list[str] = []

    async def sleep_for_ever(begun: asyncio.Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("ended")

    async def start() -> Any:
        begun = asyncio.Event()
        task = asyncio.ensure_future(sleep_for_ever(begun))
        await begun.wait()
        return task

    with Loop() as loop:
        task = loop.run(start())
    assert (ended, task.cancelled()) == (["ended"], True)
