from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from convex_nb import Deployment, QueryCtx, define_schema, define_table, mutation, query, v
from convex_nb.functions import cache
from convex_nb.functions.cache import weigh
from convex_nb.functions.definition import Function
from convex_nb.testing import ConvexTest
from tests.functions.apps import SCHEMA, add_task, add_to_counter, finish_task, open_app
from tests.until import maintained


def counted() -> tuple[Function, list[Any]]:
    runs: list[Any] = []

    @query("tasks:counted")
    def of_done(ctx: QueryCtx, done: Any = False, **others: Any) -> Any:
        runs.append(done)
        return len(ctx.db.query("tasks").with_index("by_done", done=done).collect())

    return of_done, runs


def test_an_answer_holds_until_a_commit_touches_what_it_read() -> None:
    function, runs = counted()
    with open_app() as dep:
        assert [dep.query(function) for _ in range(3)] == [0, 0, 0]
        assert len(runs) == 1
        dep.mutation(add_to_counter, name="n")
        dep.mutation(add_task, text="a", done=True)
        assert dep.query(function) == 0
        assert len(runs) == 1
        id = dep.mutation(add_task, text="a")
        assert dep.query(function) == 1
        dep.mutation(finish_task, id=id)
        assert dep.query(function) == 0
        assert len(runs) == 3


def test_arguments_are_told_apart_exactly() -> None:
    function, runs = counted()
    values: list[Any] = [1, 1.0, True, 0.0, -0.0, "1", [1], [1.0], {"a": 1}, {"a": True}, None, float("nan")]
    with open_app() as dep:
        for _ in range(2):
            for value in values:
                dep.query(function, done=value)
        assert len(runs) == len(values)


def test_errors_are_not_kept_and_neither_is_what_looks_at_the_clock() -> None:
    runs: list[None] = []

    @query
    def fails(ctx: QueryCtx) -> None:
        runs.append(None)
        raise ValueError("no")

    @query
    def tells_time(ctx: QueryCtx) -> float:
        return ctx.now()

    with ConvexTest(SCHEMA) as test:
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                test.query(fails)
        assert len(runs) == 2
        before = test.query(tells_time)
        test.advance(7)
        assert test.query(tells_time) == before + 7


def test_new_code_asks_anew() -> None:
    with open_app() as dep:
        dep.register(query("m:f")(lambda ctx: 1))
        assert dep.query("m:f") == 1
        dep.register(query("m:f")(lambda ctx: 2))
        assert dep.query("m:f") == 2


def test_the_least_recently_used_answers_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    function, runs = counted()
    with open_app() as dep:
        monkeypatch.setattr(dep._cache, "_most_entries", 3)
        for done in ("a", "b", "c", "a", "d"):
            dep.query(function, done=done)
        assert len(dep._cache) == 3
        runs.clear()
        for done in ("a", "c", "d", "b"):
            dep.query(function, done=done)
        assert runs == ["b"]
        dep.check()


def test_the_cache_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    large = query("m:large")(lambda ctx, n: "x" * 1000)
    with open_app() as dep:
        monkeypatch.setattr(dep._cache, "_most_bytes", 5000)
        for n in range(20):
            dep.query(large, n=n)
        assert 0 < dep.statistics().cache.nbytes <= 5000
        monkeypatch.setattr(dep._cache, "_most_bytes", 1000)
        assert dep.query(large, n=100) == "x" * 1000
        dep.check()


def test_an_answer_that_many_commits_are_younger_than_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    function, runs = counted()
    monkeypatch.setattr(cache, "_FAR", 3)
    with open_app() as dep:
        dep.query(function)
        for _ in range(5):
            dep.mutation(add_to_counter, name="n")
        assert dep.query(function) == 0
        assert len(runs) == 2


def test_a_push_between_two_questions_asks_anew() -> None:
    function, runs = counted()
    with open_app() as dep:
        dep.query(function)
        other = SCHEMA.tables["tasks"].index("by_text", ["text"])
        dep.push(type(SCHEMA)({**SCHEMA.tables, "tasks": other}, SCHEMA.schema_validation))
        dep.mutation(add_task, text="a")
        assert dep.query(function) == 1
        assert len(runs) == 2


def test_commits_from_before_a_push_that_reorders_indexes_count() -> None:
    function, runs = counted()
    with open_app() as dep:
        assert dep.query(function) == 0
        dep.mutation(add_task, text="a")
        tasks = define_table({"text": v.string(), "done": v.boolean()}).index("by_text", ["text"])
        dep.push(define_schema({"tasks": tasks.index("by_done", ["done"])}))
        assert dep.query(function) == 1
        assert len(runs) == 2


def test_a_question_about_an_older_moment_is_not_answered_with_a_newer_one() -> None:
    function, _ = counted()
    with open_app() as dep:
        before = dep._database.head
        dep.mutation(add_task, text="a")
        assert dep.query(function) == 1
        entry = dep._registry.find(function, "query")
        assert dep._cache.fetch(entry, {}, before).value == 0
        assert dep.query(function) == 1


def test_a_kept_answer_does_not_keep_the_state_it_was_read_from() -> None:
    function, _ = counted()
    with open_app() as dep:
        dep.mutation(add_task, text="first")
        dep.query(function)
        state = weakref.ref(dep._database.head.tables["tasks"].live[0])
        dep._database.history.retention = 0
        for n in range(3):
            dep.mutation(add_task, text=str(n))
        maintained(dep._database)
        gc.collect()
        assert state() is None


def figures(dep: Deployment) -> tuple[int, int, int]:
    statistics = dep.statistics().cache
    return statistics.entries, statistics.hits, statistics.misses


def test_figures() -> None:
    with open_app() as dep:
        assert figures(dep) == (0, 0, 0)
        dep.query("tasks:list")
        dep.query("tasks:list")
        dep.query("tasks:list", done=True)
        assert figures(dep) == (2, 1, 2)
        dep.mutation(mutation(lambda ctx: ctx.run_query("tasks:list")))
        assert figures(dep) == (2, 1, 2)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (None, 1, 100),
        ("x" * 1000, 1000, 1100),
        ([{"a": "x" * 100}] * 10_000, 1_000_000, 10_000_000),
        ({"page": [{"a": "x" * 100}] * 10_000}, 1_000_000, 10_000_000),
    ],
)
def test_the_weight_of_a_value_is_about_right(value: Any, least: int, most: int) -> None:
    assert least <= weigh(value) <= most
