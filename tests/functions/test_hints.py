"""What is added to errors of Python's own."""

from __future__ import annotations

from typing import Any

import pytest

import convex_nb
from convex_nb import InvalidValueError, MutationCtx, action, mutation
from convex_nb.functions.hints import BY_NAME, NOT_AWAITED, ONE_DICT


def test_a_hint_is_given_once_however_many_functions_the_error_passes() -> None:
    @mutation
    def inner(ctx):  # type: ignore[no-untyped-def]
        ctx.db.insert("messages", author="Ada")

    @mutation
    def outer(ctx):  # type: ignore[no-untyped-def]
        ctx.run_mutation(inner)

    @action
    def outermost(ctx):  # type: ignore[no-untyped-def]
        ctx.run_mutation(outer)

    with convex_nb.open() as dep:
        for function in (inner, outer, outermost):
            dep.register(function)
        with pytest.raises(TypeError) as raised:
            dep.action(outermost)
    assert raised.value.__notes__.count(ONE_DICT) == 1
    assert NOT_AWAITED not in raised.value.__notes__


def test_what_takes_no_document_is_not_told_how_one_is_given() -> None:
    with convex_nb.open() as dep, pytest.raises(TypeError) as raised:
        dep.transact(lambda db: db.delete())  # type: ignore[call-overload]
    assert ONE_DICT not in getattr(raised.value, "__notes__", ())


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda ctx: ctx.db.query("people").first().name, "A document is a dict: `document['name']`."),
        (lambda ctx: ctx.db.people, "A table is read by its name: `db.query('people')`."),
        (lambda ctx: ctx.db.update("x", {}), "It is `db.patch` here."),
        (lambda ctx: ctx.db.qurey("people"), "Did you mean `db.query`?"),
        (lambda ctx: ctx.query("people"), "It is `ctx.db.query`."),
        (lambda ctx: ctx.db.query("people").filter(name="Ada"), "`.filter(lambda q: q.field('name') == ...)`"),
        (lambda ctx: ctx.scheduler.run_after(0, "m:f", "Ada", 1), BY_NAME),
        (lambda ctx: ctx.run_mutation("m:f", "Ada", 1), BY_NAME),
    ],
)
def test_what_is_called_otherwise_elsewhere_says_how_it_is_written_here(handler: Any, said: str) -> None:
    @mutation
    def add(ctx: MutationCtx) -> None:
        ctx.db.insert("people", {"name": "Ada"})

    @mutation
    def wrong(ctx: MutationCtx) -> None:
        handler(ctx)

    with convex_nb.open() as dep:
        dep.register(add, wrong)
        dep.mutation(add)
        with pytest.raises((AttributeError, TypeError)) as raised:
            dep.mutation(wrong)
    assert any(said in note for note in raised.value.__notes__)


def test_what_is_no_mistake_of_ours_gets_no_hint() -> None:
    @mutation
    def wrong(ctx: Any) -> None:
        ctx.nothing_of_ours()

    with convex_nb.open() as dep, pytest.raises(AttributeError) as raised:
        dep.register(wrong)
        dep.mutation(wrong)
    assert not any("ctx.db" in note for note in getattr(raised.value, "__notes__", ()))


def test_one_that_is_called_in_another_with_arguments_by_position_says_how_it_is_called() -> None:
    @mutation
    def send(ctx: MutationCtx, author: str, body: str) -> None: ...

    @mutation
    def outer(ctx: MutationCtx) -> None:
        send("Ada", "hello")

    with convex_nb.open() as dep:
        dep.register(send, outer)
        with pytest.raises(InvalidValueError, match=r"so it did not run. Write `ctx.run_mutation\(send, ...\)`"):
            dep.mutation(outer)
