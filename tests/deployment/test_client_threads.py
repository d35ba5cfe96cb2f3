"""Many threads share clients: whatever the timing, nobody waits for ever and all end with the truth."""

from __future__ import annotations

import threading
from random import Random
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    MutationCtx,
    QueryCtx,
    WriteConflictError,
    define_schema,
    define_table,
    insert_at_position,
    mutation,
    pagination_opts,
    query,
    v,
)
from convex_nb.deployment.clients import client_queries
from convex_nb.deployment.clients.client import Client
from convex_nb.deployment.clients.optimistic import OptimisticStore
from convex_nb.deployment.clients.turns import Turns
from tests.until import PATIENCE


class SevenError(Exception): ...


@query("words:all")
def texts(ctx: QueryCtx) -> Any:
    return [word["text"] for word in ctx.db.query("words").collect()]


@query("words:count")
def count(ctx: QueryCtx) -> int:
    return len(ctx.db.query("words").collect())


@query("words:page", args={"pagination_opts": pagination_opts})
def page(ctx: QueryCtx, pagination_opts: Any) -> Any:
    return ctx.db.query("words").with_index("by_text").paginate(pagination_opts)


@mutation("words:add")
def add(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert("words", {"text": text})
    if text.endswith("7"):
        raise SevenError


@mutation("words:drop")
def drop(ctx: MutationCtx) -> None:
    word = ctx.db.query("words").first()
    if word is not None:
        ctx.db.delete(word["_id"])


def show(store: OptimisticStore, args: dict[str, Any]) -> None:
    store.set_query(texts, {}, [*store.get_query(texts), args["text"]])
    store.set_query(count, {}, store.get_query(count) + 1)
    insert_at_position(store, page, {"text": args["text"]}, "asc", lambda word: word["text"])


def use(client: Client, random: Random, steps: int) -> None:
    for _ in range(steps):
        chance = random.random()
        try:
            if chance < 0.5:
                client.mutation(add, text=str(random.randrange(100)), optimistic=show)
            elif chance < 0.6:
                client.mutation(drop)
            elif chance < 0.7:
                client.subscribe(count, {}, lambda value: None).close()
            else:
                pages = client.paginated(page, 2)
                pages.load_more()
                pages.load_more()
                pages.close()
        except (SevenError, WriteConflictError):
            # Or the others were quicker five times.
            continue


def test_threads_that_share_clients_end_with_the_truth() -> None:
    with convex_nb.open() as dep:
        dep.push(define_schema({"words": define_table({"text": v.string()}).index("by_text", ["text"])}))
        dep.register(texts, count, page, add, drop)
        clients = [dep.client({"subject": name}) for name in ("ada", "bob")]
        failures: list[BaseException] = []
        torn: list[tuple[int, int]] = []

        def look(client: Client) -> None:
            queries = client._queries
            with queries._lock:
                values = {each.path: each.outcome.value for each in queries._queries.values()}
            if "words:all" in values and len(values["words:all"]) != values["words:count"]:
                torn.append((len(values["words:all"]), values["words:count"]))

        def run(client: Client, seed: int) -> None:
            try:
                use(client, Random(seed), 25)
            except BaseException as error:
                failures.append(error)

        followed = []
        for client in clients:
            counted = client.subscribe(count, {}, lambda value, client=client: look(client))  # type: ignore[misc]
            followed.append((counted, client.subscribe(texts, {}, lambda value: None), client.paginated(page, 3)))
        threads = [threading.Thread(target=run, args=(clients[seed % 2], seed)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        dep.settle()
        assert failures == []
        assert torn == []
        truth = dep.query(texts)
        for client, (counted, listed, pages) in zip(clients, followed, strict=True):
            assert (listed.value, counted.value) == (truth, len(truth))
            while pages.load_more():
                pass
            assert [word["text"] for word in pages.results] == sorted(truth)
            assert client._queries._pending == []
        dep.check()


def test_a_mutation_that_is_back_is_seen_whoever_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """While other threads commit, one of them may be the one that runs the client's queries."""
    monkeypatch.setattr(client_queries, "PATIENCE_SECONDS", PATIENCE)
    with convex_nb.open() as dep:
        dep.register(texts, add)
        client = dep.client()
        listed = client.subscribe(texts, {}, lambda value: None)
        stop = threading.Event()
        missed: list[str] = []

        def others() -> None:
            while not stop.is_set():
                dep.mutation(add, text="other")

        threads = [threading.Thread(target=others) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(40):
                text = f"mine {number} x"
                client.mutation(add, text=text)
                if text not in listed.value:
                    missed.append(text)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert missed == []


def test_pages_that_two_threads_have_do_not_wait_for_one_another() -> None:
    with convex_nb.open() as dep:
        dep.register(page)
        dep.push(define_schema({"words": define_table({"text": v.string()}).index("by_text", ["text"])}))
        client = dep.client()
        pages = client.paginated(page, 2)
        taken, go = threading.Event(), threading.Event()

        def hold() -> None:
            with pages._lock:
                taken.set()
                assert go.wait(30)
            pages.nudge()

        holder = threading.Thread(target=hold)
        holder.start()
        assert taken.wait(30)
        dep.transact(lambda db: db.insert("words", {"text": "a"}))
        assert pages.results == []
        go.set()
        holder.join(30)
        assert [word["text"] for word in pages.results] == ["a"]


def test_turns_come_in_the_order_in_which_they_were_taken() -> None:
    turns = Turns()
    first, second, third = turns.take(), turns.take(), turns.take()
    assert len(turns) == 3
    assert turns.is_held_here()
    second.leave()
    with first:
        assert not third._came.is_set()
    assert third._came.is_set()
    with third:
        third.leave()
    assert len(turns) == 0
    assert not turns.is_held_here()


def test_an_interrupt_while_waiting_gives_the_place_up(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    first, second = turns.take(), turns.take()

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(second._came, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt), second:
        pass
    assert len(turns) == 1
    with first:
        pass
    assert len(turns) == 0
