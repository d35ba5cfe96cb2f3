"""Calling functions, against the calls of SQLite that do as little."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import convex_nb
from benchmarks.harness import Line
from convex_nb import Deployment, MutationCtx, QueryCtx, define_schema, define_table, mutation, query, v


@query("bench:nothing")
def asks_nothing(ctx: QueryCtx) -> None: ...


@mutation("bench:nothing_written")
def writes_nothing(ctx: MutationCtx) -> None: ...


@mutation("bench:say")
def say(ctx: MutationCtx, author: str, body: str) -> object:
    return ctx.db.insert("messages", {"author": author, "body": body})


@query("bench:newest")
def newest(ctx: QueryCtx) -> object:
    return ctx.db.query("messages").order("desc").take(1)


def lines() -> Iterator[Line]:
    """Every line of the table, each with what it needs."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with chat() as dep:
        yield Line(
            "an empty cached query, called from Python",
            lambda: dep.query(asks_nothing),
            lambda: connection.execute("select 1").fetchone(),
            "sqlite3: an empty select",
            10.0,
        )

    def nothing() -> None:
        connection.execute("begin")
        connection.execute("commit")

    with chat() as dep:
        yield Line("an empty mutation", lambda: dep.mutation(writes_nothing), nothing, "sqlite3: begin, commit", 5.0)
    with chat() as alone, chat() as heard:
        called: list[object] = []
        heard.subscribe(newest, {}, called.append)

        def tell() -> None:
            called.clear()
            insert(heard)
            assert called

        yield Line(
            "commit to callback: one document, one subscription to the newest",
            tell,
            lambda: insert(alone),
            "the same mutation with nobody listening",
        )
    with chat() as alone, chat() as marked:
        view = marked.watch(newest, {})
        yield Line(
            "the same with a view that is only marked",
            lambda: insert(marked),
            lambda: insert(alone),
            "the same mutation with nobody listening",
        )
        assert view.stale


def chat() -> Deployment:
    """A deployment with one table of messages."""
    dep = convex_nb.open()
    dep.push(define_schema({"messages": define_table({"author": v.string(), "body": v.string()})}))
    return dep


def insert(dep: Deployment) -> object:
    """One message more."""
    return dep.mutation(say, author="Ada", body="hello")
