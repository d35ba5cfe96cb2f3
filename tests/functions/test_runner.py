from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import convex_nb
from convex_nb import (
    UNDEFINED,
    ArgumentValidationError,
    ConvexError,
    Deployment,
    InvalidValueError,
    LimitError,
    MutationCtx,
    QueryCtx,
    ReadOnlyError,
    ReturnValidationError,
    WriteConflictError,
    action,
    mutation,
    query,
    v,
)
from convex_nb.engine.reading.reader import DatabaseReader
from convex_nb.functions import runner
from convex_nb.functions.execution import Execution
from convex_nb.functions.runner import NOTHING_WRITTEN, RETRIES
from convex_nb.language.limits import Limits
from convex_nb.testing import ConvexTest
from tests.functions.apps import SCHEMA, add_task, add_to_counter, counter_value, list_tasks, open_app


def tasks(dep: Deployment) -> list[str]:
    return [task["text"] for task in dep.query(list_tasks)]


# -- arguments and results


@pytest.mark.parametrize(
    ("args", "error", "says"),
    [
        ({}, ArgumentValidationError, "text"),
        ({"text": 1}, ArgumentValidationError, r"Path: \.text"),
        ({"text": "a", "extra": 1}, ArgumentValidationError, "extra"),
        ({"text": {1, 2}}, (ArgumentValidationError, InvalidValueError), "text"),
        ({"text": "\ud800"}, InvalidValueError, '"tasks:add", which did not run'),
        ([1], InvalidValueError, "as one dict"),
        ("text", InvalidValueError, "as one dict"),
    ],
)
def test_bad_arguments_are_refused_before_the_function_runs(args: Any, error: Any, says: str) -> None:
    with open_app() as dep:
        with pytest.raises(error, match=says):
            dep.mutation(add_task, args)
        with pytest.raises(error):
            dep.transact(lambda db: dep.mutation("tasks:add", args))
        assert tasks(dep) == []


def test_arguments_by_dict_by_name_or_both() -> None:
    with open_app() as dep:
        dep.mutation(add_task, {"text": "a"})
        dep.mutation(add_task, text="b", done=False)
        dep.mutation(add_task, {"text": "c"}, done=False)
        dep.mutation(add_task, {"text": "d", "done": UNDEFINED})
        with pytest.raises(InvalidValueError, match="`text` twice"):
            dep.mutation(add_task, {"text": "e"}, text="f")
        assert tasks(dep) == ["a", "b", "c", "d"]


async def _coroutine() -> None: ...


class Unknown:
    pass


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda: _coroutine(), "a coroutine"),
        (lambda: (x for x in "abc"), r"Write `list\(\.\.\.\)`"),
        (lambda: pd.DataFrame({"a": [1]}), "to_dict"),
        (lambda: {1, 2}, "list"),
        (lambda: {"a": [0, {"b": Unknown()}]}, r"Path: \.a\[1\]\.b"),
        (lambda: 2**60, "Int64"),
        (lambda: {1: "a"}, "keys are strings"),
    ],
)
@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_what_is_no_value_cannot_be_returned(kind: str, value: Any, says: str) -> None:
    def answer(ctx: MutationCtx) -> Any:
        if kind == "mutation":
            ctx.db.insert("tasks", {"text": "a", "done": False})
        return value()

    with open_app() as dep:
        with pytest.raises(InvalidValueError, match=says) as raised:
            dep.query(query(answer)) if kind == "query" else dep.mutation(mutation(answer))
        assert '"answer" returned' in str(raised.value)
        assert tasks(dep) == []


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(None, None), (UNDEFINED, None), ((1, (2.5, "x")), [1, [2.5, "x"]]), ({"a": UNDEFINED, "b": 1}, {"b": 1})],
)
def test_results_are_normalised(returned: Any, expected: Any) -> None:
    with open_app() as dep:
        assert dep.query(query(lambda ctx: returned)) == expected
        assert dep.mutation(mutation(lambda ctx: returned)) == expected


def test_a_result_that_its_validator_refuses_rolls_the_mutation_back() -> None:
    @mutation("tasks:promise", returns=v.number())
    def promise(ctx: MutationCtx) -> Any:
        ctx.db.insert("tasks", {"text": "a", "done": False})
        return "text"

    with open_app() as dep:
        with pytest.raises(ReturnValidationError, match="tasks:promise"):
            dep.mutation(promise)
        assert tasks(dep) == []


def test_nobody_shares_a_mutable_container_with_anybody() -> None:
    kept: list[Any] = []

    @mutation
    def mutates(ctx: MutationCtx, items: list[Any]) -> Any:
        items.append("mine")
        kept.append(items)
        return items

    @query
    def answers(ctx: QueryCtx) -> Any:
        return {"items": [1]}

    with open_app() as dep:
        given = ["yours"]
        result = dep.mutation(mutates, items=given)
        assert (given, result, kept) == (["yours"], ["yours", "mine"], [["yours", "mine"]])
        assert result is not kept[0]
        dep.query(answers)["items"].append(2)
        assert dep.query(answers) == {"items": [1]}


def test_documents_in_results_are_shared_not_copied() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        assert dep.query(list_tasks)[0] is dep.query(list_tasks)[0]


# -- errors


class OwnError(Exception):
    pass


def test_an_error_of_user_code_arrives_as_it_was_raised() -> None:
    error = OwnError("mine")

    def helper() -> None:
        raise error

    @mutation
    def fails(ctx: MutationCtx) -> None:
        ctx.db.insert("tasks", {"text": "a", "done": False})
        helper()

    with open_app() as dep:
        for _ in range(2):
            with pytest.raises(OwnError) as raised:
                dep.mutation(fails)
            assert raised.value is error
            assert error.__notes__ == [NOTHING_WRITTEN]
        assert tasks(dep) == []
        functions = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        # What is below the call is the user's own; only the way out to the caller is ours.
        assert functions[-2:] == ["fails", "helper"]


def test_application_errors_carry_data() -> None:
    @query
    def refuses(ctx: QueryCtx) -> None:
        raise ConvexError({"code": "late", "by": 3})

    with open_app() as dep, pytest.raises(ConvexError) as raised:
        dep.query(refuses)
    assert raised.value.data == {"code": "late", "by": 3}


def test_an_error_that_cannot_be_shown_arrives_all_the_same() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fails(ctx: QueryCtx) -> None:
        raise MuteError

    with open_app() as dep:
        with pytest.raises(MuteError):
            dep.query(query(fails))
        with pytest.raises(MuteError):
            dep.mutation(mutation(fails))
        assert isinstance(dep.subscribe(query(fails), {}, lambda value: None).error, MuteError)
        assert {record.error for record in dep.logs.executions} == {"MuteError: "}


def test_contexts_list_their_services() -> None:
    with open_app() as dep:
        listed = {kind: dir_of(dep) for kind, dir_of in LISTINGS.items()}
    assert {"auth", "db", "env", "now", "random", "run_query", "storage"} <= set(listed["query"])
    assert "scheduler" not in listed["query"]
    assert {"db", "env", "scheduler", "run_mutation"} <= set(listed["mutation"])
    assert {"env", "scheduler", "run_action", "vector_search"} <= set(listed["action"])
    assert "db" not in listed["action"]


LISTINGS: dict[str, Callable[[Deployment], list[str]]] = {
    "query": lambda dep: dep.query(query(lambda ctx: dir(ctx))),
    "mutation": lambda dep: dep.mutation(mutation(lambda ctx: dir(ctx))),
    "action": lambda dep: dep.action(action(lambda ctx: dir(ctx))),
}


def test_a_query_cannot_write() -> None:
    @query
    def writes(ctx: Any) -> None:
        ctx.db.insert("tasks", {"text": "a", "done": False})

    with open_app() as dep, pytest.raises(ReadOnlyError, match=r"Nothing was written\. Write in a mutation") as caught:
        dep.query(writes)
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(DatabaseReader, "insert")


def test_a_context_that_was_kept_is_dead() -> None:
    kept: list[Any] = []

    @mutation
    def keeps(ctx: MutationCtx, fail: bool = False) -> None:
        kept.append(ctx.db)
        if fail:
            raise OwnError

    with open_app() as dep:
        dep.mutation(keeps)
        with pytest.raises(OwnError):
            dep.mutation(keeps, fail=True)
        dep.query(query(lambda ctx: kept.append(ctx.db)))
        with dep.transaction() as db:
            kept.append(db)
        assert len(kept) == 4
        for db in kept:
            with pytest.raises(ReadOnlyError, match="is over"):
                db.query("tasks").collect()


def test_a_query_object_that_was_kept_is_dead() -> None:
    kept: list[Any] = []

    def keeps(db: Any) -> None:
        db.insert("tasks", {"text": "uncommitted", "done": False})
        kept.extend([db.query("tasks"), iter(db.query("tasks")), db.query("tasks").filter(lambda q: True)])
        raise OwnError

    with open_app() as dep:
        with pytest.raises(OwnError):
            dep.transact(keeps)
        with pytest.raises(OwnError), dep.transaction() as db:
            keeps(db)
        dep.query(query(lambda ctx: kept.append(ctx.db.query("tasks"))))
        assert len(kept) == 7
        for each in kept:
            with pytest.raises(ReadOnlyError, match="is over"):
                list(each)
        assert tasks(dep) == []


def test_an_interrupt_ends_the_call_and_writes_nothing() -> None:
    @mutation
    def interrupted(ctx: MutationCtx) -> None:
        ctx.db.insert("tasks", {"text": "a", "done": False})
        raise KeyboardInterrupt

    with open_app() as dep:
        with pytest.raises(KeyboardInterrupt):
            dep.mutation(interrupted)
        assert tasks(dep) == []
        with pytest.raises(KeyboardInterrupt):
            dep.query(query(lambda ctx: (_ for _ in ()).throw(KeyboardInterrupt)))


# -- time and chance


def test_time_stands_still_and_chance_is_each_calls_own() -> None:
    seen: list[Any] = []

    @mutation
    def looks(ctx: MutationCtx) -> None:
        before = ctx.now()
        test.advance(5)
        seen.append((before, ctx.now(), ctx.random.random(), ctx.random.random()))
        ctx.run_query(query(lambda inner: seen.append(inner.now())))

    with ConvexTest(SCHEMA) as test:
        start = test.clock.now
        test.mutation(looks)
        test.mutation(looks)
    (first, nested, second, _) = seen
    assert first[0] == first[1] == nested == start
    assert second[0] == start + 5
    assert len({*first[2:], *second[2:]}) == 4


# -- conflicts


def test_a_conflict_runs_the_mutation_again() -> None:
    attempts: list[int] = []
    frozen: set[tuple[float, float]] = set()

    @mutation("counters:slow")
    def slow(ctx: MutationCtx, names: list[str]) -> Any:
        value = ctx.run_query(counter_value, name="n")
        attempts.append(value)
        frozen.add((ctx.now(), ctx.random.random()))
        print("attempt", len(attempts))
        names.append("changed by the handler")
        if len(attempts) <= 2:
            dep.mutation(add_to_counter, name="n")
        return [ctx.run_mutation(add_to_counter, name="n", by=10), len(names)]

    with open_app() as dep:
        dep.mutation(add_to_counter, name="n")
        assert dep.mutation(slow, names=[]) == [13, 1]
        assert attempts == [1, 2, 3]
        assert len(frozen) == 1
        assert dep.query(counter_value, name="n") == 13
        record = [each for each in dep.logs.executions if each.path == "counters:slow"]
        assert [(each.status, each.retries) for each in record] == [("success", 2)]
        assert [line.message for line in dep.logs if line.path == "counters:slow"] == ["attempt 3"]
        assert dep.statistics().retries == 2


@pytest.mark.parametrize("other", ["counters:add", "counters:slow"])
def test_a_mutation_gives_up_after_four_retries(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    attempts: list[None] = []

    @mutation("counters:slow")
    def slow(ctx: MutationCtx, name: str, by: int, quick: bool = False) -> None:
        counter = ctx.db.query("counters").with_index("by_name", name=name).unique()
        assert counter is not None
        if not quick:
            attempts.append(None)
            rest = {"quick": True} if other == "counters:slow" else {}
            dep.mutation(other, name=name, by=1, **rest)
        ctx.db.patch(counter["_id"], {"value": counter["value"] + by})

    with open_app() as dep:
        dep.register(slow)
        dep.mutation(add_to_counter, name="n")
        monkeypatch.setattr(dep._runner, "_sleep", waits.append)
        with pytest.raises(WriteConflictError) as raised:
            dep.mutation(slow, name="n", by=100)
        assert len(attempts) == RETRIES + 1
        assert len(waits) == RETRIES
        assert all(0 <= wait <= 2 for wait in waits)
        error = raised.value
        id = dep.table("counters").df()["_id"][0]
        assert (error.table, error.document_id) == ("counters", id)
        who = 'A call to "counters:add"' if other == "counters:add" else "Another call to this mutation"
        assert str(error) == (
            'Documents read from or written to the table "counters" changed while this mutation was being run and on '
            f'every subsequent retry. {who} changed the document with ID "{id}".'
        )
        assert error.__notes__ == [NOTHING_WRITTEN]
        assert dep.query(counter_value, name="n") == 1 + RETRIES + 1


def test_a_mutation_that_only_read_never_conflicts() -> None:
    @mutation
    def reads(ctx: MutationCtx) -> Any:
        value = ctx.run_query(counter_value, name="n")
        dep.mutation(add_to_counter, name="n")
        return value

    with open_app() as dep:
        dep.mutation(add_to_counter, name="n")
        assert dep.mutation(reads) == 1
        assert dep.statistics().retries == 0


def test_parallel_appends_all_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    # The same thread may lose to the others more often than a mutation is run again.
    monkeypatch.setattr(runner, "RETRIES", 100)
    with open_app() as dep:
        threads = [threading.Thread(target=dep.mutation, args=(add_to_counter, {"name": "n"})) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert dep.query(counter_value, name="n") == 10


# -- functions inside functions


def test_a_failed_sub_mutation_undoes_its_own_writes_only() -> None:
    @mutation
    def fails(ctx: MutationCtx, text: str) -> None:
        ctx.db.insert("tasks", {"text": text, "done": False})
        for task in ctx.db.query("tasks").collect():
            ctx.db.patch(task["_id"], {"text": "overwritten"})
        raise OwnError

    @mutation
    def outer(ctx: MutationCtx) -> Any:
        ctx.run_mutation(add_task, text="before")
        with pytest.raises(OwnError):
            ctx.run_mutation(fails, text="lost")
        assert [task["text"] for task in ctx.run_query(list_tasks)] == ["before"]
        ctx.run_mutation(add_task, {"text": "after"})
        return len(ctx.run_query("tasks:list"))

    with open_app() as dep:
        assert dep.mutation(outer) == 2
        assert tasks(dep) == ["before", "after"]


def test_what_a_failed_sub_mutation_read_still_counts() -> None:
    attempts: list[None] = []

    @mutation
    def looks(ctx: MutationCtx) -> None:
        ctx.db.query("counters").collect()
        raise OwnError

    @mutation
    def outer(ctx: MutationCtx) -> None:
        attempts.append(None)
        with pytest.raises(OwnError):
            ctx.run_mutation(looks)
        if len(attempts) == 1:
            dep.mutation(add_to_counter, name="n")
        ctx.db.insert("tasks", {"text": "a", "done": False})

    with open_app() as dep:
        dep.mutation(outer)
        assert len(attempts) == 2


def test_nested_calls_are_checked_like_any_other() -> None:
    @query
    def outer(ctx: QueryCtx, args: dict[str, Any]) -> Any:
        return ctx.run_query("tasks:list", args)

    with open_app() as dep:
        with pytest.raises(ArgumentValidationError, match="tasks:list"):
            dep.query(outer, args={"done": 1})
        with pytest.raises(convex_nb.FunctionNotFoundError, match="is a mutation"):
            dep.query(query(lambda ctx: ctx.run_query("tasks:add", text="a")))
        with pytest.raises(AttributeError, match="A query only reads"):
            dep.query(query(lambda ctx: ctx.run_mutation("tasks:add", text="a")))


def test_endless_recursion_is_an_error() -> None:
    @query("m:deep")
    def deep(ctx: QueryCtx, n: int = 0) -> Any:
        return n if n == 60 else ctx.run_query("m:deep", n=n + 1)

    @query("m:endless")
    def endless(ctx: QueryCtx) -> Any:
        return ctx.run_query("m:endless")

    with open_app() as dep:
        dep.register(deep, endless)
        assert dep.query(deep) == 60
        with pytest.raises(LimitError, match="m:endless"):
            dep.query(endless)


# -- limits and services


@pytest.mark.parametrize("what", ["arguments", "result"])
def test_the_references_limits_on_what_goes_in_and_out(what: str) -> None:
    @query
    def echo(ctx: QueryCtx, text: str) -> Any:
        return text * 2

    size = (16 << 20) // (1 if what == "arguments" else 2)
    with convex_nb.open(limits=Limits(query_seconds=float("inf"))) as dep, pytest.raises(LimitError, match=what):
        dep.query(echo, text="x" * size)
    with convex_nb.open() as dep:
        assert len(dep.query(echo, text="x" * size)) == 2 * size


def test_a_hundred_thousand_documents_can_be_a_result() -> None:
    with open_app() as dep:
        dep.import_table("tasks", pd.DataFrame({"text": ["a"] * 100_000, "done": False}))
        assert len(dep.query(list_tasks)) == 100_000


def test_services_appear_on_contexts_by_name() -> None:
    class Counting:
        bound = 0

        def bind(self, execution: Execution) -> str:
            self.bound += 1
            return execution.path

    with open_app() as dep:
        service = Counting()
        dep._runner.services = {"which": service}
        assert dep.query(query("m:f")(lambda ctx: [ctx.which, ctx.which])) == ["m:f", "m:f"]
        assert service.bound == 1
        with pytest.raises(AttributeError, match="QueryCtx has no 'where'"):
            dep.query(query(lambda ctx: ctx.where))


def test_validated_values_keep_the_limits_of_their_deployment() -> None:
    def echo(ctx: QueryCtx, items: list[float]) -> list[float]:
        return items

    long = [1.0] * 8193
    with convex_nb.open(limits="convex") as dep:
        with pytest.raises(InvalidValueError, match="8192"):
            dep.query(query(echo), {"items": long})
        with pytest.raises(InvalidValueError, match="8192"):
            dep.query(query(args={}, returns=v.array(v.number()))(lambda ctx: long))
    with convex_nb.open() as dep:
        assert dep.query(query(echo), {"items": long}) == long
