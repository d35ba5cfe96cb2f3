from __future__ import annotations

from typing import Any

import pytest

from convex_nb import ConvexNbError, MutationCtx, mutation, query
from convex_nb.deployment.remote import session_requests
from convex_nb.deployment.remote.caller import Caller
from convex_nb.deployment.remote.remote import Remote
from convex_nb.deployment.remote.session_requests import KEPT_MS, TABLE, SessionRequest
from convex_nb.testing.convex_test import ConvexTest
from tests.functions.apps import SCHEMA, add_task, list_tasks

REQUEST = SessionRequest("session", 0)


def served(t: ConvexTest) -> Caller:
    t.deployment.register(add_task, list_tasks, returns_much)
    return Remote(t.deployment).nobody()


@mutation("tasks:much")
def returns_much(ctx: MutationCtx) -> str:
    ctx.db.insert("tasks", {"text": "much", "done": False})
    return "x" * (session_requests.LARGEST + 1)


def kept(t: ConvexTest) -> int:
    state = t.deployment._database.head.table(TABLE)
    return 0 if state is None else len(state)


def test_a_request_is_answered_as_it_was_the_first_time() -> None:
    with ConvexTest(SCHEMA) as t:
        caller = served(t)
        first = caller.mutation("tasks:add", {"text": "x"}, REQUEST)
        again = caller.mutation("tasks:add", {"text": "x"}, REQUEST)
        assert (again.value, again.failure) == (first.value, None)
        assert again.timestamp >= first.timestamp
        caller.mutation("tasks:add", {"text": "x"}, SessionRequest("session", 1))
        caller.mutation("tasks:add", {"text": "x"}, SessionRequest("other", 0))
        # Nobody who counts the requests means these.
        caller.mutation("tasks:add", {"text": "x"})
        assert len(t.query(list_tasks)) == 4
        assert kept(t) == 3


def test_what_failed_or_wrote_nothing_is_not_kept() -> None:
    with ConvexTest(SCHEMA) as t:
        caller = served(t)
        assert caller.mutation("tasks:add", {"text": 5}, REQUEST).failure is not None

        @mutation("nothing")
        def nothing(ctx: MutationCtx) -> None:
            return None

        t.deployment.register(nothing)
        assert caller.mutation("nothing", {}, REQUEST).failure is None
        assert kept(t) == 0


def test_a_large_answer_is_not_kept_but_the_request_does_not_run_again() -> None:
    with ConvexTest(SCHEMA) as t:
        caller = served(t)
        assert caller.mutation("tasks:much", {}, REQUEST).failure is None
        again = caller.mutation("tasks:much", {}, REQUEST)
        assert again.failure is not None
        assert "was committed when it was asked for the first time" in again.failure.message
        assert len(t.query(list_tasks)) == 1


def test_requests_are_forgotten_after_a_day() -> None:
    with ConvexTest(SCHEMA) as t:
        caller = served(t)
        caller.mutation("tasks:add", {"text": "x"}, REQUEST)
        t.advance(KEPT_MS - 1000)
        caller.mutation("tasks:add", {"text": "x"}, SessionRequest("later", 0))
        t.advance(2000)
        Remote(t.deployment).sweep()
        assert kept(t) == 1
        t.deployment.check()


def test_they_are_in_no_export_and_no_table_of_the_users() -> None:
    with ConvexTest(SCHEMA) as t:
        served(t).mutation("tasks:add", {"text": "x"}, REQUEST)
        assert TABLE not in t.deployment.tables

        @query("peek")
        def peek(ctx: Any) -> Any:
            return ctx.db.system.query(TABLE).collect()

        with pytest.raises(ConvexNbError, match="no system table"):
            t.query(peek)
