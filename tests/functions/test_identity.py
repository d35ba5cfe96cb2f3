from __future__ import annotations

import asyncio
from typing import Any

import pytest

from convex_nb import ActionCtx, InvalidValueError, MutationCtx, QueryCtx, action, mutation, query
from convex_nb.functions.identity import to_identity
from tests.functions.apps import add_task, open_app

runs: list[str] = []


@query("auth:me")
def me(ctx: QueryCtx, ask: bool = True) -> Any:
    runs.append("me")
    ctx.db.query("tasks").collect()
    identity = ctx.auth.get_user_identity() if ask else None
    return identity and identity["subject"]


@mutation("auth:note")
def note(ctx: MutationCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    ctx.db.insert("tasks", {"text": identity["subject"] if identity else "nobody", "done": False})
    return ctx.run_query(me)


@action("auth:act")
async def act(ctx: ActionCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    return [
        identity and identity["subject"],
        ctx.run_query(me),
        ctx.run_mutation(note),
        await ctx.run_action_async(sub),
    ]


@action("auth:sub")
def sub(ctx: ActionCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    return identity and identity["subject"]


def test_claims_are_completed_the_same_way_each_time() -> None:
    ada = to_identity({"name": "Ada", "age": 36})
    same = to_identity({"age": 36, "name": "Ada"})
    other = to_identity({"name": "Bob"})
    assert ada is not None
    assert same is not None
    assert other is not None
    assert ada.key == same.key != other.key
    assert ada.claims["issuer"] == "https://convex.test"
    assert ada.claims["tokenIdentifier"] == f"https://convex.test|{ada.claims['subject']}"
    given = to_identity({"subject": "1", "issuer": "https://i", "tokenIdentifier": "t"})
    assert given is not None
    assert dict(given.claims) == {"subject": "1", "issuer": "https://i", "tokenIdentifier": "t"}
    assert repr(given) == "Identity('t')"
    assert to_identity(None) is None
    assert to_identity(given) is given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ada", 'An identity is a dict of claims such as {"subject": "ada", "name": "Ada"}, not \'ada\''),
        ({"subject": 5}, "`subject` of an identity is a string, not 5"),
        ({"name": {1, 2}}, "set"),
    ],
)
def test_what_is_no_identity_is_refused(given: Any, message: str) -> None:
    with open_app() as dep, pytest.raises(InvalidValueError, match=message.replace("(", r"\(").replace("{", r"\{")):
        dep.client(given)


def test_functions_of_all_kinds_ask_whom_they_act_for() -> None:
    with open_app() as dep:
        dep.register(me, note, act, sub)
        for caller, expected in ((dep, None), (dep.client(), None), (dep.client({"subject": "ada"}), "ada")):
            assert caller.query(me) == expected
            assert caller.mutation(note) == expected
            assert caller.action(act) == [expected] * 4
            assert asyncio.run(caller.action_async(act)) == [expected] * 4


def test_claims_cannot_be_changed_by_a_handler() -> None:
    @query
    def forges(ctx: QueryCtx) -> Any:
        identity = ctx.auth.get_user_identity()
        assert identity is not None
        identity["subject"] = "root"

    with open_app() as dep:
        dep.register(forges)
        with pytest.raises(TypeError):
            dep.client({"subject": "ada"}).query(forges)


def test_an_answer_is_kept_for_each_identity_only_where_it_was_asked_for() -> None:
    runs.clear()
    with open_app() as dep:
        dep.register(me)
        ada, again, bob = (dep.client({"subject": name}) for name in ("ada", "ada", "bob"))
        assert [each.query(me) for each in (ada, again, bob, bob, dep, dep)] == ["ada", "ada", "bob", "bob", None, None]
        assert len(runs) == 3
        runs.clear()
        assert [each.query(me, ask=False) for each in (ada, again, bob, dep)] == [None] * 4
        assert len(runs) == 1
        dep.mutation(add_task, text="a")
        runs.clear()
        assert [each.query(me) for each in (ada, again, bob, dep)] == ["ada", "ada", "bob", None]
        assert len(runs) == 3
        dep.check()


def test_whether_it_asks_may_depend_on_what_it_reads() -> None:
    @query
    def sometimes(ctx: QueryCtx) -> Any:
        if ctx.db.query("tasks").first() is None:
            return "nothing yet"
        identity = ctx.auth.get_user_identity()
        return identity and identity["subject"]

    with open_app() as dep:
        dep.register(sometimes)
        ada, bob = dep.client({"subject": "ada"}), dep.client({"subject": "bob"})
        assert (ada.query(sometimes), bob.query(sometimes)) == ("nothing yet", "nothing yet")
        dep.mutation(add_task, text="a")
        assert (ada.query(sometimes), bob.query(sometimes), dep.query(sometimes)) == ("ada", "bob", None)
        assert (ada.query(sometimes), bob.query(sometimes), dep.query(sometimes)) == ("ada", "bob", None)
