from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings

import convex_nb
from convex_nb import (
    DeploymentClosedError,
    HistoryError,
    MutationCtx,
    QueryCtx,
    SchemaValidationError,
    define_schema,
    define_table,
    mutation,
    query,
    v,
)
from tests.deployment.data.test_feed import STEPS, documents, take

SCHEMA = define_schema({"tasks": define_table({"text": v.string()}).index("by_text", ["text"])})


@query("tasks:all")
def all_tasks(ctx: QueryCtx) -> Any:
    return [task["text"] for task in ctx.db.query("tasks").with_index("by_text").collect()]


@mutation("tasks:add")
def add(ctx: MutationCtx, text: str) -> Any:
    return ctx.db.insert("tasks", {"text": text})


def test_a_fork_has_everything_and_gives_nothing_back(tmp_path: Path) -> None:
    with convex_nb.open(tmp_path / "a.convex") as dep:
        dep.push(SCHEMA)
        dep.register(all_tasks, add)
        first = dep.mutation("tasks:add", text="one")
        seen: list[Any] = []
        dep.subscribe("tasks:all", {}, seen.append)
        with dep.fork() as fork:
            assert fork.path is None
            assert dict(fork.functions) == dict(dep.functions)
            assert fork.query("tasks:all") == ["one"]
            fork.mutation("tasks:add", text="two")
            fork.mutation(add, text="three")
            fork.transact(lambda db: db.patch(first, {"text": "changed"}))
            with pytest.raises(SchemaValidationError):
                fork.transact(lambda db: db.insert("tasks", {"text": 1}))
            dep.mutation(add, text="four")
            assert fork.query(all_tasks) == ["changed", "three", "two"]
            assert dep.query(all_tasks) == ["four", "one"]
            fork.check()
            dep.check()
            fork.push(define_schema({}))
            assert dep.schema == SCHEMA
        assert seen == [["one"], ["four", "one"]]
        with pytest.raises(DeploymentClosedError):
            fork.query("tasks:all")
        assert dep.query("tasks:all") == ["four", "one"]


@settings(max_examples=15)
@given(STEPS, STEPS, STEPS)
def test_the_two_go_their_own_ways(before: Any, here: Any, there: Any) -> None:
    with convex_nb.open() as dep, convex_nb.open() as alone:
        for step in before:
            take(dep, step)
        with dep.fork() as fork:
            old = documents(dep)
            assert documents(fork) == old
            for step in there:
                take(fork, step)
            assert documents(dep) == old
            changed = documents(fork)
            for step in here:
                take(dep, step)
            assert documents(fork) == changed
            dep.check()
            fork.check()
        assert documents(alone) == {}


def test_a_fork_of_a_fork_shares_columns() -> None:
    with convex_nb.open() as dep:
        dep.import_table("t", pa.table({"n": range(1000)}))
        with dep.fork() as one, one.fork() as two:
            two.transact(lambda db: db.insert("t", {"n": -1}))
            assert [each.table("t").count() for each in (dep, one, two)] == [1000, 1000, 1001]
            shared = {id(part.segment) for part in dep._database.head.tables["t"].parts}
            assert {id(part.segment) for part in two._database.head.tables["t"].parts} == shared


def test_what_is_scheduled_is_not_done_twice() -> None:
    with convex_nb.open() as dep:
        dep.register(add)

        @mutation("later")
        def later(ctx: MutationCtx) -> None:
            ctx.scheduler.run_after(3_600_000, add, {"text": "x"})

        dep.register(later)
        dep.mutation("later")
        with dep.fork() as fork:
            assert len(dep.transact(lambda db: db.system.query("_scheduled_functions").collect())) == 1
            assert fork.transact(lambda db: db.system.query("_scheduled_functions").collect()) == []


def test_there_is_nothing_before_a_fork() -> None:
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("tasks", {}))
        earlier = dep.timestamp
        dep.transact(lambda db: db.insert("tasks", {}))
        with dep.fork() as fork:
            for ask in (fork.at, fork.changes):
                with pytest.raises(
                    HistoryError, match=r"past of this deployment begins .*, when it was made"
                ) as caught:
                    ask(earlier)
                assert "retention" not in str(caught.value)
