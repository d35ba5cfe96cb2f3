from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import ConvexError, FunctionNotFoundError, InvalidValueError, action, components, mutation
from convex_nb.stock import ActionRetrier
from convex_nb.testing import ConvexTest

failures = {"left": 0}
runs: list[float] = []


@action("mail:send")
def send(ctx: Any, to: str) -> str:
    runs.append(ctx.now())
    if failures["left"]:
        failures["left"] -= 1
        raise ConvexError("busy")
    return f"sent to {to}"


@mutation("mail:sent")
def sent(ctx: Any, id: str, context: Any, outcome: Any) -> None:
    ctx.db.insert("sent", {"id": id, "context": context, "outcome": outcome})


retrier = ActionRetrier(components.workpool, max_attempts=4, initial_backoff=1000, base=10)


@mutation
def order(ctx: Any, fails: bool = False) -> str:
    id = retrier.run(ctx, send, to="ada", on_complete=sent, context={"n": 1})
    if fails:
        raise ConvexError("no")
    return id


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    runs.clear()
    failures["left"] = 0
    with ConvexTest() as test:
        test.register_component(ActionRetrier.definition)
        test.deployment.register(send, sent, order)
        yield test


def status(test: ConvexTest, id: str) -> Any:
    return test.run(lambda ctx: retrier.status(ctx, id))


def told(test: ConvexTest, field: str = "outcome") -> Any:
    return test.run(lambda ctx: [each[field] for each in ctx.db.query("sent").collect()])


def test_it_is_tried_until_it_succeeds_after_waits_that_grow(test: ConvexTest) -> None:
    failures["left"] = 2
    id = test.mutation(order)
    assert status(test, id) == {"state": "pending", "failures": 0, "result": None, "error": None}
    test.advance(0)
    assert status(test, id) == {"state": "pending", "failures": 1, "result": None, "error": "ConvexError: busy"}
    test.finish_all_scheduled_functions()
    assert status(test, id) == {"state": "success", "failures": 2, "result": "sent to ada", "error": None}
    assert 500 <= runs[1] - runs[0] <= 1500
    assert 5000 <= runs[2] - runs[1] <= 15_000
    assert told(test) == [{"kind": "success", "result": "sent to ada"}]
    assert (told(test, "id"), told(test, "context")) == ([id], [{"n": 1}])
    # Nobody looks after what is over.
    assert test.clock.now == runs[2]


def test_it_gives_up_and_says_why(test: ConvexTest) -> None:
    failures["left"] = 99
    id = test.mutation(order)
    test.finish_all_scheduled_functions()
    assert len(runs) == 4
    assert status(test, id) == {"state": "failed", "failures": 4, "result": None, "error": "ConvexError: busy"}
    assert told(test) == [{"kind": "failed", "error": "ConvexError: busy"}]


def test_a_canceled_one_makes_no_further_attempt_and_is_forgotten_on_request(test: ConvexTest) -> None:
    failures["left"] = 99
    id = test.mutation(order)
    test.advance(0)
    assert [test.run(lambda ctx: retrier.cancel(ctx, id)) for _ in range(2)] == [True, False]
    test.finish_all_scheduled_functions()
    assert (len(runs), status(test, id)["state"], told(test)) == (1, "canceled", [{"kind": "canceled"}])
    assert [test.run(lambda ctx: retrier.forget(ctx, id)) for _ in range(2)] == [True, False]
    assert status(test, id) is None


def test_it_is_a_part_of_the_callers_transaction(test: ConvexTest) -> None:
    with pytest.raises(ConvexError, match="no"):
        test.mutation(order, fails=True)
    test.finish_all_scheduled_functions()
    assert (runs, told(test)) == ([], [])


def test_what_cannot_be_retried_is_refused(test: ConvexTest) -> None:
    with pytest.raises(FunctionNotFoundError, match="is no action"):
        test.run(lambda ctx: retrier.run(ctx, sent))
    with pytest.raises(FunctionNotFoundError, match="is no mutation"):
        test.run(lambda ctx: retrier.run(ctx, send, to="ada", on_complete=send))
    with pytest.raises(FunctionNotFoundError):
        test.run(lambda ctx: retrier.run(ctx, "mail:sendd", to="ada"))
    with pytest.raises(InvalidValueError, match="max_attempts"):
        ActionRetrier(max_attempts=0)
