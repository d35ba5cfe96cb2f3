"""Coroutines from plain code, and plain code from coroutines."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from convex_nb.deployment.worker import HAS_THREADS

P = ParamSpec("P")
T = TypeVar("T")


def run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own, and return its result or raise its error.

    A notebook's cells run inside a loop already, which cannot run another: then this is done on a thread, for whose
    end it waits. An interrupt cancels the coroutine.
    """
    value, error = _run(_outcome(coroutine))
    if error is not None:
        raise error
    return value


async def _outcome(coroutine: Coroutine[Any, Any, T]) -> tuple[T, None] | tuple[Any, Exception]:
    # Raised again by whoever waits: on its way through the loop it would gather the loop's frames.
    try:
        return await coroutine, None
    except Exception as error:
        return None, error


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    results: list[T] = []
    errors: list[BaseException] = []
    begun = threading.Event()
    tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []

    async def main() -> T:
        task = asyncio.ensure_future(coroutine)
        tasks.append((asyncio.get_running_loop(), task))
        begun.set()
        return await task

    def run() -> None:
        try:
            results.append(asyncio.run(main()))
        except BaseException as error:
            errors.append(error)
        finally:
            begun.set()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="convex_nb action", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        begun.wait()
        for loop, task in tasks:
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise
    if errors:
        raise errors[0]
    return results[0]


async def run_beside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a plain function without holding up the loop, where threads exist."""
    return await asyncio.to_thread(function, *args, **kwargs) if HAS_THREADS else function(*args, **kwargs)
