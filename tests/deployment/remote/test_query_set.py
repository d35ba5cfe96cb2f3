from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, MutationCtx, QueryCtx, mutation, query
from convex_nb.deployment.remote.query_set import QuerySet, Wanted
from convex_nb.deployment.remote.remote import Remote
from convex_nb.functions.identity import to_identity
from convex_nb.functions.live import far_queries
from convex_nb.functions.origin import Origin
from tests.functions.apps import SCHEMA, add_task, counter_value, list_tasks


@query("who")
def who(ctx: QueryCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    return None if identity is None else identity["subject"]


@mutation("counters:both")
def both(ctx: MutationCtx) -> None:
    for name in ("a", "b"):
        counter = ctx.db.query("counters").with_index("by_name", name=name).unique()
        if counter is None:
            ctx.db.insert("counters", {"name": name, "value": 1})
        else:
            ctx.db.patch(counter["_id"], {"value": counter["value"] + 1})


@pytest.fixture
def dep() -> Iterator[Deployment]:
    with convex_nb.open() as deployment:
        deployment.push(SCHEMA)
        deployment.register(list_tasks, add_task, counter_value, who, both)
        yield deployment
        deployment.check()


def follow(dep: Deployment, *wanted: tuple[str, dict[str, Any]]) -> tuple[QuerySet, list[int]]:
    moves: list[int] = []
    queries = Remote(dep).nobody().follow(lambda: moves.append(queries.state.timestamp))
    queries.modify(1, [Wanted(number, path, args) for number, (path, args) in enumerate(wanted)], [])
    # What the thread that keeps them current was at is over.
    dep.settle()
    return queries, moves


def values(queries: QuerySet) -> dict[int, Any]:
    return {number: outcome.value for number, outcome in queries.state.outcomes.items()}


def test_a_state_has_a_version_and_all_its_queries(dep: Deployment) -> None:
    queries, _ = follow(dep, ("tasks:list", {}), ("who", {}))
    assert (queries.state.version, values(queries)) == (1, {0: [], 1: None})
    queries.modify(2, [Wanted(2, "tasks:list", {"done": True})], [0])
    assert (queries.state.version, values(queries)) == (2, {1: None, 2: []})
    queries.close()
    assert dep.statistics().reactor.queries == 0


def test_whoever_commits_runs_nothing_of_it(dep: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    # What was slow once goes a way of its own.
    monkeypatch.setattr(far_queries, "SLOW_MS", float("inf"))
    queries, moves = follow(dep, ("tasks:list", {}))
    runs = dep.statistics().reactor.runs
    dep._reactor.far.on_due = lambda: None
    del moves[:]
    for n in range(10):
        dep.mutation(add_task, text=str(n))
    assert (dep.statistics().reactor.runs, moves) == (runs, [])
    dep.settle()
    assert dep.statistics().reactor.runs == runs + 1
    assert moves == [dep.timestamp]
    assert len(values(queries)[0]) == 10


def test_it_follows_by_itself(dep: Deployment) -> None:
    arrived = threading.Event()

    def moved() -> None:
        if len(values(queries).get(0, ())) == 3:
            arrived.set()

    queries = Remote(dep).nobody().follow(moved)
    queries.modify(1, [Wanted(0, "tasks:list", {})], [])
    for n in range(3):
        dep.mutation(add_task, text=str(n))
    assert arrived.wait(60)


def test_states_are_of_one_moment(dep: Deployment) -> None:
    queries, _ = follow(dep, ("counters:value", {"name": "a"}), ("counters:value", {"name": "b"}))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            dep.mutation(both)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(500):
            state = queries.state
            assert state.outcomes[0].value == state.outcomes[1].value
    finally:
        stop.set()
        writer.join()


def test_nothing_shows_of_a_mutation_that_is_on_its_way(dep: Deployment) -> None:
    queries, _ = follow(dep, ("tasks:list", {}))
    queries.committing(True)
    dep.mutation(add_task, text="x")
    dep.settle()
    assert values(queries) == {0: []}
    queries.committing(False)
    queries.arrive()
    assert len(values(queries)[0]) == 1


def test_everything_runs_again_for_somebody_else(dep: Deployment) -> None:
    queries, _ = follow(dep, ("who", {}), ("tasks:list", {}))
    queries.act_for(1, Origin("user", to_identity({"subject": "ada"})))
    assert (queries.state.identity_version, values(queries)) == (1, {0: "ada", 1: []})
    queries.act_for(2, Origin("anonymous"))
    assert values(queries) == {0: None, 1: []}
    assert dep.statistics().reactor.queries == 2


def test_what_refuses_a_query_is_its_outcome_until_it_does_not(dep: Deployment) -> None:
    queries, _ = follow(dep, ("later", {}), ("counters:value", {"nonsense": 1}))
    errors = [outcome.error for outcome in queries.state.outcomes.values()]
    assert [type(error).__name__ for error in errors] == ["FunctionNotFoundError", "ArgumentValidationError"]

    @query("later")
    def later(ctx: QueryCtx) -> int:
        return len(ctx.db.query("tasks").collect())

    dep.register(later)
    dep.settle()
    assert values(queries)[0] == 0
    dep.mutation(add_task, text="x")
    dep.settle()
    assert values(queries)[0] == 1


def test_a_closed_set_is_left_alone(dep: Deployment) -> None:
    queries, moves = follow(dep, ("tasks:list", {}))
    queries.close()
    del moves[:]
    dep.mutation(add_task, text="x")
    dep.settle()
    queries.modify(2, [Wanted(1, "who", {})], [])
    assert moves == []
    assert dep.statistics().reactor.queries == 0


def test_a_deployment_that_closes_takes_it_along() -> None:
    dep = convex_nb.open()
    queries, _ = follow(dep, ("who", {}))
    dep.close()
    assert len(queries) == 0


def test_a_slow_query_holds_up_only_who_follows_it(dep: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits go on all the time. Who follows it as well gets on with each of its runs, to a state of one moment."""
    monkeypatch.setattr(far_queries, "is_slow", lambda query: query.path == "slow")
    running, allowed = threading.Semaphore(0), threading.Semaphore(0)

    @query("slow")
    def slow(ctx: QueryCtx) -> int:
        found = ctx.db.query("tasks").count()
        running.release()
        assert allowed.acquire(timeout=60)
        return found

    dep.register(slow)
    allowed.release()
    both, _ = follow(dep, ("slow", {}), ("tasks:list", {}))
    assert running.acquire(timeout=60)
    dep.settle()
    seen: list[tuple[int, int]] = []
    both._on_move = lambda: seen.append((values(both)[0], len(values(both)[1])))
    arrived = threading.Semaphore(0)
    quick, _ = follow(dep, ("tasks:list", {}))
    quick._on_move = arrived.release
    dep.mutation(add_task, text="first")
    for number in range(2):
        # Each run begins when the one before has been shown.
        assert running.acquire(timeout=60)
        assert len(set(seen)) == number
        for _ in range(260):
            dep.mutation(add_task, text="meanwhile")
        while len(values(quick)[0]) <= 260 * (number + 1):
            assert arrived.acquire(timeout=60)
        assert len(set(seen)) == number
        allowed.release()
    allowed.release()
    dep.settle()
    assert list(dict.fromkeys(seen)) == [(1, 1), (261, 261), (521, 521)]
