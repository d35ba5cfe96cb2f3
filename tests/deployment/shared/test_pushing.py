"""Deployments that share a PostgreSQL database push at the same moment: what each has pushed is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, cron_jobs, define_component, define_schema, define_table, mutation, v
from convex_nb.engine.postgres.postgres_log import PostgresLog
from convex_nb.functions.components.component import Component
from convex_nb.language.errors import ComponentError
from tests.until import until

NOTES = define_schema({"notes": define_table({"text": v.string()})})
OTHER = define_schema({"others": define_table({"text": v.string()})})
AUTH = [{"domain": "https://a.example", "applicationID": "app"}]


def likes(name: str = "likes") -> Component:
    component = define_component(name, define_schema({"counts": define_table({"name": v.string()})}))

    @component.mutation
    def add(ctx, name: str):  # type: ignore[no-untyped-def]
        return ctx.db.insert("counts", {"name": name})

    return component


def first(deployment: Deployment, then: Callable[[], object]) -> None:
    """Before the next append of this deployment another one comes."""
    log = deployment._database.log
    assert isinstance(log, PostgresLog)
    append = log._session.append

    def appending(expected: int, records: Any) -> bool:
        log._session.append = append  # type: ignore[method-assign]
        then()
        return append(expected, records)

    log._session.append = appending  # type: ignore[method-assign]


@mutation("tick")
def tick(ctx):  # type: ignore[no-untyped-def]
    """What a cron runs."""


def crons(name: str) -> convex_nb.CronJobs:
    jobs = cron_jobs()
    jobs.interval(name, {"hours": 1}, tick)
    return jobs


def test_what_two_push_at_once_is_all_in_force(uri: str) -> None:
    with convex_nb.open(uri) as a, convex_nb.open(uri) as b:
        first(a, lambda: b.push(components=[likes()]))
        a.push(NOTES)
        assert (a.schema, list(a.components)) == (NOTES, ["likes"])
        first(b, lambda: a.push(OTHER, auth=AUTH))
        b.push(components=[likes(), likes("more")])
        assert (b.schema, list(b.components)) == (OTHER, ["likes", "more"])
        # Of one and the same the last one counts, as a whole.
        a.register(tick)
        b.register(tick)
        first(a, lambda: b.push(NOTES, crons=crons("theirs"), auth=[]))
        a.push(OTHER, crons=crons("ours"))
        until(lambda: a.timestamp == b.timestamp)
        for dep in (a, b):
            assert (dep.schema, list(dep.schedules.crons), list(dep.auth.providers)) == (OTHER, ["ours"], [])
            dep.check()


def test_what_is_pushed_again_is_in_force_with_what_comes_with_it(uri: str) -> None:
    with convex_nb.open(uri) as a, convex_nb.open(uri) as b:
        a.register(tick)
        a.push(NOTES)
        until(lambda: b.schema == NOTES)
        # The schema is the one in force, until the crons are appended.
        first(a, lambda: b.push(OTHER))
        a.push(NOTES, crons=crons("ours"))
        assert (a.schema, list(a.schedules.crons)) == (NOTES, ["ours"])
        # Not even what changes nothing here may overlook what others have done.
        assert b._following is not None
        b._following.stop()
        a.push(OTHER)
        b.push(NOTES)
        until(lambda: a.schema == b.schema == NOTES)


def test_a_component_that_others_use_meanwhile_stays(uri: str) -> None:
    with convex_nb.open(uri) as a, convex_nb.open(uri) as b:
        mine, theirs = likes("mine"), likes("theirs")
        first(a, lambda: b.use(theirs))
        a.use(mine)
        assert list(a.components) == ["mine", "theirs"]
        # A list is all that there is to be: one that gets documents meanwhile cannot be left out.
        first(a, lambda: b.mutation("theirs//add", {"name": "x"}))
        with pytest.raises(ComponentError, match='"theirs" has documents'):
            a.push(components=[mine])
        first(a, lambda: b.push(NOTES))
        a.use(likes("third"))
        until(lambda: a.timestamp == b.timestamp)
        for dep in (a, b):
            assert (dep.schema, list(dep.components)) == (NOTES, ["mine", "theirs", "third"])
        assert a._registry.components.keys() == {"mine", "third"}
