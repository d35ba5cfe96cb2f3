from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    FunctionNotFoundError,
    QueryCtx,
    SchemaDefinitionError,
    api,
    internal,
    internal_query,
    mutation,
    query,
)
from convex_nb.functions.definition import Function
from tests.functions.apps import add_task, list_tasks, open_app

NAMESPACE: dict[str, Any] = {"__name__": "cells"}


def returning(value: Any, name: str = "answer", path: str | None = None) -> Function:
    """A function as a cell makes it: compiled anew each time, in one namespace."""
    exec(f"def {name}(ctx):\n    return {value!r}", NAMESPACE)
    return query(path)(NAMESPACE[name])


@pytest.mark.parametrize(
    "target",
    [
        "tasks:list",
        "tasks.py:list",
        "api.tasks.list",
        list_tasks,
        api.tasks.list,
    ],
)
def test_every_way_to_name_a_function(target: Any) -> None:
    with open_app() as dep:
        assert dep.query(target, {"done": True}) == []
        assert dep.query(target, done=True) == []


@pytest.mark.parametrize(
    ("target", "says", "near"),
    [
        ("tasks:lst", 'Did you mean "tasks:list"', ("tasks:list",)),
        ("list", 'Did you mean "tasks:list"', ("tasks:list",)),
        ("zzz", "Has its cell been run", ()),
        (api.tasks.lst, 'Did you mean "tasks:list"', ("tasks:list",)),
        ("tasks:add", "is a mutation, not a query", ()),
        (add_task, "is a mutation, not a query", ()),
        (5, "5 is no function", ()),
        (None, "None is no function", ()),
        (len, "is no function", ()),
    ],
)
def test_what_is_not_there_is_named_with_what_is_near(target: Any, says: str, near: tuple[str, ...]) -> None:
    with open_app() as dep:
        with pytest.raises(FunctionNotFoundError, match=says) as raised:
            dep.query(target)
        assert set(near) <= set(raised.value.available)


def test_an_empty_registry_says_how_to_fill_it() -> None:
    with convex_nb.open() as dep, pytest.raises(FunctionNotFoundError, match="run the cell"):
        dep.query("tasks:list")


def test_api_lists_public_functions_and_internal_the_others() -> None:
    @internal_query("tasks:secret")
    def secret(ctx: QueryCtx) -> int:
        return 1

    with open_app() as dep:
        dep.register(secret)
        assert dep.query(internal.tasks.secret) == 1
        with pytest.raises(FunctionNotFoundError, match=r"write `internal\.tasks\.secret`"):
            dep.query(api.tasks.secret)
        with pytest.raises(FunctionNotFoundError, match=r"write `api\.tasks\.list`"):
            dep.query(internal.tasks.list)


def test_the_same_code_again_changes_nothing_and_new_code_replaces_it() -> None:
    with convex_nb.open() as dep:
        assert dep.register(returning(1), module="m") == {"m:answer"}
        assert dep.register(returning(1), module="m") == frozenset()
        assert dep.query("m:answer") == 1
        assert dep.register(returning(2), module="m") == {"m:answer"}
        assert dep.query("m:answer") == 2
        assert dep.unregister("m.py:answer", "nobody") == {"m:answer"}
        with pytest.raises(FunctionNotFoundError):
            dep.query("m:answer")


def test_an_unchanged_redefinition_may_be_called_by_either_object() -> None:
    first, second = returning(1), returning(1)
    with convex_nb.open() as dep:
        dep.register(first)
        dep.register(second)
        assert dep.query(first) == dep.query(second) == dep.query("answer") == 1
        assert dep.functions["answer"] is second
        assert list(dep.functions) == ["answer"]


def test_registration_is_all_or_nothing() -> None:
    with convex_nb.open() as dep:
        for bad in (lambda ctx: 1, 5, query(lambda ctx: 1), returning(2, path="m:answer")):
            with pytest.raises(SchemaDefinitionError):
                dep.register(returning(1), bad, module="m")  # type: ignore[arg-type]
            assert list(dep.functions) == []


def test_a_function_that_is_handed_in_is_registered_there() -> None:
    function = returning(1)
    with convex_nb.open() as one, convex_nb.open() as other:
        assert one.query(function) == 1
        assert list(one.functions) == ["answer"]
        assert list(other.functions) == []
        assert other.query(function) == 1
        assert one.query("answer") == other.query("answer") == 1


def test_a_registered_path_survives_the_function_being_handed_in() -> None:
    function = returning(1)
    with convex_nb.open() as dep:
        dep.register(function, module="m")
        assert dep.query(function) == 1
        assert list(dep.functions) == ["m:answer"]


def test_functions_of_one_name_from_two_modules_do_not_hide_each_other() -> None:
    def of_module(module: str, value: int) -> Function:
        namespace: dict[str, Any] = {"__name__": module}
        exec(f"def answer(ctx):\n    return {value}", namespace)
        return Function(namespace["answer"], "query")

    one, two = of_module("app.one", 1), of_module("app.two", 2)
    with convex_nb.open() as dep:
        assert [dep.query(one), dep.query(two), dep.query(one)] == [1, 2, 1]
        assert list(dep.functions) == ["answer", "app/two:answer"]


def make(value: int) -> Function:
    @query
    def made(ctx: QueryCtx) -> int:
        return value

    return made


def test_closures_of_one_definition_are_different_functions() -> None:
    one, two = make(1), make(2)
    with convex_nb.open() as dep:
        subscriptions = [dep.subscribe(each, {}, lambda value: None) for each in (one, two)]
        assert [dep.query(one), dep.query(two), dep.query(one)] == [1, 2, 1]
        assert [each.value for each in subscriptions] == [1, 2]
        dep.register(make(3))
        assert dep.query("made") == 3
        # The first had the path, so it moves to the new code; the second never had it.
        assert [each.value for each in subscriptions] == [3, 2]


def test_a_lambda_runs_without_a_place_in_the_registry() -> None:
    with open_app() as dep:
        before = list(dep.functions)
        add = mutation(lambda ctx, text: ctx.db.insert("tasks", {"text": text, "done": False}))
        dep.mutation(add, text="a")
        assert dep.query(query(lambda ctx: ctx.db.query("tasks").count())) == 1
        assert list(dep.functions) == before


def test_functions_are_shown_with_their_signatures() -> None:
    with open_app() as dep:
        text = repr(dep.functions)
        assert "public mutation tasks:add(text: str, done: bool = False)" in text.splitlines()
        assert dep.functions["tasks.py:list"] is list_tasks
        assert "nobody" not in dep.functions


def test_a_function_does_not_keep_a_deployment_that_is_gone() -> None:
    function = returning(1)
    with convex_nb.open() as dep:
        assert dep.query(function) == 1
        gone = weakref.ref(dep._database)
    del dep
    gc.collect()
    assert gone() is None
    with convex_nb.open() as dep:
        assert dep.query(function) == 1
