"""What is added to errors of Python's own."""

from __future__ import annotations

import pytest

import convex_nb
from convex_nb import action, mutation
from convex_nb.functions.hints import NOT_AWAITED, ONE_DICT


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
