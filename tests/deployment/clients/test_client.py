from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ActionCtx,
    ArgumentValidationError,
    ConvexError,
    DeploymentClosedError,
    DeploymentPausedError,
    DeterminismError,
    FunctionNotFoundError,
    MutationCtx,
    QueryCtx,
    ServerError,
    action,
    api,
    internal,
    internal_mutation,
    internal_query,
    mutation,
    pagination_opts,
    query,
)
from tests.functions.apps import SCHEMA, add_task, counter_value, list_tasks, open_app


@internal_query("secret:number")
def secret_number(ctx: QueryCtx) -> int:
    return 42


@internal_mutation("secret:write")
def secret_write(ctx: MutationCtx) -> None:
    ctx.db.insert("tasks", {"text": "secret", "done": False})


@action("public:act")
def act(ctx: ActionCtx, fails: bool = False) -> Any:
    ctx.run_mutation(secret_write)
    if fails:
        raise RuntimeError("the password is 1234")
    return ctx.run_query(internal.secret.number)


@mutation("public:refuse")
def refuse(ctx: MutationCtx, with_data: bool) -> None:
    ctx.db.insert("tasks", {"text": "gone", "done": False})
    if with_data:
        raise ConvexError({"code": "no"})
    raise RuntimeError("the password is 1234")


@query("public:ask")
def ask(ctx: QueryCtx, about: str) -> Any:
    if ctx.db.query("tasks").first() is not None:
        raise RuntimeError("the password is 1234")
    return about


@query("public:page", args={"pagination_opts": pagination_opts})
def page(ctx: QueryCtx, pagination_opts: Any) -> Any:
    return ctx.db.query("tasks").paginate(pagination_opts)


def open_with(mode: Any = "dev") -> Any:
    dep = convex_nb.open(mode=mode)
    dep.push(SCHEMA)
    dep.register(list_tasks, add_task, counter_value, secret_number, secret_write, act, refuse, ask, page)
    return dep


def test_a_client_calls_public_functions() -> None:
    with open_with() as dep:
        client = dep.client()
        assert client.query("tasks:list", {"done": False}) == []
        id = client.mutation(api.tasks.add, text="a")
        (task,) = client.query(list_tasks, done=False)
        assert (task["_id"], task["text"]) == (id, "a")
        assert client.action(act) == 42
        assert asyncio.run(client.action_async(act)) == 42
        kinds = {(record.path, record.caller) for record in dep.logs.executions}
        assert ("secret:number", "anonymous") in kinds
        assert repr(client) == "<Client for nobody: 0 queries followed>"


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_an_internal_function_is_as_if_it_were_not_there(mode: Any) -> None:
    with open_with(mode) as dep:
        client = dep.client()
        texts = set()
        for target in ("secret:number", "secret/number", secret_number, internal.secret.number, api.secret.number):
            with pytest.raises(FunctionNotFoundError) as caught:
                client.query(target)
            texts.add(str(caught.value))
        assert texts == {'Could not find public function for "secret:number".'} | (
            {'Could not find public function for "secret/number".'} & texts
        )
        with pytest.raises(FunctionNotFoundError) as caught:
            client.mutation("secret:number")
        assert str(caught.value) == 'Could not find public function for "secret:number".'
        with pytest.raises(FunctionNotFoundError) as caught:
            client.query("secret:numbers")
        assert str(caught.value) == 'Could not find public function for "secret:numbers".'
        assert "secret:number" not in caught.value.available
        with pytest.raises(FunctionNotFoundError, match='Did you mean "tasks:list"'):
            client.query("tasks:lists")
        with pytest.raises(FunctionNotFoundError, match="is a query, not a mutation"):
            client.mutation("tasks:list")
        with pytest.raises(FunctionNotFoundError, match="5 is no function"):
            client.query(5)
        assert dep.query("secret:number") == 42


def test_in_development_a_client_gets_the_error_itself() -> None:
    with open_with() as dep:
        client = dep.client()
        with pytest.raises(RuntimeError, match="the password is 1234") as caught:
            client.mutation(refuse, with_data=False)
        record = list(dep.logs.executions)[-1]
        assert f"[Request ID: {record.request_id}]" in caught.value.__notes__
        with pytest.raises(ArgumentValidationError) as bad:
            client.query(list_tasks, done="yes")
        assert "[Request ID: " in bad.value.__notes__[-1]


def test_in_production_it_gets_a_request_id_and_the_log_has_the_rest() -> None:
    with open_with("prod") as dep:
        client = dep.client()
        calls: dict[str, Callable[[], Any]] = {
            "M(public:refuse)": lambda: client.mutation(refuse, with_data=False),
            "A(public:act)": lambda: client.action(act, fails=True),
            "Q(public:ask)": lambda: client.query(ask, about="x"),
        }
        for name, call in calls.items():
            with pytest.raises(ServerError) as caught:
                call()
            record = list(dep.logs.executions)[-1]
            assert str(caught.value) == f"[CONVEX {name}] [Request ID: {record.request_id}] Server Error"
            assert (caught.value.__cause__, caught.value.__context__) == (None, None)
            assert record.error == "RuntimeError: the password is 1234"
            assert caught.value.request_id == record.request_id
        with pytest.raises(ServerError, match=r"\[CONVEX Q\(tasks:list\)\]"):
            client.query(list_tasks, done="yes")
        with pytest.raises(ServerError, match=r"\[CONVEX A\(public:act\)\]"):
            asyncio.run(client.action_async(act, fails=True))


def test_in_production_the_data_of_a_convex_error_arrives_and_nothing_else() -> None:
    with open_with("prod") as dep:
        with pytest.raises(ConvexError) as caught:
            dep.client().mutation(refuse, with_data=True)
        assert caught.value.data == {"code": "no"}
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert not hasattr(caught.value, "__notes__")
        assert caught.value.request_id == list(dep.logs.executions)[-1].request_id  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError, match="the password is 1234"):
            dep.mutation(refuse, with_data=False)


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_a_subscription_tells_of_errors_and_recovers(mode: Any) -> None:
    values: list[Any] = []
    errors: list[Exception] = []
    with open_with(mode) as dep:
        subscription = dep.client().subscribe(ask, {"about": "x"}, values.append, errors.append)
        id = dep.mutation(add_task, text="a")
        dep.mutation(add_task, text="b")
        assert (values, len(errors)) == (["x"], 1), "the same error again is no news"
        assert type(errors[0]) is (RuntimeError if mode == "dev" else ServerError)
        assert ("1234" in str(errors[0])) == (mode == "dev")
        assert (subscription.value, subscription.error) == ("x", errors[0])
        dep.transact(lambda db: [db.delete(task["_id"]) for task in db.query("tasks").collect()])
        assert (values, subscription.error) == (["x", "x"], None)
        assert id


def test_what_is_no_mode_is_refused() -> None:
    with pytest.raises(convex_nb.InvalidValueError, match='mode is "dev" or "prod", not \'production\''):
        convex_nb.open(mode="production")  # type: ignore[arg-type]


def test_all_that_a_client_follows_moves_together() -> None:
    seen: list[tuple[int, int]] = []
    with open_app() as dep:

        @query("tasks:count")
        def count(ctx: QueryCtx) -> int:
            return len(ctx.db.query("tasks").collect())

        dep.register(count)
        client = dep.client()
        listed = client.subscribe(list_tasks, {}, lambda value: None)
        counted = client.subscribe(count, {}, lambda value: seen.append((value, len(listed.value))))
        also = client.subscribe(list_tasks, {}, lambda value: seen.append((counted.value, len(value))))
        for text in "abc":
            client.mutation(add_task, text=text)
        assert set(seen) == {(n, n) for n in range(4)}
        assert "1 followers" not in repr(client._queries.get(client._queries.key_of(list_tasks, {})))
        listed.close()
        also.close()
        assert len(client._queries) == 1
        counted.close()
        assert len(client._queries) == 0
        assert dep.statistics().reactor.queries == 0


def test_writers_on_other_threads_never_show_two_moments() -> None:
    """A callback that compares two queries, while three threads commit."""
    seen: list[tuple[int, int]] = []
    with open_app() as dep:

        @query("tasks:count")
        def count(ctx: QueryCtx) -> int:
            return len(ctx.db.query("tasks").collect())

        dep.register(count)
        client = dep.client()
        queries = client._queries
        listed = client.subscribe(list_tasks, {}, lambda value: None)

        def look(value: int) -> None:
            # Another thread may be moving the client on just now.
            with queries._lock:
                values = {query.path: query.outcome.value for query in queries._queries.values()}
            if len(values) == 2:
                seen.append((values["tasks:count"], len(values["tasks:list"])))

        counted = client.subscribe(count, {}, look)
        threads = [
            threading.Thread(target=lambda: [dep.mutation(add_task, text="a") for _ in range(40)]) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        dep.settle()
        assert (counted.value, len(listed.value)) == (120, 120)
        assert [both for both in seen if both[0] != both[1]] == []
        assert seen == sorted(seen)
        dep.check()


def test_mutations_run_in_the_order_in_which_they_were_asked_for() -> None:
    """Threads share a client: what was shown first is committed first."""
    asked: list[str] = []
    with open_app() as dep:
        client = dep.client()
        shown = client.subscribe(list_tasks, {}, lambda value: None)

        def show(store: Any, args: dict[str, Any]) -> None:
            if args["text"] not in asked:
                asked.append(args["text"])
            store.set_query(list_tasks, {}, [*store.get_query(list_tasks), {"text": args["text"]}])

        def many(name: str) -> None:
            for number in range(20):
                client.mutation(add_task, text=f"{name}{number}", optimistic=show)

        threads = [threading.Thread(target=many, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        dep.settle()
        assert [task["text"] for task in dep.query(list_tasks)] == asked
        assert shown.value == dep.query(list_tasks)
        assert max(record.queue_length for record in dep.logs.executions) >= 1


def test_nobody_comes_between_an_update_and_its_place_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_app() as dep:
        client = dep.client()
        shown: list[str] = []
        take = client._turns.take
        others: list[threading.Thread] = []

        def show(store: Any, args: dict[str, Any]) -> None:
            if args["text"] not in shown:
                shown.append(args["text"])

        def add(text: str) -> None:
            client.mutation(add_task, text=text, optimistic=show)

        def slowly() -> Any:
            if not others:
                others.append(threading.Thread(target=add, args=("second",)))
                others[0].start()
                # Long enough for the other thread to overtake, if it can.
                others[0].join(0.2)
            return take()

        monkeypatch.setattr(client._turns, "take", slowly)
        add("first")
        others[0].join(30)
        assert [task["text"] for task in dep.query(list_tasks)] == shown == ["first", "second"]


def test_a_mutation_waits_for_those_before_it_but_actions_do_not() -> None:
    begun, go = threading.Event(), threading.Event()
    done: list[str] = []

    @mutation("m:waits")
    def waits(ctx: MutationCtx) -> None:
        begun.set()
        assert go.wait(30)

    with open_with() as dep:
        dep.register(waits)
        client = dep.client()

        def run(name: str, function: Any, **args: Any) -> None:
            client.mutation(function, args)
            done.append(name)

        first = threading.Thread(target=run, args=("first", waits))
        first.start()
        assert begun.wait(30)
        second = threading.Thread(target=run, args=("second", add_task), kwargs={"text": "b"})
        second.start()
        assert client.action(act) == 42
        assert dep.client().mutation(add_task, text="another client's")
        assert client.query(list_tasks) == dep.query(list_tasks)
        assert done == []
        go.set()
        first.join(30)
        second.join(30)
        assert set(done) == {"first", "second"}
        queue = {record.path: record.queue_length for record in dep.logs.executions if record.caller == "anonymous"}
        assert queue["m:waits"] == 1


def test_a_mutation_that_calls_its_own_client_is_told_so() -> None:
    with open_app() as dep:
        client = dep.client()

        @mutation("m:calls")
        def calls(ctx: MutationCtx) -> None:
            client.mutation(add_task, text="a")

        dep.register(calls)
        with pytest.raises(DeterminismError, match="Call it with `ctx"):
            client.mutation(calls)
        assert client.mutation(add_task, text="b")


def test_a_callback_may_call_its_client() -> None:
    with open_app() as dep:
        client = dep.client()
        subscription = client.subscribe(
            list_tasks, {}, lambda value: client.mutation(add_task, text="more") if 0 < len(value) < 3 else None
        )
        client.mutation(add_task, text="first")
        assert len(subscription.value) == 3


def test_a_client_that_is_closed_says_so_and_follows_nothing() -> None:
    seen: list[Any] = []
    with open_app() as dep:
        with dep.client({"subject": "ada"}) as client:
            client.subscribe(list_tasks, {}, seen.append)
            assert client.identity is not None
            assert client.identity["subject"] == "ada"
        dep.mutation(add_task, text="a")
        assert len(seen) == 1
        assert dep.statistics().reactor.queries == 0
        for call in (client.query, client.mutation, client.action, client.paginated):
            with pytest.raises(DeploymentClosedError, match="This client was closed"):
                call(list_tasks)
        assert repr(client).endswith(", closed: 0 queries followed>")
        client.close()
        other = dep.client()
        dep.pause()
        with pytest.raises(DeploymentPausedError):
            other.query(list_tasks)
        dep.resume()
        followed = other.subscribe(list_tasks, {}, seen.append)
    assert followed.closed
    with pytest.raises(DeploymentClosedError):
        other.query(list_tasks)
    with pytest.raises(DeploymentClosedError):
        dep.client()


def test_pages_of_a_client_follow_commits() -> None:
    with open_with() as dep:
        for n in range(5):
            dep.mutation(add_task, text=str(n))
        client = dep.client({"subject": "ada"})
        pages = client.paginated(page, 2)
        assert ([task["text"] for task in pages.results], pages.status) == (["0", "1"], "CanLoadMore")
        assert pages.load_more()
        assert pages.load_more(10)
        assert ([task["text"] for task in pages.results], pages.status) == (list("01234"), "Exhausted")
        client.mutation(add_task, text="5")
        assert [task["text"] for task in pages.results] == list("012345")
        dep.transact(lambda db: db.delete(pages.results[2]["_id"]))
        assert [task["text"] for task in pages.results] == list("01345")
        pages.close()
        client.mutation(add_task, text="6")
        assert [task["text"] for task in pages.results] == list("01345")
        assert dep.statistics().reactor.queries == 0
        assert len(client.paginated(page, num_items=3).results) == 3
        with pytest.raises(convex_nb.InvalidValueError, match="is not paginated"):
            client.paginated(list_tasks)
