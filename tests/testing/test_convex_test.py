from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from convex_nb import DeploymentClosedError, InvalidValueError, MutationCtx, action, mutation, query
from convex_nb.testing import ConvexTest, VirtualClock, strategies
from tests.functions.apps import SCHEMA, add_task, list_tasks


def test_a_test_has_a_deployment_of_its_own() -> None:
    with ConvexTest(SCHEMA) as one, ConvexTest() as other:
        id = one.mutation(add_task, text="a")
        assert [task["_id"] for task in one.query(list_tasks)] == [id]
        assert other.run(lambda ctx: ctx.db.query("tasks").count()) == 0
        assert (one.deployment.schema, other.deployment.schema) == (SCHEMA, None)
    with pytest.raises(DeploymentClosedError):
        one.query(list_tasks)


def test_data_are_arranged_and_looked_at_in_a_transaction() -> None:
    def arrange(ctx: MutationCtx) -> Any:
        id = ctx.db.insert("tasks", {"text": "a", "done": True})
        return ctx.run_query(list_tasks, done=True)[0]["_id"] == id

    with ConvexTest(SCHEMA) as test:
        assert test.run(arrange) is True
        with pytest.raises(ZeroDivisionError):
            test.run(lambda ctx: [ctx.db.insert("tasks", {"text": "b", "done": True}), 1 / 0])
        assert len(test.query(list_tasks, done=True)) == 1
        assert "run" not in test.deployment.functions


def test_files_are_arranged_and_looked_at() -> None:
    def look(ctx: Any) -> Any:
        return bytes(ctx.storage.get(id)), ctx.db.system.get("_storage", id)["size"]

    with ConvexTest() as test:
        id = test.run(lambda ctx: ctx.storage.store(b"hello", content_type="text/plain"))
        assert test.run(look) == [b"hello", 5]
        assert test.run(lambda ctx: ctx.db.insert("posts", {"file": ctx.storage.store(b"more")}))
        assert len(test.deployment.files) == 2
        test.run(lambda ctx: ctx.storage.delete(id))
        assert test.run(lambda ctx: ctx.storage.get(id)) is None


def test_an_action_is_called_as_queries_and_mutations_are() -> None:
    twice = action(lambda ctx, text: [ctx.run_mutation(add_task, text=text) for _ in range(2)])
    with ConvexTest(SCHEMA) as test:
        ids = test.action(twice, text="a")
        assert [task["_id"] for task in test.query(list_tasks)] == ids


def test_time_moves_when_the_test_says_so() -> None:
    now = query(lambda ctx: ctx.now())
    with ConvexTest(clock=VirtualClock(1000.0)) as test:
        assert test.query(now) == 1000.0
        test.advance(250)
        assert test.query(now) == test.clock.now == 1250.0
        test.advance(-1000)
        assert test.mutation(mutation(lambda ctx: ctx.now())) == 250.0


def test_a_virtual_clock() -> None:
    clock = VirtualClock(1.5)
    assert (clock.now, clock.now_ns(), repr(clock)) == (1.5, 1_500_000, "VirtualClock(1.5)")
    clock.advance(0.000001)
    assert clock.now_ns() == 1_500_001
    assert VirtualClock().now == VirtualClock().now


def test_strategies_are_there_when_they_are_asked_for() -> None:
    assert strategies.__name__ == "convex_nb.testing.strategies"


def test_how_far_a_clock_is_moved() -> None:
    clock = VirtualClock(1000)
    clock.advance(timedelta(seconds=2))
    assert clock.now == 3000
    for given in ("5", None, float("nan"), float("inf"), True):
        with pytest.raises(InvalidValueError, match="The clock stands"):
            clock.advance(given)  # type: ignore[arg-type]
    assert clock.now == 3000
