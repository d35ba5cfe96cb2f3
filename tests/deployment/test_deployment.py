from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import convex_nb
from convex_nb import (
    ConvexNbError,
    Deployment,
    DeploymentClosedError,
    DeploymentPausedError,
    FunctionNotFoundError,
    InvalidValueError,
    QueryCtx,
    SchemaDefinitionError,
    SchemaValidationError,
    WriteConflictError,
    action,
    cron_jobs,
    define_schema,
    define_table,
    http_router,
    mutation,
    query,
    v,
)
from convex_nb.testing import ConvexTest
from tests.functions.apps import SCHEMA, add_task, add_to_counter, counter_value, list_tasks, open_app
from tests.until import until

NOTES = define_schema({"notes": define_table({"text": v.string()}).index("by_text", ["text"])})


# -- opening and closing


def test_a_deployment_shows_what_it_holds() -> None:
    with open_app() as dep:
        dep.transact(lambda db: db.insert("odd", {"text": "<script>"}))
        dep.register(query("m:<x>".replace("<x>", "x"))(lambda ctx: 1))
        assert repr(dep) == "<Deployment in memory: 3 tables with 1 documents, 7 functions>"
        assert "<td>odd</td><td>1</td>" in dep._repr_html_()
        dep.pause()
        assert "paused" in repr(dep)
    assert repr(dep) == "<Deployment in memory: closed>"
    assert "closed" in dep._repr_html_()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"path": "mysql://host/db"}, "path of a file"),
        ({"path": 5}, "path of a file"),
        ({"read_only": True}, "path of a file"),
        ({"durability": "none"}, '"full" or "relaxed"'),
        ({"limits": "none"}, '"notebook" or "convex"'),
    ],
)
def test_what_cannot_be_opened_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        convex_nb.open(**options)


def test_limits_by_name_or_as_they_are() -> None:
    with (
        convex_nb.open() as wide,
        convex_nb.open(limits="convex") as narrow,
        convex_nb.open(limits=narrow.limits) as same,
    ):
        assert wide.limits.read_documents > narrow.limits.read_documents == same.limits.read_documents == 32_000


def test_a_function_of_any_kind_is_run_by_its_path() -> None:
    with open_app() as dep:
        id = dep.run("tasks:add", {"text": "a"})
        assert [task["_id"] for task in dep.run("tasks:list")] == [id]
        with pytest.raises(FunctionNotFoundError, match='"tasks:nothing"'):
            dep.run("tasks:nothing")


CALLS: list[Callable[[Deployment], object]] = [
    lambda dep: dep.query(list_tasks),
    lambda dep: dep.mutation(add_task, text="a"),
    lambda dep: dep.transact(lambda db: None),
    lambda dep: dep.transaction().__enter__(),
    lambda dep: dep.subscribe(list_tasks, {}, print),
    lambda dep: dep.watch(list_tasks),
]
UPKEEP: list[Callable[[Deployment], object]] = [
    lambda dep: dep.push(SCHEMA),
    lambda dep: dep.register(list_tasks),
    lambda dep: dep.unregister("tasks:list"),
    lambda dep: dep.load("json"),
    lambda dep: dep.at(0),
    lambda dep: dep.table("tasks").df(),
    lambda dep: dep.tables["tasks"],
    lambda dep: dep.import_table("tasks", pd.DataFrame({"text": ["a"], "done": [True]})),
    lambda dep: dep.settle(),
    lambda dep: dep.pause(),
    lambda dep: dep.resume(),
]


@pytest.mark.parametrize("call", CALLS + UPKEEP)
def test_a_closed_deployment_refuses_everything(call: Any) -> None:
    dep = open_app()
    dep.close()
    dep.close()
    with pytest.raises(DeploymentClosedError, match="closed"):
        call(dep)


@pytest.mark.parametrize("call", CALLS)
def test_a_paused_deployment_refuses_calls(call: Any) -> None:
    with open_app() as dep:
        dep.pause()
        with pytest.raises(DeploymentPausedError, match="resume"):
            call(dep)
        assert dep.table("tasks").count() == 0
        dep.push(SCHEMA)
        dep.resume()
        call(dep)


def test_closing_ends_subscriptions_and_the_thread() -> None:
    dep = open_app()
    seen: list[Any] = []
    subscription = dep.subscribe(list_tasks, {}, seen.append)
    dep.mutation(add_task, text="a")
    assert any(thread.name == "convex_nb worker" for thread in threading.enumerate())
    dep.close()
    assert subscription.closed
    assert dep.refresh() == []
    until(lambda: not any(thread.name == "convex_nb worker" for thread in threading.enumerate()))


def test_a_deployment_that_everybody_forgot_goes_away_with_its_thread() -> None:
    dep = open_app()
    convex_nb.set_current(None)
    dep.subscribe(list_tasks, {}, lambda value: None)
    dep.mutation(add_task, text="a")
    gone = weakref.ref(dep)
    functions = dep.functions
    del dep

    def is_gone() -> bool:
        # Its own thread holds it while it works for it.
        gc.collect()
        return gone() is None

    until(is_gone)
    assert "tasks:list" in functions
    until(lambda: not any(thread.name == "convex_nb worker" for thread in threading.enumerate()))


def test_a_process_ends_with_a_deployment_open() -> None:
    code = """
import convex_nb
dep = convex_nb.open()
dep.transact(lambda db: db.insert("notes", {"text": "a"}))
dep.subscribe(convex_nb.query(lambda ctx: ctx.db.query("notes").count()), {}, print)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_cannot_use_it() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        child = os.fork()
        if not child:
            refused = 0
            try:
                for call in (*CALLS, *UPKEEP):
                    try:
                        call(dep)
                    except DeploymentClosedError as error:
                        refused += "forked" in str(error)
            finally:
                os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == len(CALLS) + len(UPKEEP)
        assert len(dep.query(list_tasks)) == 1


# -- the current one


def test_the_first_that_is_open_is_the_current_one() -> None:
    convex_nb.set_current(None)
    with pytest.raises(DeploymentClosedError, match="load_ext"):
        convex_nb.current()
    with convex_nb.open() as one:
        assert convex_nb.current() is one
        with convex_nb.open() as two:
            assert convex_nb.current() is one
            convex_nb.set_current(two)
            assert convex_nb.current() is two
        with pytest.raises(DeploymentClosedError):
            convex_nb.current()


# -- schemas


def test_a_push_is_checked_against_what_is_stored() -> None:
    with convex_nb.open() as dep:
        id = dep.transact(lambda db: db.insert("notes", {"text": 1}))
        with pytest.raises(SchemaValidationError) as raised:
            dep.push(NOTES)
        assert (raised.value.table, raised.value.document_id) == ("notes", id)
        assert dep.schema is None
        dep.transact(lambda db: db.patch(id, {"text": "one"}))
        before = dep.timestamp
        dep.push(NOTES)
        assert dep.timestamp > before
        pushed = dep.timestamp
        dep.push(NOTES)
        assert dep.timestamp == pushed
        assert dep.table("notes").indexes["by_text"] == ("text",)
        for wrong in (None, {}, {"notes": NOTES.tables["notes"]}):
            with pytest.raises(SchemaDefinitionError, match="define_schema"):
                dep.push(wrong)  # type: ignore[arg-type]
        for misplaced, said in (
            (cron_jobs(), r"Write `push\(crons=...\)`"),
            (http_router(), r"Write `push\(http=...\)`"),
        ):
            with pytest.raises(SchemaDefinitionError, match=said):
                dep.push(misplaced)  # type: ignore[arg-type]


def test_what_one_push_puts_in_force_is_one_record_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    crons = convex_nb.cron_jobs()
    crons.interval("adds", {"hours": 1}, add_to_counter, {"name": "n"})
    auth = [{"domain": "https://issuer.example", "applicationID": "app"}]
    # With its clock the crons' own thread, which writes as well, is not there.
    with ConvexTest() as test:
        dep = test.deployment
        append = dep._database.log.append
        appended: list[int] = []
        is_full = True

        def counting(expected_head: int, entries: Any) -> Any:
            if is_full:
                raise OSError("No space left on device")
            appended.append(len(entries))
            return append(expected_head, entries)

        monkeypatch.setattr(dep._database.log, "append", counting)
        dep.register(add_to_counter)
        with pytest.raises(OSError, match="No space"):
            dep.push(SCHEMA, crons=crons, auth=auth)
        assert (dep.schema, list(dep.schedules.crons), list(dep.auth.providers)) == (None, [], [])
        is_full = False
        dep.push(SCHEMA, crons=crons, auth=auth)
        assert appended == [2]
        assert dep.schema == SCHEMA
        assert len(dep.schedules.crons) == len(dep.auth.providers) == 1
        dep.push(SCHEMA, crons=crons, auth=auth)
        assert appended == [2]


# -- transactions


def test_an_ad_hoc_transaction_returns_its_value_and_retries() -> None:
    attempts: list[None] = []

    def increments(db: Any) -> Any:
        attempts.append(None)
        counter = db.query("counters").first()
        if len(attempts) == 1:
            dep.mutation(add_to_counter, name="n")
        db.patch(counter["_id"], {"value": counter["value"] + 10})
        return {counter["value"]}

    with open_app() as dep:
        dep.mutation(add_to_counter, name="n")
        assert dep.transact(increments) == {2}
        assert dep.query(counter_value, name="n") == 12


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda dep: dep.query(list_tasks), "query"),
        (lambda dep: dep.mutation(add_task, text="b"), "mutation"),
        (lambda dep: dep.transact(lambda db: db.query("tasks").count()), "transact"),
        (lambda dep: dep.table("tasks").count(), "table"),
        (lambda dep: dep.sql("select 1").rows(), "sql"),
    ],
)
@pytest.mark.parametrize("kind", [query, mutation, action])
def test_what_a_handler_does_beside_its_transaction_is_said(call: Any, name: str, kind: Any) -> None:
    with open_app() as dep:

        def handler(ctx: Any) -> None:
            call(dep)
            call(dep)

        dep.run(kind(handler))
        lines = dep.logs.df()
        said = lines[lines.system_code == "OutsideTransaction"].message.tolist()
        assert [f"`dep.{name}` was called" in line for line in said] == ([True] if kind is not action else [])


def test_an_ad_hoc_transaction_is_a_plain_function() -> None:
    async def waits(db: Any) -> None: ...

    with open_app() as dep:
        with pytest.raises(InvalidValueError, match="plain function"):
            dep.transact(waits)  # type: ignore[unused-coroutine]
        with pytest.raises(InvalidValueError, match="a function of `db`"):
            dep.transact("tasks:add")  # type: ignore[arg-type]


def test_a_block_commits_at_its_end_or_not_at_all() -> None:
    with open_app() as dep:
        with dep.transaction() as db:
            db.insert("tasks", {"text": "a", "done": False})
            assert dep.table("tasks").count() == 0
        assert dep.table("tasks").count() == 1

        def fail() -> None:
            with dep.transaction() as db:
                db.insert("tasks", {"text": "b", "done": False})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as raised:
            fail()
        assert raised.value.__notes__ == ["Nothing was written."]
        assert dep.table("tasks").count() == 1
        block = dep.transaction()
        with block:
            pass
        with pytest.raises(ConvexNbError, match="new block"), block:
            pass


def test_a_block_that_lost_a_race_raises() -> None:
    with open_app() as dep:
        dep.mutation(add_to_counter, name="n")

        def lose() -> None:
            with dep.transaction() as db:
                counter = db.query("counters").unique()
                assert counter is not None
                dep.mutation(add_to_counter, name="n")
                db.patch(counter["_id"], {"value": 100})

        with pytest.raises(WriteConflictError, match='A call to "counters:add"') as raised:
            lose()
        assert raised.value.table == "counters"
        with dep.transaction() as one, dep.transaction() as two:
            assert one.query("counters").count() == two.query("counters").count() == 1
            one.insert("tasks", {"text": "a", "done": False})
        assert dep.query(counter_value, name="n") == 2


# -- the past


def test_the_past_can_be_read() -> None:
    with ConvexTest(SCHEMA) as test:
        dep = test.deployment
        start = datetime.fromtimestamp(test.clock.now / 1000, UTC)
        stamps = []
        for text in "abc":
            test.advance(1000)
            test.mutation(add_task, text=text)
            stamps.append(dep.timestamp)
        assert stamps == sorted(set(stamps))

        def texts(when: Any) -> str:
            past = dep.at(when)
            assert past.table("tasks").count() == len(past.query(list_tasks))
            return "".join([task["text"] for task in past.query("tasks:list", done=False)])

        assert [texts(stamp) for stamp in stamps] == ["a", "ab", "abc"]
        assert texts(stamps[1] + 1) == "ab"
        assert texts(stamps[1] - 1) == "a"
        assert texts(timedelta(seconds=1.5)) == "a"
        assert texts(timedelta(0)) == texts(timedelta(seconds=-5)) == "abc"
        assert texts(start + timedelta(seconds=2)) == "ab"
        assert texts((start + timedelta(seconds=2)).replace(tzinfo=None)) == "ab"
        assert texts(start + timedelta(milliseconds=1)) == ""
        past = dep.at(stamps[0])
        assert (past.timestamp, list(past.tables)) == (stamps[0], ["counters", "tasks"])
        assert "2025-01-01 00:00:01" in repr(past)
        assert list(past.table("tasks").df()["text"]) == ["a"]
        test.mutation(add_task, text="d")
        assert len(past.query(list_tasks)) == 1
        with pytest.raises(ZeroDivisionError):
            past.query(query(lambda ctx: 1 / 0))
        with pytest.raises(LookupError, match="when it was made"):
            dep.at(timedelta(days=400))
        for wrong in (True, 1.5, "yesterday", None):
            with pytest.raises(InvalidValueError, match="timestamp"):
                dep.at(wrong)  # type: ignore[arg-type]


# -- figures


def test_figures_and_checks() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        dep.subscribe(list_tasks, {}, lambda value: None)
        statistics = dep.statistics()
        # The insert, and what the push wrote down.
        assert statistics.database.commits == 2
        assert statistics.database.tables["tasks"].documents == 1
        assert (statistics.reactor.subscriptions, statistics.functions, statistics.retries) == (1, 6, 0)
        dep.check()


def test_background_work_happens_by_itself() -> None:
    with open_app() as dep:
        for _ in range(10):
            dep.transact(lambda db: db.insert_many("tasks", [{"text": "a", "done": False}] * 600))
        until(lambda: dep.statistics().database.tables["tasks"].segments)
        assert len(dep.query(list_tasks)) == 6000
        dep.check()


def test_a_clock_that_goes_back_changes_nothing() -> None:
    with ConvexTest(SCHEMA) as test:
        stamps, times = [], []
        for step in (5, -1000, 0, 3):
            test.advance(step)
            test.mutation(add_task, text="a")
            stamps.append(test.deployment.timestamp)
            times.append(test.query(list_tasks)[-1]["_creationTime"])
        assert stamps == sorted(set(stamps))
        assert times == sorted(set(times))


def test_from_any_thread() -> None:
    with open_app() as dep:
        errors: list[BaseException] = []

        def work(n: int) -> None:
            try:
                for _ in range(30):
                    dep.mutation(add_task, text=str(n))
                    dep.query(list_tasks)
                    dep.table("tasks").count()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(dep.query(list_tasks)) == 120


def test_a_query_in_the_middle_of_a_push_sees_one_schema() -> None:
    @query("m:both")
    def both(ctx: QueryCtx) -> Any:
        before = len(ctx.db.query("tasks").collect())
        dep.push(define_schema({**SCHEMA.tables, **NOTES.tables}))
        return before == len(ctx.db.query("tasks").collect())

    with open_app() as dep:
        assert dep.query(both) is True
        assert "notes" in dep.tables
