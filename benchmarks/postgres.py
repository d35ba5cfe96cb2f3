"""A deployment in PostgreSQL against the same statements by themselves, on a server of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import psycopg

import convex_nb
from benchmarks.engine import SCHEMA, event
from benchmarks.harness import Line, Unmeasured
from convex_nb import mutation, query
from tests.engine.postgres.server import running_server

COMMIT = "a mutation that inserts one validated document under two indexes, in PostgreSQL"
ARRIVAL = "from a mutation in one kernel to the callback in another"


@mutation("postgres:add")
def add(  # type: ignore[no-untyped-def]
    ctx, group: str, name: str, score: float, size: float, done: bool, note: str
):
    return ctx.db.insert(
        "events", {"group": group, "name": name, "score": score, "size": size, "done": done, "note": note}
    )


@query("postgres:newest")
def newest(ctx):  # type: ignore[no-untyped-def]
    return ctx.db.query("events").order("desc").first()


def lines() -> Iterator[Line | Unmeasured]:
    """Every line of the table; the server waits for its disk, as one that keeps something does."""
    with running_server(durable=True) as server:
        if server is None:
            for name in (COMMIT, ARRIVAL):
                yield Unmeasured(name, "no PostgreSQL server is installed: scripts/install-postgres installs one")
            return
        uri = server.new_database()
        with convex_nb.open(uri) as dep, psycopg.connect(uri, autocommit=True) as connection:
            dep.push(SCHEMA)
            dep.register(add, newest)
            yield commit_line(dep, connection)
            yield from arrival_lines(uri, dep)


def commit_line(dep: convex_nb.Deployment, connection: psycopg.Connection[Any]) -> Line:
    connection.execute("create table peer (id bigint primary key, data bytea)")
    numbers, places = count(), count()
    data = bytes(300)
    return Line(
        COMMIT,
        lambda: dep.mutation(add, event(next(numbers))),
        lambda: connection.execute("insert into peer values (%s, %s)", (next(places), data)),
        "psycopg: one insert of 300 bytes",
        3,
        seconds=2,
    )


def arrival_lines(uri: str, dep: convex_nb.Deployment) -> Iterator[Line]:
    numbers = count()
    arrived = threading.Event()

    def ours() -> None:
        arrived.clear()
        dep.mutation(add, event(next(numbers)))
        arrived.wait(10)

    with (
        convex_nb.open(uri) as other,
        psycopg.connect(uri, autocommit=True) as sender,
        psycopg.connect(uri, autocommit=True) as receiver,
    ):
        other.register(newest)
        other.subscribe(newest, {}, lambda _: arrived.set())
        receiver.execute("listen peer")

        def peer() -> None:
            sender.execute("insert into peer values (%s, '')", (-1 - next(numbers),))
            sender.execute("notify peer")
            next(iter(receiver.notifies(timeout=10, stop_after=1)))

        yield Line(ARRIVAL, ours, peer, "psycopg: an insert, a notification, its arrival", seconds=4)
