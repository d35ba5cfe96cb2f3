from __future__ import annotations

import inspect
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ArgumentValidationError,
    ConvexError,
    FunctionNotFoundError,
    InvalidValueError,
    SchedulingError,
    SchemaDefinitionError,
    action,
    mutation,
    query,
)
from convex_nb.stock import HOUR, SECOND, Step, Workflows
from convex_nb.testing import ConvexTest, VirtualClock

DAY = 24 * HOUR
workflows = Workflows(retry={"max_attempts": 3, "initial_backoff": 1000})
ran: list[str] = []
failing: dict[str, int] = {}


@action("shop:charge")
def charge(ctx: Any, order: str) -> str:
    ran.append(order)
    if failing.get(order):
        failing[order] -= 1
        raise ConvexError("busy")
    return f"receipt for {order}"


@mutation("shop:ship")
def ship(ctx: Any, order: str) -> str:
    if failing.get(f"ship {order}"):
        raise ConvexError("no truck")
    return str(ctx.db.insert("shipped", {"order": order, "at": ctx.now()}))


@query("shop:count")
def count(ctx: Any) -> int:
    return int(ctx.db.query("shipped").count())


@mutation("shop:done")
def done(ctx: Any, id: str, context: Any, outcome: Any) -> None:
    ctx.db.insert("told", {"context": context, **outcome})


@workflows.define("shop:fulfil")
def fulfil(step: Step, order: str, days: float = 1) -> Any:
    before = step.run_query(count)
    paid = step.run_action(charge, order=order)
    paid_at = step.now()
    step.sleep(days * DAY)
    try:
        step.run_mutation(ship, order=order)
    except ConvexError as error:
        return {"refused": error.data}
    return {"paid": paid, "took": step.now() - paid_at, "counts": [before, step.run_query(count)]}


@workflows.define("shop:many")
def many(step: Step, orders: list[str]) -> Any:
    started = [step.start_action(charge, {"order": order}) for order in orders]
    return [each.result() for each in started] + [step.random.random()]


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    ran.clear()
    failing.clear()
    with ConvexTest() as test:
        test.register_component(Workflows.definition)
        test.deployment.register(charge, ship, count, done, fulfil, many)
        yield test


def start(test: ConvexTest, workflow: Any, args: Any, **options: Any) -> str:
    return str(test.run(lambda ctx: workflows.start(ctx, workflow, args, **options)))


def status(test: ConvexTest, id: str) -> Any:
    return test.run(lambda ctx: workflows.status(ctx, id))


def steps(test: ConvexTest, id: str) -> Any:
    return test.run(lambda ctx: [(each["kind"], each["state"]) for each in workflows.steps(ctx, id)])


def table(test: ConvexTest, name: str, *fields: str) -> Any:
    return test.run(lambda ctx: [[each.get(field) for field in fields] for each in ctx.db.query(name).collect()])


def test_steps_happen_once_though_the_handler_runs_again_and_again(test: ConvexTest) -> None:
    failing["tea"] = 2
    id = start(test, fulfil, {"order": "tea"}, on_complete=done, context=7)
    assert status(test, id) == {"state": "running", "result": None, "error": None}
    test.advance(20 * SECOND)
    assert ran == ["tea"] * 3
    assert steps(test, id) == [["query", "success"], ["action", "success"], ["sleep", "running"]]
    test.finish_all_scheduled_functions()
    result = status(test, id)["result"]
    assert result == {"paid": "receipt for tea", "took": DAY, "counts": [0, 1]}
    assert table(test, "shipped", "order") == [["tea"]]
    assert table(test, "told", "context", "kind", "result") == [[7, "success", result]]
    assert [kind for kind, state in steps(test, id)] == ["query", "action", "sleep", "mutation", "query"]
    # Results are kept in the journal, and nowhere else.
    works = test.deployment.components["workflows/workpool"].table("works")
    assert works.count() == 0


def test_several_steps_are_under_way_together(test: ConvexTest) -> None:
    failing["b"] = 1
    id = start(test, many, {"orders": ["a", "b", "c"]})
    test.advance(0)
    assert ran == ["a", "b", "c"]
    assert [state for _, state in steps(test, id)] == ["success", "running", "success"]
    test.finish_all_scheduled_functions()
    *receipts, chance = status(test, id)["result"]
    assert (receipts, ran) == ([f"receipt for {each}" for each in "abc"], ["a", "b", "c", "b"])
    assert 0 <= chance < 1


def test_a_step_that_fails_is_an_error_that_a_handler_may_catch(test: ConvexTest) -> None:
    failing["ship tea"] = 1
    id = start(test, fulfil, {"order": "tea"})
    test.finish_all_scheduled_functions()
    refused = {"kind": "StepFailed", "step": 4, "function": "shop:ship", "error": "ConvexError: no truck"}
    assert status(test, id) == {"state": "success", "result": {"refused": refused}, "error": None}
    failing["gin"] = 99
    id = start(test, fulfil, {"order": "gin"}, on_complete=done)
    test.finish_all_scheduled_functions()
    assert (ran.count("gin"), status(test, id)["state"]) == (3, "failed")
    assert "StepFailed" in status(test, id)["error"]
    assert "busy" in status(test, id)["error"]
    assert table(test, "told", "kind") == [["failed"]]


def test_a_canceled_one_takes_no_further_step(test: ConvexTest) -> None:
    id = start(test, fulfil, {"order": "tea"}, on_complete=done)
    test.advance(0)
    assert [test.run(lambda ctx: workflows.cancel(ctx, id)) for _ in range(2)] == [True, False]
    test.finish_all_scheduled_functions()
    assert (status(test, id)["state"], table(test, "shipped"), test.clock.now) == ("canceled", [], VirtualClock().now)
    assert table(test, "told", "kind") == [["canceled"]]
    assert [test.run(lambda ctx: workflows.forget(ctx, id)) for _ in range(2)] == [True, False]
    assert (status(test, id), steps(test, id)) == (None, [])
    # Nor does it try a step again.
    failing["gin"] = 99
    id = start(test, fulfil, {"order": "gin"})
    test.advance(0)
    test.run(lambda ctx: workflows.cancel(ctx, id))
    test.finish_all_scheduled_functions()
    assert (steps(test, id), ran.count("gin")) == ([["query", "success"], ["action", "canceled"]], 1)


def test_what_is_over_goes_after_a_week(test: ConvexTest) -> None:
    old = start(test, many, {"orders": []})
    test.advance(8 * DAY)
    new = start(test, many, {"orders": []})
    test.advance(0)
    assert (status(test, old), status(test, new)["state"]) == (None, "success")


@workflows.define("shop:approval")
def approval(step: Step, rounds: int) -> Any:
    said = [step.wait_for("answer") for _ in range(rounds)]
    return [*said, step.wait_for("other"), step.now()]


def test_events_are_had_once_in_their_order_whenever_they_were_sent(test: ConvexTest) -> None:
    test.deployment.register(approval)
    id = start(test, approval, {"rounds": 3})

    def send(name: str, value: Any) -> Any:
        sent = test.run(lambda ctx: workflows.send(ctx, id, name, value))
        test.advance(SECOND)
        return sent

    sent = [send("answer", "early"), send("other", 0)]
    assert steps(test, id) == [["event", "success"], ["event", "running"]]
    sent += [send("answer", {"n": 2}), send("answer", 3)]
    assert sent == [True] * 4
    assert status(test, id)["result"] == ["early", {"n": 2}, 3, 0, VirtualClock().now + 3 * SECOND]
    assert send("answer", "late") is False
    id = start(test, approval, {"rounds": 1})
    send("never", 1)
    test.run(lambda ctx: (workflows.cancel(ctx, id), workflows.forget(ctx, id)))
    assert test.deployment.components["workflows"].table("events").count() == 0


@workflows.define("shop:patient")
def patient_one(step: Step) -> Any:
    said: list[Any] = []
    for timeout in (1000, timedelta(seconds=5)):
        try:
            said.append(step.wait_for("answer", timeout=timeout))
        except ConvexError as error:
            said.append([error.data, step.now()])
    return said


def test_an_event_is_waited_for_as_long_as_was_said(test: ConvexTest) -> None:
    test.deployment.register(patient_one)
    start_ms = test.clock.now
    id = start(test, patient_one, {})
    test.advance(1500)
    test.run(lambda ctx: workflows.send(ctx, id, "answer", "late"))
    test.finish_all_scheduled_functions()
    said = {"kind": "TimedOut", "step": 1, "event": "answer", "error": 'No event "answer" came within 1000 ms.'}
    assert status(test, id)["result"] == [[said, start_ms + 1000], "late"]
    # Nobody waits any more for the limit of what came in time.
    assert test.clock.now == start_ms + 1500
    assert steps(test, id) == [["event", "failed"], ["event", "success"]]
    with pytest.raises(SchedulingError, match="waits for an event so many milliseconds, or a timedelta, not '1 s'"):
        Step("w", {"journal": [], "changed": False, "started": 0, "id": "1"}, None).wait_for("a", timeout="1 s")  # type: ignore[arg-type]


@workflows.define("shop:week")
def week(step: Step, orders: list[Any], depth: int = 0) -> Any:
    if depth:
        return [step.run_workflow("shop:week", orders=orders, depth=depth - 1)]
    started = [step.start_workflow(fulfil, order=order) for order in orders]
    try:
        return [each.result()["paid"] for each in started]
    except ConvexError as error:
        return error.data


def test_a_workflow_is_a_step_of_another(test: ConvexTest) -> None:
    test.deployment.register(week)
    id = start(test, week, {"orders": ["a", "b"], "depth": 2}, on_complete=done)
    test.finish_all_scheduled_functions()
    (outer,) = status(test, id)["result"]
    assert outer == [["receipt for a", "receipt for b"]]
    assert steps(test, id) == [["workflow", "success"]]
    assert table(test, "told", "kind") == [["success"]]
    failing["bad"] = 99
    id = start(test, week, {"orders": ["bad"]})
    test.finish_all_scheduled_functions()
    failed = status(test, id)["result"]
    assert (failed["kind"], failed["step"], failed["function"]) == ("StepFailed", 1, "shop:fulfil")
    assert "busy" in failed["error"]
    (step,) = test.run(lambda ctx: workflows.steps(ctx, id))
    assert status(test, step["workflow"])["error"] == failed["error"]
    with pytest.raises(InvalidValueError, match="is no workflow"):
        Step("w", {"journal": [], "changed": False, "started": 0, "id": "1"}, None).run_workflow(charge)
    wrong = start(test, week, {"orders": [1]})
    test.finish_all_scheduled_functions()
    assert "ArgumentValidationError" in status(test, wrong)["result"]["error"]


def test_a_path_that_leads_to_no_workflow_is_refused(test: ConvexTest) -> None:
    @query("shop:anything")
    def anything(ctx: Any, **args: Any) -> int:
        return 5

    @workflows.define("shop:misled")
    def misled(step: Step) -> Any:
        try:
            return step.run_workflow("shop:anything")
        except ConvexError as error:
            return error.data["error"]

    test.deployment.register(anything, misled)
    id = start(test, misled, {})
    test.finish_all_scheduled_functions()
    assert '"shop:anything" is no workflow' in status(test, id)["result"]
    with pytest.raises(InvalidValueError, match='"shop:anything" is no workflow'):
        start(test, "shop:anything", {})


@pytest.mark.parametrize("which", ["the whole", "a child"])
def test_a_cancel_goes_down_and_is_heard_of_above(test: ConvexTest, which: str) -> None:
    test.deployment.register(week)
    id = start(test, week, {"orders": ["a", "b"], "depth": 1})
    test.advance(0)
    (inner,) = test.run(lambda ctx: workflows.steps(ctx, id))
    children = [each["workflow"] for each in test.run(lambda ctx: workflows.steps(ctx, inner["workflow"]))]
    assert test.run(lambda ctx: workflows.cancel(ctx, id if which == "the whole" else children[0])) is True
    test.advance(0)
    states = [status(test, each)["state"] for each in (id, inner["workflow"], *children)]
    if which == "the whole":
        assert states == ["canceled"] * 4
        assert steps(test, children[0]) == [["query", "success"], ["action", "success"], ["sleep", "canceled"]]
        now = test.clock.now
        test.finish_all_scheduled_functions()
        assert (test.clock.now, table(test, "shipped", "order")) == (now, [])
    else:
        assert states == ["success", "success", "canceled", "running"]
        assert status(test, id)["result"] == [
            {"kind": "StepFailed", "step": 1, "function": "shop:fulfil", "error": "It was canceled."}
        ]


calls: list[int] = []


def differing(step: Step, how: str) -> Any:
    calls.append(len(calls))
    order = f"tea {len(calls)}" if how == "args" else "tea"
    if how == "fewer" and len(calls) > 1:
        return None
    if how == "kind" and len(calls) > 1:
        step.sleep(1)
    try:
        step.run_action(charge, order=order)
    except Exception as error:
        return str(error)


AS_IT_WAS = "Its code is as it was: let it depend only on"


@pytest.mark.parametrize(
    ("how", "was"),
    [
        ("args", "was `run_action(shop:charge, order='tea 1')`, and is `run_action(shop:charge, order='tea 2')` now."),
        ("kind", "was `run_action(shop:charge, order='tea')`, and is `sleep(1)` now."),
        ("fewer", "was `run_action(shop:charge, order='tea')`, and is the end now."),
    ],
)
def test_a_handler_that_asks_for_something_else_is_told_which_step_differs(
    test: ConvexTest, how: str, was: str
) -> None:
    calls.clear()
    test.deployment.register(handler := workflows.define("shop:differing")(differing))
    id = start(test, handler, {"how": how})
    test.finish_all_scheduled_functions()
    assert status(test, id)["state"] == "failed"
    assert status(test, id)["error"].startswith(f'ConvexError: Step 1 of "shop:differing" {was} {AS_IT_WAS}')


def test_changed_code_is_named_and_what_failed_is_resumed_with_the_code_put_right(test: ConvexTest) -> None:
    id = start(test, fulfil, {"order": "tea"}, on_complete=done)
    test.advance(0)

    @workflows.define("shop:fulfil")
    def changed(step: Step, order: str, days: float = 1) -> Any:
        step.run_action(charge, order=order)

    test.deployment.register(changed)
    test.finish_all_scheduled_functions()
    assert status(test, id)["error"] == (
        'ConvexError: Step 1 of "shop:fulfil" was `run_query(shop:count)`, and is `run_action(shop:charge, '
        "order='tea')` now. Its code has been changed since it began: put it back and resume the workflow, and give "
        "what is new a path of its own. It was not run."
    )
    test.deployment.register(fulfil)
    assert [test.run(lambda ctx: workflows.resume(ctx, id)) for _ in range(2)] == [True, False]
    test.finish_all_scheduled_functions()
    assert (status(test, id)["state"], ran) == ("success", ["tea"])
    assert table(test, "told", "kind") == [["failed"], ["success"]]


def test_whoever_failed_for_one_that_is_resumed_waits_for_it_again(test: ConvexTest) -> None:
    @workflows.define("shop:inner")
    def inner(step: Step) -> Any:
        step.run_query(count)
        raise ValueError("boom")

    @workflows.define("shop:outer")
    def outer(step: Step, gives_up: bool, depth: int = 1) -> Any:
        if depth:
            return step.run_workflow("shop:outer", gives_up=gives_up, depth=depth - 1)
        started = [step.start_workflow("shop:inner"), step.start_workflow("shop:inner")]
        try:
            return [each.result() for each in started]
        except ConvexError:
            if gives_up:
                raise
            step.sleep(60_000)
            return "without"

    test.deployment.register(inner, outer)
    both = [start(test, outer, {"gives_up": gives_up}, on_complete=done) for gives_up in (True, False)]
    test.advance(0)
    (given_up,), (goes_on,) = ([each["workflow"] for each in test.run(partial(workflows.steps, id=id))] for id in both)
    assert [status(test, each)["state"] for each in both] == ["failed", "running"]

    @workflows.define("shop:inner")
    def mended(step: Step) -> Any:
        step.run_query(count)
        return "mended"

    test.deployment.register(mended)
    for parent in (given_up, goes_on):
        first, second, *_ = [each["workflow"] for each in test.run(partial(workflows.steps, id=parent))]
        assert test.run(partial(workflows.resume, id=first)) is True
        test.advance(0)
        # The other one has failed as well.
        assert [status(test, each)["state"] for each in (first, second)] == ["success", "failed"]
        assert test.run(partial(workflows.resume, id=second)) is True
    test.finish_all_scheduled_functions()
    assert [status(test, each)["result"] for each in both] == [["mended", "mended"], "without"]
    assert table(test, "told", "kind") == [["failed"], ["failed"], ["success"], ["success"]]


def test_one_that_catches_everything_waits_all_the_same(test: ConvexTest) -> None:
    @workflows.define("shop:greedy")
    def greedy(step: Step) -> Any:
        with suppress(BaseException):
            step.sleep(HOUR)
        try:
            return step.run_action(charge, order="tea")
        finally:
            ran.append("finally")

    test.deployment.register(greedy)
    id = start(test, greedy, {})
    test.advance(0)
    assert (status(test, id)["state"], "tea" in ran) == ("running", False)
    test.finish_all_scheduled_functions()
    assert (status(test, id)["result"], ran.count("tea")) == ("receipt for tea", 1)


def test_functions_that_are_not_defined_yet_are_waited_for(test: ConvexTest) -> None:
    id = start(test, fulfil, {"order": "tea", "days": 0}, on_complete=done)
    test.deployment.unregister("shop:fulfil", "shop:done")
    test.advance(0)
    assert status(test, id)["error"] == 'It waits until "shop:fulfil" is defined.'
    test.deployment.register(fulfil)
    test.advance(60 * SECOND)
    assert status(test, id)["state"] == "success"
    test.deployment.register(done)
    test.finish_all_scheduled_functions()
    assert table(test, "told", "kind") == [["success"]]

    @workflows.define("shop:by_path")
    def by_path(step: Step) -> Any:
        return [step.run_action("shop:charge", order="a"), step.run_mutation("shop:later")]

    @mutation("shop:later")
    def later(ctx: Any) -> str:
        return "now"

    test.deployment.register(by_path)
    id = start(test, by_path, {})
    test.advance(0)
    assert status(test, id)["error"] == 'It waits until "shop:later" is defined.'
    assert steps(test, id) == [["action", "success"]]
    test.deployment.register(later)
    test.finish_all_scheduled_functions()
    assert status(test, id) == {"state": "success", "result": ["receipt for a", "now"], "error": None}


@workflows.define("shop:mistaken")
def mistaken(step: Any) -> Any:
    return step.db


def test_a_mistake_is_told_with_its_line(test: ConvexTest) -> None:
    test.deployment.register(mistaken)
    id = start(test, mistaken, {})
    test.advance(0)
    error = status(test, id)["error"]
    assert error.startswith("AttributeError: A workflow's `step` has no 'db': it reads, writes and waits by")
    assert error.endswith(f"(mistaken, line {inspect.unwrap(mistaken.handler).__code__.co_firstlineno + 2})")


def test_what_cannot_be_started_is_refused(test: ConvexTest) -> None:
    with pytest.raises(InvalidValueError, match=r"start it, `workflows.start\(ctx, fulfil"):
        test.query(fulfil, order="tea")
    with pytest.raises(InvalidValueError, match="is no workflow"):
        start(test, charge, {"order": "tea"})
    with pytest.raises(ArgumentValidationError, match="order"):
        start(test, fulfil, {"orders": "tea"})
    with pytest.raises(FunctionNotFoundError):
        start(test, "shop:nothing", {})
    with pytest.raises(SchemaDefinitionError, match="plain `def`"):
        workflows.define(charge)
    with pytest.raises(SchemaDefinitionError, match="use themselves"):
        workflows.define(lambda step, workflow: None)


@mutation("program:put")
def put(ctx: Any, n: int) -> int:
    ctx.db.insert("rows", {"n": n})
    return n


@action("program:act")
def run_put(ctx: Any, n: int) -> int:
    ran.append(str(n))
    if ctx.random.random() < 0.3:
        raise ConvexError("busy")
    return int(ctx.run_mutation(put, n=n))


patient = Workflows(retry={"max_attempts": 50, "initial_backoff": 10, "base": 1.1})


@patient.define("program:interpret")
def interpret(step: Step, program: list[list[Any]]) -> Any:
    results: list[Any] = []
    for kind, numbers in program:
        if kind == "sleep":
            step.sleep(numbers[0])
        elif kind == "one":
            results += [step.run_mutation(put, n=n) for n in numbers]
        elif kind == "inside":
            results += step.run_workflow(interpret, program=[["one", numbers], ["late", [5]]])
        elif kind == "late":
            with suppress(ConvexError):
                results += step.wait_for("never", timeout=numbers[0])
        else:
            started = [step.start_action(run_put, n=n) for n in numbers]
            results += [each.result() for each in reversed(started)]
    return results


@mutation("program:begin")
def begin(ctx: Any, program: list[Any]) -> str:
    return patient.start(ctx, interpret, program=program)


@pytest.mark.parametrize("seed", range(3))
def test_any_program_comes_to_the_same_end_however_often_it_is_closed_on_the_way(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    numbers = iter(range(100))
    program: list[list[Any]] = []
    for _ in range(6):
        kind = chance.choice(["sleep", "one", "together", "inside", "late"])
        many = 1 if kind in ("sleep", "late") else chance.randrange(4)
        program.append([kind, [next(numbers) for _ in range(many)]])
    expected = [
        n for kind, ns in program if kind not in ("sleep", "late") for n in (ns[::-1] if kind == "together" else ns)
    ]
    clock = VirtualClock()
    id = None
    for _ in range(500):
        with convex_nb.open(tmp_path / "a.convex", clock=clock) as dep:
            dep.use(Workflows.definition)
            dep.register(put, run_put, interpret, begin)
            id = id or dep.mutation(begin, program=program)
            for _ in range(chance.randrange(5)):
                clock.advance(chance.randrange(20))
            state = dep.components["workflows"].query("status", id=id)
            if state["state"] != "running":
                break
    assert state == {"state": "success", "result": expected, "error": None}
    with convex_nb.open(tmp_path / "a.convex") as dep:
        assert sorted(dep.table("rows").df()["n"] if expected else []) == sorted(expected)


KILLED = """
import os, signal, sys
import convex_nb
from convex_nb import action, mutation, query
from convex_nb.stock import Workflows

workflows = Workflows(retry=True)

dying_in = None

def killed(where):
    if where == dying_in:
        signal.raise_signal(signal.SIGKILL)

@mutation("w:write")
def write(ctx, name):
    ctx.db.insert("written", {"name": name})
    if name == "two":
        killed("mutation")

@action("w:act")
def act(ctx):
    killed("action")
    ctx.run_mutation(write, name="act")
    return 5

@query("w:names")
def names(ctx):
    found = [each["name"] for each in ctx.db.query("written").collect()]
    if len(found) == 3:
        killed("query")
    return found

@workflows.define("w:flow")
def flow(step):
    step.run_mutation(write, name="one")
    n = step.run_action(act)
    step.run_mutation(write, name="two")
    if len(step.run_query(names)) == 3:
        killed("handler")
    step.sleep(1)
    return n + len(step.run_query(names))

@mutation("w:done")
def done(ctx, id, context, outcome):
    ctx.db.insert("told", outcome)

@mutation("w:begin")
def begin(ctx):
    return workflows.start(ctx, flow, on_complete=done)

FUNCTIONS = write, act, names, flow, done, begin
"""
BEGIN = """
import time
for dying_in in sys.argv[2:]:
    child = os.fork()
    if not child:
        dep = convex_nb.open(f"{sys.argv[1]}/{dying_in}.convex")
        dep.use(Workflows.definition)
        dep.register(*FUNCTIONS)
        dep.mutation(begin)
        time.sleep(30)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_it_goes_on_wherever_the_process_was_killed(tmp_path: Path) -> None:
    places = ("mutation", "action", "query", "handler")
    subprocess.run([sys.executable, "-c", KILLED + BEGIN, str(tmp_path), *places], timeout=60, check=True)
    names: dict[str, Any] = {}
    exec(KILLED, names)
    for place in places:
        clock = VirtualClock(time.time() * 1000)
        with convex_nb.open(tmp_path / f"{place}.convex", clock=clock) as dep:
            dep.use(Workflows.definition)
            dep.register(*names["FUNCTIONS"])
            clock.advance(120 * SECOND)
            assert sorted(dep.table("written").df()["name"]) == ["act", "one", "two"], place
            assert dep.table("told").df()[["kind", "result"]].to_numpy().tolist() == [["success", 8]], place
