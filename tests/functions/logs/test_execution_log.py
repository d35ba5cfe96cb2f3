from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import convex_nb
from convex_nb import ActionCtx, Deployment, MutationCtx, QueryCtx, WriteConflictError, action, mutation, query
from convex_nb.functions.logs.request_ids import RequestIds
from tests.functions.apps import add_task, add_to_counter, counter_value, list_tasks, open_app


def newest(dep: Deployment) -> Any:
    return next(reversed(dep.logs.executions))


@pytest.mark.parametrize("limits", ["notebook", "convex"])
def test_a_record_says_what_was_read_and_written(limits: Any) -> None:
    with convex_nb.open(limits=limits) as dep:
        for text in ("a", "bb"):
            dep.mutation(add_task, text=text * 10)
        record = newest(dep)
        assert (record.kind, record.path, record.status, record.caller) == ("mutation", "tasks:add", "success", "admin")
        assert (record.documents_written, record.documents_read, record.ranges_read) == (1, 0, 0)
        assert record.bytes_written > 20
        dep.transact(lambda db: db.query("tasks").collect())
        record = newest(dep)
        assert (record.documents_read, record.documents_written, record.ranges_read) == (2, 0, 1)
        assert record.bytes_read > 40
        assert (record.bytes_written, record.parent, record.occ_info, record.job_id) == (0, None, None, None)


def test_the_functions_own_time_is_a_part_of_the_duration() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        dep.query(list_tasks)
        for record in dep.logs.executions:
            assert 0 < record.handler_ms < record.duration_ms
        dep.query(list_tasks)
        assert (newest(dep).cached, newest(dep).handler_ms) == (True, 0)


def test_a_request_is_all_that_a_call_from_outside_brings_about() -> None:
    @action("m:inner")
    def inner(ctx: ActionCtx) -> None:
        ctx.run_mutation(add_task, text="b")

    @action("m:outer")
    async def outer(ctx: ActionCtx) -> None:
        print("outer")
        ctx.run_query(list_tasks)
        ctx.run_query(list_tasks)
        await ctx.run_action_async(inner)

    with open_app() as dep:
        dep.action(outer)
        records = {(record.path, record.cached): record for record in dep.logs.executions}
        assert len(records) == 5
        assert len({record.request_id for record in records.values()}) == 1
        number = records["m:outer", False].number
        parents = {key: record.parent for key, record in records.items()}
        assert parents == {
            ("m:outer", False): None,
            ("tasks:list", False): number,
            ("tasks:list", True): number,
            ("m:inner", False): number,
            ("tasks:add", False): records["m:inner", False].number,
        }
        (line,) = dep.logs
        assert (line.request_id, line.number) == (records["m:outer", False].request_id, number)
        dep.query(list_tasks)
        assert newest(dep).request_id != line.request_id


def test_calls_of_concurrent_actions_stay_apart() -> None:
    @action("m:adds")
    async def adds(ctx: ActionCtx, text: str) -> None:
        await asyncio.sleep(0)
        ctx.run_mutation(add_task, text=text)

    with open_app() as dep:

        async def both() -> None:
            await asyncio.gather(*[dep.action_async(adds, text=text) for text in "abc"])

        asyncio.run(both())
        actions = {record.number: record.request_id for record in dep.logs.executions if record.kind == "action"}
        mutations = {record.parent: record.request_id for record in dep.logs.executions if record.kind == "mutation"}
        assert actions == mutations
        assert len(set(actions.values())) == 3


def test_an_error_knows_its_request() -> None:
    @mutation("m:fails")
    def fails(ctx: MutationCtx) -> None:
        raise ValueError("no")

    @action("m:calls")
    def calls(ctx: ActionCtx) -> None:
        ctx.run_mutation(fails)

    with open_app() as dep:
        dep.register(fails, calls)
        for call in (dep.mutation, dep.action):
            with pytest.raises(ValueError, match="no") as caught:
                call("m:fails" if call == dep.mutation else "m:calls")
            assert caught.value.request_id == newest(dep).request_id  # type: ignore[attr-defined]
            assert str(caught.value) == "no"


def test_an_error_that_takes_no_attributes_goes_without() -> None:
    class StubbornError(Exception):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "request_id":
                raise AttributeError(name)
            super().__setattr__(name, value)

    @query
    def fails(ctx: QueryCtx) -> None:
        raise StubbornError("no")

    with open_app() as dep, pytest.raises(StubbornError, match="no"):
        dep.query(fails)


def test_ids_of_calls_differ_and_those_of_deployments_are_unrelated() -> None:
    ids = RequestIds(7)
    assert len({ids(number) for number in range(10_000)}) == 10_000
    assert {len(ids(number)) for number in range(100)} == {16}
    assert RequestIds()(1) != RequestIds()(1)


def test_a_conflict_is_recorded_with_what_caused_it() -> None:
    with open_app() as dep:
        dep.mutation(add_to_counter, name="n")

        @mutation("m:slow")
        def slow(ctx: MutationCtx) -> Any:
            counter = ctx.db.query("counters").first()
            assert counter is not None
            if not attempts:
                attempts.append(1)
                other = threading.Thread(target=dep.mutation, args=(add_to_counter, {"name": "n"}))
                threads.append(other)
                waiting.set()
                changed.wait(60)
            ctx.db.patch(counter["_id"], {"value": 0})
            return counter["_id"]

        attempts: list[int] = []
        threads: list[threading.Thread] = []
        waiting, changed = threading.Event(), threading.Event()

        def change() -> None:
            waiting.wait(60)
            dep.mutation(add_to_counter, name="n")
            changed.set()

        changer = threading.Thread(target=change)
        changer.start()
        document_id = dep.mutation(slow)
        changer.join()
        record = newest(dep)
        assert (record.path, record.retries, record.status) == ("m:slow", 1, "success")
        assert record.occ_info == {
            "table_name": "counters",
            "document_id": document_id,
            "write_source": "counters:add",
            "retry_count": 1,
        }


def test_a_mutation_that_gave_up_says_so() -> None:
    @mutation("m:never")
    def never(ctx: MutationCtx) -> None:
        value = ctx.run_query(counter_value, name="n")
        ctx.db.insert("tasks", {"text": str(value), "done": False})
        disturb()

    with open_app() as dep:

        def disturb() -> None:
            # On another thread, whose calls are no part of this one.
            other = threading.Thread(target=dep.mutation, args=(add_to_counter, {"name": "n"}))
            starters.append(other)

        starters: list[threading.Thread] = []
        original = dep._database.commit

        def commit(transaction: Any, source: str = "") -> Any:
            while starters:
                thread = starters.pop()
                thread.start()
                thread.join()
            return original(transaction, source)

        dep._database.commit = commit  # type: ignore[method-assign]
        dep._runner._sleep = lambda seconds: None
        with pytest.raises(WriteConflictError):
            dep.mutation(never)
        record = next(record for record in reversed(dep.logs.executions) if record.path == "m:never")
        assert (record.status, record.retries, record.occ_info["retry_count"]) == ("failure", 4, 4)  # type: ignore[index]


def test_memory_is_bounded() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        for _ in range(5000):
            dep.query(list_tasks)
        assert len(dep.logs.executions) == 4096
        numbers = [record.number for record in dep.logs.executions]
        assert numbers[-1] == 5001
        assert len(dep.logs.tallies.waiting) < 1024


def test_a_log_shows_its_newest_lines() -> None:
    @query
    def speaks(ctx: QueryCtx, number: int) -> None:
        print(number)

    with open_app() as dep:
        assert repr(dep.logs) == "no log lines"
        for number in range(40):
            dep.query(speaks, number=number)
        assert [line.message for line in dep.logs.tail(2)] == ["38", "39"]
        assert dep.logs.tail(0) == []
        assert repr(dep.logs).startswith("(10 earlier lines)\nspeaks  LOG  10\n")
        assert repr(dep.logs.executions) == "40 executions; `.df()` shows them"
        dep.logs.note("m:f", "WARN", "was skipped", 5.0)
        assert dep.logs.tail(1)[0][:5] == (0, 5.0, "m:f", "WARN", "was skipped")


def test_lines_have_times_of_their_own_and_say_when_they_were_cut() -> None:
    @query
    def speaks(ctx: QueryCtx) -> None:
        print("x" * 5000)
        print("y")

    with open_app() as dep:
        dep.query(speaks)
        first, second = dep.logs
        assert (first.is_truncated, second.is_truncated) == (True, False)
        assert newest(dep).time_ms <= first.time_ms <= second.time_ms
