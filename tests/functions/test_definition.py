from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    DeploymentClosedError,
    Id,
    Int64,
    InvalidValueError,
    QueryCtx,
    SchemaDefinitionError,
    internal_mutation,
    internal_query,
    mutation,
    query,
    set_current,
    v,
)
from convex_nb.functions.definition import Function
from tests.functions.apps import open_app

TaskId: Any = Id.__class_getitem__("tasks")


def test_both_forms_of_the_decorators() -> None:
    @query
    def plain(ctx: QueryCtx) -> None: ...

    @mutation("m:named")
    def by_position(ctx: QueryCtx) -> None: ...

    @internal_query(path="m:hidden", returns=v.null())
    def by_keyword(ctx: QueryCtx) -> None: ...

    @internal_mutation()
    def empty(ctx: QueryCtx) -> None: ...

    assert [(f.kind, f.visibility, f.path) for f in (plain, by_position, by_keyword, empty)] == [
        ("query", "public", None),
        ("mutation", "public", "m:named"),
        ("query", "internal", "m:hidden"),
        ("mutation", "internal", None),
    ]
    assert by_keyword.returns == v.null()
    assert plain.__name__ == "plain"


def test_annotations_are_validators_and_the_signature_is_shown() -> None:
    @query
    def every(
        ctx: QueryCtx,
        text: str,
        id: TaskId,
        big: Int64,
        n: int = 3,
        many: list[float] | None = None,
        mood: str = "fine",
    ) -> None:
        """What it does."""

    assert every.args == v.object(
        {
            "text": v.string(),
            "id": v.id("tasks"),
            "big": v.int64(),
            "n": every.args.fields["n"],  # type: ignore[attr-defined]
            "many": v.optional(v.nullable(v.array(v.number()))),
            "mood": v.optional(v.string()),
        }
    )
    assert every.args.fields["n"].is_optional  # type: ignore[attr-defined]
    assert every.__doc__ == "What it does."
    assert list(inspect.signature(every).parameters) == ["text", "id", "big", "n", "many", "mood"]
    assert every.signature.startswith("(text: str, ")
    assert every.signature == (
        "(text: str, id: TaskId, big: Int64, n: int = 3, many: list[float] | None = None, mood: str = 'fine')"
    )
    assert every.source is not None
    assert "def every" in every.source


async def asynchronous(ctx: QueryCtx) -> None: ...


def generator(ctx: QueryCtx) -> Any:
    yield 1


def no_context() -> None: ...


def only_keywords(*, ctx: QueryCtx) -> None: ...


def star(*ctx: QueryCtx) -> None: ...


def positional_only(ctx: QueryCtx, a: str, /) -> None: ...


def odd_annotation(ctx: QueryCtx, when: complex) -> None: ...


def one(ctx: QueryCtx, a: str) -> None: ...


def with_default(ctx: QueryCtx, a: str = "") -> None: ...


@pytest.mark.parametrize(
    ("handler", "options", "says"),
    [
        (asynchronous, {}, "async def"),
        (generator, {}, "generator"),
        (no_context, {}, "ctx"),
        (only_keywords, {}, "ctx"),
        (star, {}, "args"),
        (positional_only, {}, "`a`"),
        (odd_annotation, {}, "`when`"),
        (int, {}, "ctx"),
        (5, {}, "ctx"),
        (one, {"args": {}}, "`a` that has no validator"),
        (one, {"args": {"a": v.optional(v.string())}}, "`a` that is optional"),
        (one, {"args": {"a": v.string(), "b": v.string()}}, "`b`"),
        (one, {"args": {"a": str}}, "not a validator"),
        (one, {"args": v.any()}, r"\*\*args"),
        (one, {"args": v.union(v.object({"a": v.string()}), v.object({}))}, r"\*\*args"),
        (one, {"returns": str}, "validator"),
        (one, {"path": "not a path"}, "path"),
        (query(one), {}, "decorated already"),
    ],
)
def test_a_bad_definition_is_refused_at_once(handler: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=says):
        query(**options)(handler)


@pytest.mark.parametrize(
    ("handler", "args"),
    [
        (one, {"a": v.string()}),
        (with_default, {"a": v.optional(v.string())}),
        (with_default, {"a": v.string()}),
        (with_default, {}),
        (one, v.object({"a": v.literal("x")})),
        (lambda ctx, **args: args, v.any()),
        (lambda ctx, **args: args, v.union(v.object({"a": v.string()}), v.object({"b": v.string()}))),
        (lambda ctx, **args: args, {"a": v.string()}),
    ],
)
def test_arguments_given_as_validators(handler: Callable[..., Any], args: Any) -> None:
    function = Function(handler, "query", args=args)
    assert function.args == (v.object(args) if isinstance(args, dict) else args)


def test_a_wrapped_handler_keeps_its_signature() -> None:
    def logged(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return handler(*args, **kwargs)

        return wrapper

    @query
    @logged
    def wrapped(ctx: QueryCtx, a: str) -> Any:
        return a

    assert wrapped.args == v.object({"a": v.string()})
    with open_app() as dep:
        assert dep.query(wrapped, a="x") == "x"


WRAPPING = """
import functools

def logged(handler):
    @functools.wraps(handler)
    def wrapper(*args, **kwargs):
        return handler(*args, **kwargs)
    return wrapper

def bare(handler):
    def wrapper(ctx, **args):
        return handler(ctx, **args)
    return wrapper
"""


@pytest.mark.parametrize("decorators", ["@query", "@query\n@logged", "@query('m:f')\n@logged", "@query('m:f')\n@bare"])
def test_a_cell_that_is_run_again_replaces_its_function_whatever_wraps_it(decorators: str) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__", "query": query}
    exec(WRAPPING, namespace)
    with convex_nb.open() as dep:
        set_current(dep)
        for answer in (1, 2):
            exec(f"{decorators}\ndef f(ctx):\n    return {answer}", namespace)
            (path,) = dep.functions
            assert dep.query(path) == dep.query(namespace["f"]) == answer


def make(answer: Any) -> Function:
    @query
    def made(ctx: QueryCtx) -> Any:
        return answer

    return made


def test_sameness_is_of_code_and_closure() -> None:
    assert make(1).is_same_as(make(1))
    assert not make(1).is_same_as(make(2))
    assert not make(1).is_same_as(make(1.0))
    assert make(1).is_sibling_of(make(2))
    cells = []
    for text in ("return 1", "return 1  # a comment", "return 2"):
        namespace: dict[str, Any] = {}
        exec(f"def f(ctx):\n    {text}\n", globals(), namespace)
        cells.append(query(namespace["f"]))
    assert cells[0].is_same_as(cells[1])
    assert not cells[0].is_same_as(cells[2])
    assert not cells[0].is_sibling_of(cells[1])
    assert not query(returns=v.number())(one).is_same_as(query(one))


def test_calling_a_function_runs_it_on_the_current_deployment() -> None:
    with open_app() as dep:
        set_current(dep)
        from tests.functions.apps import add_task, list_tasks

        id = add_task(text="a")
        assert [task["_id"] for task in list_tasks({"done": False})] == [id]
        with pytest.raises(InvalidValueError, match="by name"):
            add_task("a", True)
        with pytest.raises(InvalidValueError, match="by name"):
            add_task("a")


def test_a_call_without_a_deployment_says_what_to_do() -> None:
    set_current(None)
    with pytest.raises(DeploymentClosedError, match="load_ext"):
        query(one)(a="x")


def test_a_direct_call_inside_a_handler_warns_and_runs_as_plain_python() -> None:
    inner = query(one)

    @query
    def outer(ctx: QueryCtx) -> Any:
        return inner(ctx, a=object())

    with open_app() as dep, pytest.warns(UserWarning, match=r"ctx\.run_query\(one"):
        assert dep.query(outer) is None


def test_a_decorator_in_a_notebook_registers_on_the_current_deployment() -> None:
    with convex_nb.open() as dep:
        set_current(dep)
        namespace: dict[str, Any] = {"__name__": "__main__", "query": query, "v": v}
        exec("@query\ndef recent(ctx, n: int = 1):\n    return n", namespace)
        assert list(dep.functions) == ["recent"]
        assert dep.query("recent", n=2) == 2
        with pytest.raises(SchemaDefinitionError):
            exec("@query\ndef recent(ctx, n: complex):\n    return 0", namespace)
        assert dep.query("recent", n=2) == 2
