from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import (
    ArgumentValidationError,
    ConvexError,
    QueryCtx,
    SchemaDefinitionError,
    internal_query,
    mutation,
    query,
    v,
)
from convex_nb.stock import Triggers, custom
from convex_nb.testing import ConvexTest

triggers = Triggers()


def known(ctx: QueryCtx, token: str) -> dict[str, Any]:
    if token == "bad":
        raise ConvexError("who are you?")
    return {"user": token.title(), "token": token}


user_query = custom(query)(known)
user_mutation = custom(triggers.mutation)(known)


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    with ConvexTest() as test:
        yield test


def test_the_prelude_takes_its_arguments_and_adds_to_the_context(test: ConvexTest) -> None:
    @user_query
    def hello(ctx: Any, greeting: str = "Hello", *, end: str) -> str:
        assert ctx.db.query("notes").count() == 0
        assert ctx.now() > 0
        with pytest.raises(AttributeError, match="no 'scheduler'"):
            _ = ctx.scheduler
        return f"{greeting} {ctx.user}{end}"

    assert hello.signature == "(token: str, greeting: str = 'Hello', *, end: str)"
    assert test.query(hello, token="ada", end="!") == "Hello Ada!"
    with pytest.raises(ConvexError, match="who are you"):
        test.query(hello, token="bad", end="!")
    for wrong in ({"end": "!"}, {"token": 1, "end": "!"}, {"token": "ada"}):
        with pytest.raises(ArgumentValidationError):
            test.query(hello, wrong)


def test_it_is_made_of_any_decorator_and_of_another_of_its_kind(test: ConvexTest) -> None:
    seen: list[Any] = []
    triggers.on("notes")(lambda ctx, change: seen.append(change.kind))

    @user_mutation
    def add(ctx: Any, text: str) -> None:
        ctx.db.insert("notes", {"by": ctx.user, "text": text})

    @custom(user_mutation)
    def with_prefix(ctx: Any, prefix: str = ">") -> Any:
        return {"prefix": ctx.user + prefix}

    @with_prefix
    def quote(ctx: Any, text: str) -> None:
        ctx.db.insert("notes", {"by": ctx.user, "text": ctx.prefix + text})

    test.mutation(add, token="ada", text="hi")
    test.mutation(quote, token="bob", text="hi")
    notes = test.run(lambda ctx: [[each["by"], each["text"]] for each in ctx.db.query("notes").collect()])
    assert (notes, seen) == ([["Ada", "hi"], ["Bob", "Bob>hi"]], ["insert", "insert"])


def test_it_takes_what_its_decorator_takes(test: ConvexTest) -> None:
    @custom(internal_query)
    def nothing_more(ctx: Any) -> None: ...

    @nothing_more("notes:one", args={"n": v.number()}, returns=v.number())
    def one(ctx: Any, n: float) -> float:
        "One."
        return n

    assert (one.path, one.visibility, one.kind, one.__doc__) == ("notes:one", "internal", "query", "One.")
    assert test.query(one, n=2) == 2


def test_what_cannot_be_made_is_said() -> None:
    async def later(ctx: Any) -> None: ...

    refused: list[Any] = [later, mutation(lambda ctx: None), 5]
    for wrong in refused:
        with pytest.raises(SchemaDefinitionError, match="made of a plain `def`"):
            user_query(wrong)
        with pytest.raises(SchemaDefinitionError, match="made of a plain `def`"):
            custom(query)(wrong)
    with pytest.raises(SchemaDefinitionError, match="parameter `token`, which `known` takes"):
        user_query(lambda ctx, token: None)

    def unknown(ctx: Any, n: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(SchemaDefinitionError, match="Nowhere"):
        custom(query)(unknown)
