from __future__ import annotations

import _thread
import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import convex_nb
from convex_nb import DeterminismError
from convex_nb.testing import VirtualClock
from tests.functions.apps import open_app


@pytest.mark.parametrize(
    ("operation", "does"),
    [
        ("`time.sleep`", lambda: time.sleep(0)),
        ("`input`", lambda: input("?")),
        ("`threading.Thread.start`", lambda: threading.Thread(target=print).start()),
        ("`threading.Thread.start`", lambda: threading.Timer(0, print).start()),
        ("`threading.Thread.start`", lambda: ThreadPoolExecutor(1).submit(print)),
        ("`_thread.start_new_thread`", lambda: _thread.start_new_thread(print, ())),
    ],
)
def test_what_only_actions_do_is_refused(operation: str, does: Callable[[], Any]) -> None:
    @convex_nb.mutation("m:does")
    def act(ctx: convex_nb.MutationCtx) -> None:
        ctx.db.insert("tasks", {"text": "half", "done": False})
        does()

    @convex_nb.query("m:asks")
    def ask(ctx: convex_nb.QueryCtx) -> None:
        does()

    with open_app() as dep:
        with pytest.raises(DeterminismError, match=r'in the mutation "m:does".* Nothing was written') as refused:
            dep.mutation(act)
        assert refused.value.operation == operation
        with pytest.raises(DeterminismError, match='in the query "m:asks"') as refused:
            dep.query(ask)
        assert "Nothing was written" not in str(refused.value)
        assert dep.table("tasks").count() == 0


def test_actions_and_cells_may_do_all_of_it() -> None:
    ran: list[str] = []

    @convex_nb.action("m:works")
    def work(ctx: convex_nb.ActionCtx) -> None:
        thread = threading.Thread(target=ran.append, args=("in an action",))
        thread.start()
        thread.join()
        time.sleep(0)

    @convex_nb.action("m:waits")
    async def wait(ctx: convex_nb.ActionCtx) -> None:
        await asyncio.sleep(0)
        ran.append("awaited")

    with open_app() as dep:
        dep.action(work)
        dep.action(wait)
        time.sleep(0)
        thread = threading.Thread(target=ran.append, args=("outside",))
        thread.start()
        thread.join()
    assert ran == ["in an action", "awaited", "outside"]


def test_a_handler_may_wait_for_what_others_own() -> None:
    with open_app() as dep, ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        event, lock = threading.Event(), threading.Lock()

        def handler(db: Any) -> str:
            with lock:
                pool.submit(event.set)
                assert event.wait(60)
                return str(pool.submit(str, 5).result(60))

        assert dep.transact(handler) == "5"


def test_a_wait_with_a_timeout_ends() -> None:
    with convex_nb.open(clock=VirtualClock(0)) as dep:
        assert dep.transact(lambda db: threading.Event().wait(0.01)) is False
