"""A small application that schedules, for the tests of services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from convex_nb import ActionCtx, Deployment, MutationCtx, QueryCtx, action, internal_mutation, mutation, query
from convex_nb.testing import ConvexTest


@internal_mutation("notes:add")
def add_note(ctx: MutationCtx, text: str = "") -> Any:
    return ctx.db.insert("notes", {"text": text, "at": ctx.now()})


@mutation("notes:later")
def add_later(ctx: MutationCtx, text: str = "", ms: float = 0.0) -> Any:
    return ctx.scheduler.run_after(ms, add_note, text=text)


@mutation("notes:fail")
def fail(ctx: MutationCtx, text: str = "boom") -> None:
    ctx.db.insert("notes", {"text": "of a failing mutation", "at": ctx.now()})
    raise ValueError(text)


@action("notes:act")
def act(ctx: ActionCtx, text: str = "") -> None:
    ctx.run_mutation(add_note, text=text)


@query("notes:list")
def list_notes(ctx: QueryCtx) -> Any:
    return [note["text"] for note in ctx.db.query("notes").collect()]


@query("jobs:list")
def list_jobs(ctx: QueryCtx) -> Any:
    return ctx.db.system.query("_scheduled_functions").collect()


FUNCTIONS = (add_note, add_later, fail, act, list_notes, list_jobs)


@contextmanager
def scheduling_app() -> Iterator[ConvexTest]:
    """The application under a virtual clock."""
    with ConvexTest() as test:
        test.deployment.register(*FUNCTIONS)
        yield test


def notes_of(deployment: Deployment) -> list[str]:
    """The texts of the notes, in the order in which they were written."""
    return list(deployment.query(list_notes))


def states_of(deployment: Deployment) -> list[str]:
    """The states of all jobs, in the order in which they were scheduled."""
    return [job["state"]["kind"] for job in deployment.query(list_jobs)]
