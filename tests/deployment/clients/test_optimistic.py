from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import convex_nb
from convex_nb import (
    UNDEFINED,
    Deployment,
    FunctionNotFoundError,
    MutationCtx,
    QueryCtx,
    insert_at_bottom_if_loaded,
    insert_at_position,
    insert_at_top,
    mutation,
    pagination_opts,
    query,
    v,
)
from convex_nb.deployment.clients.optimistic import OptimisticStore, Pending
from tests.functions.apps import SCHEMA, add_task, list_tasks, open_app


@query("tasks:texts")
def texts(ctx: QueryCtx) -> Any:
    return [task["text"] for task in ctx.db.query("tasks").collect()]


@query("tasks:count")
def count(ctx: QueryCtx) -> int:
    return len(ctx.db.query("tasks").collect())


@mutation("tasks:fail")
def fail(ctx: MutationCtx, text: str) -> None:
    ctx.db.insert("tasks", {"text": text, "done": False})
    raise ValueError("no")


@mutation("tasks:nothing")
def nothing(ctx: MutationCtx, text: str) -> None: ...


def show(store: OptimisticStore, args: dict[str, Any]) -> None:
    store.set_query(texts, {}, [*store.get_query(texts), args["text"]])
    store.set_query(count, {}, store.get_query(count) + 1)


def open_texts() -> Deployment:
    dep = open_app()
    dep.register(texts, count, fail, nothing)
    return dep


def test_what_a_mutation_will_do_is_seen_before_it_runs() -> None:
    seen: list[Any] = []
    order: list[str] = []
    with open_texts() as dep:

        @mutation("tasks:slow")
        def slow(ctx: MutationCtx, text: str) -> None:
            order.append("handler")
            ctx.db.insert("tasks", {"text": text.upper(), "done": False})

        dep.register(slow)
        client = dep.client()
        counted = client.subscribe(count, {}, lambda value: order.append(f"count {value}"))

        def look(value: Any) -> None:
            seen.append(value)
            order.append("texts")

        subscription = client.subscribe(texts, {}, look)
        order.clear()
        client.mutation(slow, text="a", optimistic=show)
        assert seen == [[], ["a"], ["A"]]
        assert order == ["count 1", "texts", "handler", "texts"], "the count was right and is not announced again"
        assert (subscription.value, counted.value) == (["A"], 1)
        assert client.query(texts) == ["A"]


@pytest.mark.parametrize("function", [fail, nothing])
def test_what_did_not_happen_is_taken_back(function: Any) -> None:
    seen: list[Any] = []
    with open_texts() as dep:
        client = dep.client()
        client.subscribe(count, {}, lambda value: None)
        client.subscribe(texts, {}, seen.append)
        if function is fail:
            with pytest.raises(ValueError, match="no"):
                client.mutation(function, text="a", optimistic=show)
        else:
            client.mutation(function, text="a", optimistic=show)
        assert seen == [[], ["a"], []]
        assert client._queries._pending == []


def test_an_update_that_raises_stops_the_mutation() -> None:
    seen: list[Any] = []

    def broken(store: OptimisticStore, args: dict[str, Any]) -> None:
        store.set_query(texts, {}, ["half"])
        raise KeyError("oops")

    with open_texts() as dep:
        client = dep.client()
        client.subscribe(texts, {}, seen.append)
        with pytest.raises(KeyError, match="oops"):
            client.mutation(add_task, text="a", optimistic=broken)
        with pytest.raises(FunctionNotFoundError):
            client.mutation(add_task, text="a", optimistic=lambda store, args: store.get_query("tasks:absent"))
        with pytest.raises(convex_nb.InvalidValueError, match="set"):
            client.mutation(add_task, text="a", optimistic=lambda store, args: store.set_query(texts, {}, {1, 2}))
        with pytest.raises(convex_nb.ArgumentValidationError):
            client.mutation(add_task, text=5, optimistic=show)

        async def later(store: OptimisticStore, args: dict[str, Any]) -> None: ...

        with pytest.raises(convex_nb.InvalidValueError, match="is a plain `def`"):
            client.mutation(add_task, text="a", optimistic=later)
        with pytest.raises(convex_nb.InvalidValueError, match="new result, not 5"):
            client.mutation(add_task, text="a", optimistic=5)  # type: ignore[arg-type]
        assert seen == [[]]
        assert dep.query(texts) == []
        client.mutation(add_task, text="b")
        assert seen == [[], ["b"]]


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_the_error_of_an_update_is_the_callers_own(mode: Any) -> None:
    def broken(store: OptimisticStore, args: dict[str, Any]) -> None:
        raise KeyError("oops")

    with convex_nb.open(mode=mode) as dep, pytest.raises(KeyError, match="oops") as caught:
        dep.client().mutation(add_task, text="a", optimistic=broken)
    assert caught.value.__notes__ == ['The optimistic update of "tasks:add" raised this: the mutation did not run.']


def test_an_update_that_raises_later_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def brittle(store: OptimisticStore, args: dict[str, Any]) -> None:
        calls.append(1)
        store.set_query(texts, {}, ["mine"])
        if len(calls) > 1:
            raise KeyError("oops")

    with open_texts() as dep, caplog.at_level(logging.ERROR):
        client = dep.client()
        subscription = client.subscribe(texts, {}, lambda value: None)
        pending = Pending(brittle, {})
        client._queries.expect(pending)()
        assert subscription.value == ["mine"]
        dep.mutation(add_task, text="theirs")
        assert subscription.value == ["theirs"]
        assert "an optimistic update raised" in caplog.text


def test_what_is_loaded_and_what_is_not() -> None:
    found: list[Any] = []

    def look(store: OptimisticStore, args: dict[str, Any]) -> None:
        found.append(store.get_query(list_tasks))
        found.append(store.get_query("tasks:list", {"done": True}))
        found.append(store.get_query(list_tasks, done=False))
        found.append([each["args"] for each in store.get_all_queries("tasks:list")])
        store.set_query(list_tasks, {"done": True}, [{"text": "nobody sees it"}])
        found.append(store.get_query(list_tasks, done=True))
        task = store.get_query(list_tasks, done=False)
        task.append("changed in place")
        args["text"] = "changed in place"
        found.append(len(store.get_query(list_tasks, done=False)))

    with open_texts() as dep:
        client = dep.client()
        dep.mutation(add_task, text="a")
        client.subscribe(list_tasks, {"done": False}, lambda value: None)
        client.mutation(add_task, text="b", optimistic=look)
        assert found[:2] == [UNDEFINED, UNDEFINED], "other arguments than those that are followed"
        assert [task["text"] for task in found[2]] == ["a"]
        assert found[3:6] == [[{"done": False}], [{"text": "nobody sees it"}], 1]
        assert dep.query(texts) == ["a", "b"]


def test_a_query_that_fails_is_not_loaded_and_can_be_given_a_value() -> None:
    values: list[Any] = []
    errors: list[Exception] = []
    found: list[Any] = []

    @query("tasks:strict")
    def strict(ctx: QueryCtx) -> Any:
        assert ctx.db.query("tasks").first() is not None
        return "good"

    def mend(store: OptimisticStore, args: dict[str, Any]) -> None:
        found.append(store.get_query(strict))
        store.set_query(strict, {}, "soon")

    with open_texts() as dep:
        dep.register(strict)
        client = dep.client()
        subscription = client.subscribe(strict, {}, values.append, errors.append)
        assert len(errors) == 1
        client.mutation(add_task, text="a", optimistic=mend)
        assert (found[0], values, subscription.error) == (UNDEFINED, ["soon", "good"], None)


def test_a_result_may_be_loading_again() -> None:
    seen: list[Any] = []
    with open_texts() as dep:
        client = dep.client()
        client.subscribe(texts, {}, seen.append)
        client.mutation(add_task, text="a", optimistic=lambda store, args: store.set_query(texts, {}, UNDEFINED))
        assert seen == [[], UNDEFINED, ["a"]]


def test_clients_do_not_see_one_anothers_updates() -> None:
    seen: list[Any] = []
    with open_texts() as dep:
        one, other = dep.client(), dep.client()
        one.subscribe(count, {}, lambda value: None)
        one.subscribe(texts, {}, lambda value: None)
        other.subscribe(texts, {}, seen.append)
        one.mutation(add_task, text="a", optimistic=lambda store, args: store.set_query(texts, {}, ["?"]))
        assert seen == [[], ["a"]]


def test_updates_of_waiting_mutations_lie_on_one_another_and_on_what_others_do() -> None:
    begun, go = threading.Event(), threading.Event()

    @mutation("tasks:wait")
    def wait(ctx: MutationCtx, text: str) -> None:
        begun.set()
        assert go.wait(30)
        ctx.db.insert("tasks", {"text": text, "done": False})

    with open_texts() as dep:
        dep.register(wait)
        client = dep.client()
        counted = client.subscribe(count, {}, lambda value: None)
        subscription = client.subscribe(texts, {}, lambda value: None)
        first = threading.Thread(target=lambda: client.mutation(wait, text="1", optimistic=show))
        first.start()
        assert begun.wait(30)
        second = threading.Thread(target=lambda: client.mutation(add_task, text="2", optimistic=show))
        second.start()
        pause = threading.Event()
        while len(client._queries._pending) < 2:
            pause.wait(0.01)
        assert (subscription.value, counted.value) == (["1", "2"], 2)
        dep.mutation(add_task, text="theirs")
        assert (subscription.value, counted.value) == (["theirs", "1", "2"], 3)
        go.set()
        first.join(30)
        second.join(30)
        assert (subscription.value, counted.value) == (["theirs", "1", "2"], 3)
        assert client._queries._pending == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(["push", "shift", "clear", "double"]), st.integers(0, 99)),
        st.tuples(st.sampled_from(["commit", "fail", "empty"]), st.integers(0, 5), st.integers(0, 99)),
        st.tuples(st.sampled_from(["theirs", "their removal"]), st.integers(0, 5), st.integers(0, 99)),
    ),
    max_size=25,
)
CHANGES: dict[str, Callable[[list[Any], Any], list[Any]]] = {
    "push": lambda values, text: [*values, text],
    "shift": lambda values, text: values[1:],
    "clear": lambda values, text: [text],
    "double": lambda values, text: values[:20] * 2,
}


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_what_a_client_sees_is_the_truth_under_the_updates_that_are_not_in_it_yet(steps: list[Any]) -> None:
    with open_texts() as dep:
        client = dep.client()
        seen: list[Any] = []
        listed = client.subscribe(texts, {}, seen.append)
        counted = client.subscribe(count, {}, lambda value: None)
        pending: list[tuple[str, str, Pending]] = []

        def update_of(change: str) -> Callable[[OptimisticStore, dict[str, Any]], None]:
            def update(store: OptimisticStore, args: dict[str, Any]) -> None:
                values = CHANGES[change](store.get_query(texts), args["text"])
                store.set_query(texts, {}, values)
                store.set_query(count, {}, len(values))

            return update

        for step, which, number in steps:
            text = str(number)
            announced = len(seen)
            if step == "ask":
                waiting = Pending(update_of(which), {"text": text})
                client._queries.expect(waiting)()
                pending.append((which, text, waiting))
            elif step == "theirs":
                dep.mutation(add_task, text=text)
            elif step == "their removal":
                dep.transact(lambda db: [db.delete(task["_id"]) for task in db.query("tasks").take(1)])
            elif pending:
                _, text, waiting = pending.pop(which % len(pending))
                committed_at: int | None = None
                if step == "commit":
                    # Its effect may be seen before it is known to be its own.
                    waiting.is_committing = True
                    dep.mutation(add_task, text=text)
                    committed_at = dep.timestamp
                client._queries.settle(waiting, 0 if step == "empty" else committed_at)
                client._queries.arrive(committed_at or 0)
            expected = dep.query(texts)
            for change, text, _ in pending:
                expected = CHANGES[change](expected, text)
            assert listed.value == expected
            assert counted.value == len(expected)
            assert seen[-1] == expected
            assert len(seen) <= announced + 1, "an effect and its update never lie on one another"
        for before, after in itertools.pairwise(seen):
            assert before != after, "the same is not announced twice"


# -- paginated queries -------------------------------------------------------------------------------------------


@query("numbers:page", args={"pagination_opts": pagination_opts, "order": v.optional(v.string())})
def page(ctx: QueryCtx, pagination_opts: Any, order: Any = "asc") -> Any:
    return ctx.db.query("counters").with_index("by_value").order(order).paginate(pagination_opts)


@mutation("numbers:add")
def add(ctx: MutationCtx, value: float) -> Any:
    seen_then.append([each["value"] for each in watched.results] if watched is not None else [])
    return ctx.db.insert("counters", {"name": "n", "value": value})


seen_then: list[list[float]] = []
watched: Any = None


def open_numbers(values: list[int]) -> Deployment:
    dep = convex_nb.open()
    tables = dict(SCHEMA.tables)
    dep.push(convex_nb.define_schema({**tables, "counters": tables["counters"].index("by_value", ["value"])}))
    dep.register(page, add)
    for value in values:
        dep.transact(lambda db, value=value: db.insert("counters", {"name": "n", "value": value}))  # type: ignore[misc]
    return dep


def shown_during(client: Any, pages: Any, value: float, update: Any) -> list[float]:
    """What the pages show while a number is being added."""
    global watched
    watched = pages
    seen_then.clear()
    client.mutation(add, value=value, optimistic=update)
    watched = None
    return seen_then[-1]


def values_of(pages: Any) -> list[float]:
    return [each["value"] for each in pages.results]


@pytest.mark.parametrize(
    ("value", "loads", "expected"),
    [
        (0, 0, [0, 10, 20]),
        (15, 0, [10, 15, 20]),
        (25, 0, [10, 20]),
        (25, 1, [10, 20, 25, 30, 40]),
        (45, 1, [10, 20, 30, 40]),
        (60, 2, [10, 20, 30, 40, 50, 60]),
        (20, 0, [10, 20]),
    ],
)
def test_an_item_goes_where_it_belongs_if_that_is_loaded(value: int, loads: int, expected: list[int]) -> None:
    with open_numbers([10, 20, 30, 40, 50]) as dep:
        client = dep.client()
        pages = client.paginated(page, 2)
        for _ in range(loads):
            assert pages.load_more()

        def update(store: OptimisticStore, args: dict[str, Any]) -> None:
            insert_at_position(store, page, {"value": args["value"]}, "asc", lambda item: item["value"])

        assert shown_during(client, pages, value, update) == expected
        truth = sorted([10, 20, 30, 40, 50, value])
        assert values_of(pages) == truth[: len(pages.results)]


def test_the_other_order_and_the_ends() -> None:
    with open_numbers([10, 20, 30]) as dep:
        client = dep.client()
        down = client.paginated(page, 2, order="desc")
        assert values_of(down) == [30, 20]

        def place(store: OptimisticStore, args: dict[str, Any]) -> None:
            insert_at_position(
                store, page, {"value": args["value"]}, "desc", lambda item: [item["value"]], {"order": "desc"}
            )

        assert shown_during(client, down, 25, place) == [30, 25, 20]

        def top(store: OptimisticStore, args: dict[str, Any]) -> None:
            insert_at_top(store, page, {"value": args["value"]}, {"order": "desc"})
            insert_at_top(store, page, {"value": 1000}, {"order": "asc"})

        assert shown_during(client, down, 40, top) == [40, 30, 25, 20]

        def bottom(store: OptimisticStore, args: dict[str, Any]) -> None:
            insert_at_bottom_if_loaded(store, page, {"value": args["value"]})

        assert shown_during(client, down, 1, bottom) == [40, 30, 25, 20], "its end is not loaded"
        while down.load_more():
            pass
        assert shown_during(client, down, 0, bottom) == [40, 30, 25, 20, 10, 1, 0]
        assert values_of(down) == [40, 30, 25, 20, 10, 1, 0]


def test_two_that_show_the_same_pages_both_change() -> None:
    with open_numbers([10, 20, 30]) as dep:
        client = dep.client()
        one, other = client.paginated(page, 2), client.paginated(page, 5)
        found: list[list[float]] = []

        def top(store: OptimisticStore, args: dict[str, Any]) -> None:
            insert_at_top(store, page, {"value": args["value"]})

        found.append(shown_during(client, one, 5, top))
        found.append(shown_during(client, other, 4, top))
        assert found == [[5, 10, 20], [4, 5, 10, 20, 30]]


def test_a_wrong_order_is_refused() -> None:
    with open_numbers([]) as dep, pytest.raises(convex_nb.InvalidValueError, match='sort_order is "asc" or "desc"'):
        dep.client().mutation(
            add,
            value=1,
            optimistic=lambda store, args: insert_at_position(store, page, {}, "up", lambda item: 0),  # type: ignore[arg-type]
        )
