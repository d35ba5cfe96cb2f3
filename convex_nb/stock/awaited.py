"""Results of functions that are plain or `async`, for code that is plain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from inspect import isawaitable
from typing import Any, Final

_TURN_SECONDS: Final = 0.25


def result_of(value: Any) -> Any:
    """What a plain or an `async` function returned, waited for."""
    if not isawaitable(value):
        return value
    with Loop() as loop:
        return loop.result_of(value)


class Loop:
    """An event loop on a thread of its own, since a cell or an action may be inside of one already."""

    def __enter__(self) -> Loop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="convex_nb model", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(_end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def result_of(self, awaitable: Any) -> Any:
        return self.run(_waiting_for(awaitable))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(_outcome(coroutine), self._loop)
        try:
            # In turns: an interrupt that comes just before a thread begins to wait is heard when it wakes.
            while not future.done():
                with suppress(TimeoutError):
                    future.exception(_TURN_SECONDS)
            result, error = future.result()
        except BaseException:
            # An interrupt comes here, and not into the loop.
            future.cancel()
            raise
        if error is not None:
            raise error
        return result


async def _outcome(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    try:
        return await coroutine, None
    except (KeyboardInterrupt, SystemExit) as error:
        # The loop would end by it before anybody heard of it.
        return None, error


async def _end() -> None:
    """Cancel what is under way, and wait until it has ended."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


async def _waiting_for(value: Any) -> Any:
    return await value
