from __future__ import annotations

import logging
import random
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from convex_nb import ArgumentValidationError, FunctionNotFoundError, InvalidValueError, QueryCtx, mutation, query
from convex_nb.functions import runner
from convex_nb.functions.definition import Function
from convex_nb.functions.live import reactor
from convex_nb.functions.live.live_query import LiveQuery
from convex_nb.functions.live.subscription import Subscription
from tests.functions.apps import add_task, add_to_counter, counter_value, finish_task, list_tasks, open_app
from tests.until import PATIENCE


def nothing() -> None: ...


# -- subscriptions


def test_a_subscription_gets_the_value_now_and_after_each_change() -> None:
    seen: list[int] = []
    with open_app() as dep:
        subscription = dep.subscribe(list_tasks, {"done": False}, lambda tasks: seen.append(len(tasks)))
        id = dep.mutation(add_task, text="a")
        dep.mutation(add_task, text="b", done=True)
        dep.mutation(add_to_counter, name="n")
        dep.mutation(finish_task, id=id)
        assert seen == [0, 1, 0]
        assert subscription.value == []
        assert subscription.timestamp == dep.timestamp
        subscription.close()
        subscription.close()
        dep.mutation(add_task, text="c")
        assert seen == [0, 1, 0]


def test_a_callback_is_a_function() -> None:
    with open_app() as dep:
        for follow in (dep.subscribe, dep.client().subscribe):
            with pytest.raises(InvalidValueError, match="a function of the value"):
                follow("tasks:list", {"done": False}, None)  # type: ignore[arg-type]
        assert dep.statistics().reactor.queries == 0


def test_equal_questions_share_one_execution() -> None:
    runs: list[None] = []

    @query("m:count")
    def count(ctx: QueryCtx, which: str) -> int:
        runs.append(None)
        return ctx.db.query("tasks").count()

    with open_app() as dep:
        subscriptions = [dep.subscribe(count, {"which": "a"}, lambda value: None) for _ in range(3)]
        other = dep.subscribe(count, {"which": "b"}, lambda value: None)
        watched = dep.watch(count, {"which": "a"}, nothing)
        assert len(runs) == 2
        dep.mutation(add_task, text="a")
        dep.refresh()
        assert len(runs) == 4
        assert dep.query(count, which="a") == 1
        assert len(runs) == 4
        assert {each.value for each in (*subscriptions, other)} | {watched.value} == {1}
        assert dep.statistics().reactor.queries == 3


def test_an_unchanged_result_is_not_announced() -> None:
    seen: list[Any] = []
    truth = query("m:any")(lambda ctx: ctx.db.query("tasks").count() > 0)
    with open_app() as dep:
        subscription = dep.subscribe(truth, {}, seen.append)
        for text in "abc":
            dep.mutation(add_task, text=text)
        assert seen == [False, True]
        assert subscription.timestamp == dep.timestamp


@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (1, True), (0.0, -0.0), ([1], [1.0])])
def test_results_that_python_calls_equal_are_announced(before: Any, after: Any) -> None:
    seen: list[Any] = []
    which = query("m:which")(lambda ctx: after if ctx.db.query("tasks").count() else before)
    with open_app() as dep:
        dep.subscribe(which, {}, seen.append)
        dep.mutation(add_task, text="a")
    assert [repr(each) for each in seen] == [repr(before), repr(after)]


def test_a_failing_query_sets_the_error_and_recovers_by_itself() -> None:
    seen: list[Any] = []
    errors: list[str] = []

    @query("m:fragile")
    def fragile(ctx: QueryCtx) -> int:
        number = ctx.db.query("tasks").count()
        if number == 1:
            raise ValueError("one is too few")
        return number

    with open_app() as dep:
        subscription = dep.subscribe(fragile, {}, seen.append, lambda error: errors.append(str(error)))
        watched = dep.watch(fragile, {}, nothing)
        dep.mutation(add_task, text="a")
        assert [each.value for each in dep.refresh()] == [0]
        assert subscription.value == 0
        assert (str(subscription.error), watched.status) == ("one is too few", "error")
        dep.mutation(add_to_counter, name="n")
        dep.mutation(add_task, text="b")
        assert dep.refresh() == [watched]
        assert (subscription.error, watched.error, watched.value, watched.status) == (None, None, 2, "ok")
        assert (seen, errors) == ([0, 2], ["one is too few"])


def test_a_query_that_fails_from_the_start_is_a_subscription_all_the_same() -> None:
    seen: list[Any] = []

    @query
    def needs_one(ctx: QueryCtx) -> Any:
        return ctx.db.query("tasks").collect()[0]["text"]

    with open_app() as dep:
        subscription = dep.subscribe(needs_one, {}, seen.append)
        assert isinstance(subscription.error, IndexError)
        dep.mutation(add_task, text="a")
        assert seen == ["a"]
        with pytest.raises(FunctionNotFoundError):
            dep.subscribe("nobody", {}, seen.append)
        with pytest.raises(ArgumentValidationError):
            dep.subscribe(list_tasks, {"done": 1}, seen.append)
        assert dep.statistics().reactor.subscriptions == 1


def test_a_callback_that_raises_is_reported_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def bad(value: Any) -> None:
        raise RuntimeError("in a callback")

    with open_app() as dep, caplog.at_level(logging.ERROR, "convex_nb"):
        dep.subscribe(list_tasks, {}, bad)
        dep.subscribe(list_tasks, {}, lambda tasks: seen.append(len(tasks)))
        dep.watch(list_tasks, {}, lambda: bad(None))
        dep.mutation(add_task, text="a")
        dep.mutation(add_task, text="b")
    assert seen == [0, 1, 2]
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("in a callback",)] * 4  # type: ignore[union-attr]


def test_an_interrupt_in_a_callback_loses_nothing() -> None:
    seen: list[int] = []

    def interrupted(tasks: Any) -> None:
        if len(tasks) == 1:
            raise KeyboardInterrupt

    with open_app() as dep:
        dep.subscribe(list_tasks, {}, interrupted)
        dep.subscribe(list_tasks, {}, lambda tasks: seen.append(len(tasks)))
        with pytest.raises(KeyboardInterrupt):
            dep.mutation(add_task, text="a")
        assert len(dep.query(list_tasks)) == 1
        dep.settle()
        assert seen == [0, 1]
        dep.check()


def test_an_interrupt_in_a_query_loses_nothing() -> None:
    interrupts = [KeyboardInterrupt(), KeyboardInterrupt()]

    @query("m:f")
    def fragile(ctx: QueryCtx) -> int:
        number = ctx.db.query("tasks").count()
        if number and interrupts:
            raise interrupts.pop()
        return number

    with open_app() as dep:
        subscription = dep.subscribe(fragile, {}, lambda value: None)
        watched = dep.watch(fragile, {}, nothing)
        with pytest.raises(KeyboardInterrupt):
            dep.mutation(add_task, text="a")
        with pytest.raises(KeyboardInterrupt):
            dep.refresh()
        dep.check()
        dep.settle()
        assert (subscription.value, watched.value) == (1, 1)
        assert dep.refresh() == [watched]


def test_what_callbacks_may_do() -> None:
    """Commit, subscribe, close themselves and others, settle: the outcome is as if it had been done outside."""
    seen: list[tuple[str, Any]] = []
    with open_app() as dep:

        def first(value: Any) -> None:
            seen.append(("first", value))
            if value is not None and value < 5:
                dep.mutation(add_to_counter, name="n")
                dep.settle()
            if value == 2:
                late.append(dep.subscribe(counter_value, {"name": "n"}, lambda value: seen.append(("late", value))))
                victim.close()
            if value == 4:
                subscription.close()

        late: list[Subscription] = []
        victim = dep.subscribe(counter_value, {"name": "n"}, lambda value: seen.append(("victim", value)))
        subscription = dep.subscribe(counter_value, {"name": "n"}, first)
        dep.mutation(add_to_counter, name="n")
        dep.settle()
        assert [value for who, value in seen if who == "first"] == [None, 1, 2, 3, 4]
        values = [value for who, value in seen if who == "late"]
        assert values == sorted(values)
        assert values[-1] == late[0].value == dep.query(counter_value, name="n") == 5
        assert max((value for who, value in seen if who == "victim" and value is not None), default=0) <= 2
        dep.check()


def test_callbacks_find_all_subscriptions_at_one_moment() -> None:
    with open_app() as dep:
        pairs: list[tuple[Any, Any]] = []
        subscriptions: list[Subscription] = []

        def look(_: Any) -> None:
            if len(subscriptions) == 2:
                pairs.append((subscriptions[0].value, subscriptions[1].value))

        subscriptions += [dep.subscribe(counter_value, {"name": name}, look) for name in ("a", "b")]

        both = mutation(lambda ctx: [ctx.run_mutation(add_to_counter, name=name) for name in ("a", "b")])
        for _ in range(3):
            dep.mutation(both)
        assert pairs == [(n, n) for n in (1, 1, 2, 2, 3, 3)]


def test_values_belong_to_whoever_gets_them() -> None:
    seen: list[Any] = []
    with open_app() as dep:
        subscription = dep.subscribe(query(lambda ctx: [ctx.db.query("tasks").count()]), {}, seen.append)
        seen[0].append("mine")
        subscription.value.append("mine")
        assert subscription.value == [0]
        dep.mutation(add_task, text="a")
        assert seen[1] == [1]


# -- new code, pushes, pauses


def test_followers_move_to_new_code() -> None:
    seen: list[Any] = []
    with open_app() as dep:
        dep.register(query("m:f")(lambda ctx: "old"))
        subscription = dep.subscribe("m:f", {}, seen.append)
        marks: list[None] = []
        watched = dep.watch("m:f", {}, lambda: marks.append(None))
        dep.register(query("m:f")(lambda ctx: "new"))
        assert (seen, len(marks)) == (["old", "new"], 1)
        assert dep.refresh() == [watched]
        dep.unregister("m:f")
        assert isinstance(subscription.error, FunctionNotFoundError)
        assert (subscription.value, watched.stale) == ("new", True)
        dep.register(query("m:f")(lambda ctx, needed: "other"))
        assert isinstance(subscription.error, ArgumentValidationError)
        dep.register(query("m:f")(lambda ctx: "new"))
        assert repr(subscription.error) == "None"
        assert seen == ["old", "new", "new"]


def test_a_push_lets_failing_queries_recover() -> None:
    by_text = query("m:by_text")(lambda ctx: ctx.db.query("tasks").with_index("by_text", text="a").collect())
    with open_app() as dep:
        subscription = dep.subscribe(by_text, {}, lambda value: None)
        assert repr(subscription.error) != "None"
        schema = dep.schema
        assert schema is not None
        tables = {**schema.tables, "tasks": schema.tables["tasks"].index("by_text", ["text"])}
        dep.push(type(schema)(tables, schema.schema_validation))
        assert repr(subscription.error) == "None"
        assert subscription.value == []


def test_live_queries_are_still_while_paused_and_catch_up() -> None:
    seen: list[int] = []
    with open_app() as dep:
        dep.subscribe(list_tasks, {}, lambda tasks: seen.append(len(tasks)))
        marks: list[None] = []
        watched = dep.watch(list_tasks, {}, lambda: marks.append(None))
        block = dep.transaction()
        dep.pause()
        dep.import_table("tasks", __import__("pandas").DataFrame({"text": ["a"], "done": [False]}))
        assert (dep.refresh(), seen, marks) == ([], [0], [])
        dep.settle()
        dep.resume()
        assert (dep.refresh(), seen, marks) == ([watched], [0, 1], [None])
        with block as db:
            db.insert("tasks", {"text": "b", "done": False})
        assert seen == [0, 1, 2]


# -- watched queries


def test_a_watched_query_is_marked_once_and_runs_when_refreshed() -> None:
    with open_app() as dep:
        marks: list[None] = []
        watched = dep.watch(list_tasks, {"done": False}, lambda: marks.append(None))
        assert (watched.value, watched.runs, watched.stale, set(watched.tables)) == ([], 1, False, {"tasks"})
        assert (watched.path, watched.args, watched.status) == ("tasks:list", {"done": False}, "ok")
        for text in "abc":
            dep.mutation(add_task, text=text)
        assert (len(marks), watched.stale, watched.runs, watched.value) == (1, True, 1, [])
        assert dep.refresh() == [watched]
        assert (len(watched.value), watched.runs, watched.stale, watched.timestamp) == (3, 2, False, dep.timestamp)
        assert dep.refresh() == []
        dep.mutation(add_task, text="d")
        assert len(marks) == 2
        watched.close()
        assert dep.refresh() == []
        assert dep.statistics().reactor.queries == 0


def test_a_value_keeps_its_identity_while_it_is_the_same() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a", done=True)
        which = query("m:texts")(lambda ctx: sorted({task["text"] for task in ctx.db.query("tasks").collect()}))
        watched = dep.watch(which, {}, nothing)
        before = watched.value
        dep.mutation(add_task, text="a")
        assert dep.refresh() == []
        assert watched.value is before


def test_every_view_of_one_query_is_refreshed() -> None:
    with open_app() as dep:
        one, two = (dep.watch(list_tasks, {}, nothing) for _ in range(2))
        dep.mutation(add_task, text="a")
        assert dep.refresh() == [one, two]
        dep.mutation(add_task, text="b")
        late = dep.watch(list_tasks, {}, nothing)
        assert len(late.value) == 2
        assert dep.refresh() == [one, two]


def test_settling_runs_views_queries_and_leaves_their_refresh_to_the_front_door() -> None:
    with open_app() as dep:
        marks: list[None] = []
        watched = dep.watch(list_tasks, {}, lambda: marks.append(None))
        dep.mutation(add_task, text="a")
        dep.settle()
        assert len(watched.value) == 1
        assert marks
        assert dep.refresh() == [watched]


# -- threads


def gated(gate: threading.Event, entered: threading.Event) -> Function:
    @query("m:gated")
    def waits(ctx: QueryCtx) -> int:
        number = ctx.db.query("tasks").count()
        if number:
            entered.set()
            assert gate.wait(PATIENCE)
        return number

    return waits


def test_a_commit_while_another_thread_flushes_returns_at_once_and_is_not_forgotten() -> None:
    gate, entered = threading.Event(), threading.Event()
    seen: list[int] = []
    with open_app() as dep:
        subscription = dep.subscribe(gated(gate, entered), {}, seen.append)
        flusher = threading.Thread(target=dep.mutation, args=(add_task, {"text": "a"}))
        flusher.start()
        assert entered.wait(PATIENCE)
        # The other thread is inside the query: these leave their marks with it.
        dep.mutation(add_task, text="b")
        dep.mutation(add_task, text="c")
        assert seen == [0]
        gate.set()
        flusher.join()
        dep.settle()
        assert seen[-1] == subscription.value == 3
        assert seen == sorted(seen)


def test_a_new_follower_sees_what_its_own_thread_committed() -> None:
    gate, entered = threading.Event(), threading.Event()
    with open_app() as dep:
        function = gated(gate, entered)
        dep.subscribe(function, {}, lambda value: None)
        flusher = threading.Thread(target=dep.mutation, args=(add_task, {"text": "a"}))
        flusher.start()
        assert entered.wait(PATIENCE)
        dep.mutation(add_task, text="b")
        threading.Timer(0.05, gate.set).start()
        first: list[int] = []
        dep.subscribe(function, {}, first.append)
        assert first[0] == 2
        flusher.join()


def test_settle_waits_for_the_thread_that_flushes() -> None:
    gate, entered = threading.Event(), threading.Event()
    with open_app() as dep:
        subscription = dep.subscribe(gated(gate, entered), {}, lambda value: None)
        flusher = threading.Thread(target=dep.mutation, args=(add_task, {"text": "a"}))
        flusher.start()
        assert entered.wait(PATIENCE)
        settled = threading.Event()

        def settle() -> None:
            dep.settle()
            settled.set()

        waiting = threading.Thread(target=settle)
        waiting.start()
        assert not settled.wait(0.05)
        gate.set()
        waiting.join()
        assert subscription.value == 1
        flusher.join()


def test_a_thread_that_commits_once_does_not_serve_the_others_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactor, "MOST_ROUNDS", 2)
    with open_app() as dep:

        def endless(value: Any) -> None:
            if (value or 0) < 200:
                dep.mutation(add_to_counter, name="n")

        subscription = dep.subscribe(counter_value, {"name": "n"}, endless)
        dep.mutation(add_to_counter, name="n")
        # The worker goes on with it.
        dep.settle()
        while subscription.value < 200:
            dep.settle()
        assert subscription.value == dep.query(counter_value, name="n")


@pytest.fixture
def impatient_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads take turns a thousand times as often as usual, and try again for as long as others are quicker."""
    monkeypatch.setattr(runner, "RETRIES", 100)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("impatient_threads")
@pytest.mark.parametrize("seed", range(5))
def test_subscribers_of_many_threads_end_where_the_database_is(seed: int) -> None:
    names = ["a", "b", "c"]
    seen: dict[str, list[Any]] = {name: [] for name in names}
    read: list[tuple[int, int]] = []
    with open_app() as dep:
        watched = [dep.watch(counter_value, {"name": name}, nothing) for name in names]

        def commits(number: int) -> None:
            chance = random.Random(4 * seed + number)
            for _ in range(40):
                name = chance.choice(names)
                mine = dep.mutation(add_to_counter, name=name)
                match chance.randrange(8):
                    case 0:
                        first: list[int] = []
                        dep.subscribe(counter_value, {"name": name}, first.append).close()
                        read.append((mine, first[0]))
                    case 1:
                        view = dep.watch(counter_value, {"name": name}, nothing)
                        read.append((mine, view.value))
                        view.close()
                    case 2:
                        read.append((mine, dep.query(counter_value, name=name)))
                    case 3:
                        dep.refresh()
                    case 4:
                        dep.settle()

        for name in names:
            dep.subscribe(counter_value, {"name": name}, seen[name].append)
        threads = [threading.Thread(target=commits, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        dep.settle()
        dep.refresh()
        for name, view in zip(names, watched, strict=True):
            truth = dep.query(counter_value, name=name)
            assert seen[name][-1] == view.value == truth
            values = seen[name][1:]
            assert values == sorted(set(values)), f"{name} went back or repeated itself: {values}"
        assert sum(dep.query(counter_value, name=name) for name in names) == 160
        # Whatever a thread asks for after its commit has that commit in it.
        assert [pair for pair in read if pair[1] < pair[0]] == []
        dep.check()


# -- interleavings that threads would need luck for: handlers that do what another thread might do just then


def test_a_commit_into_what_only_the_running_run_reads_is_seen() -> None:
    @query("m:grows")
    def grows(ctx: QueryCtx) -> list[int]:
        tasks = ctx.db.query("tasks").count()
        if not tasks:
            return [0, 0]
        counters = ctx.db.query("counters").count()
        if not counters:
            # Nobody has been told yet that this query depends on counters.
            dep.mutation(add_to_counter, name="n")
        return [tasks, counters]

    with open_app() as dep:
        subscription = dep.subscribe(grows, {}, lambda value: None)
        watched = dep.watch(grows, {}, nothing)
        dep.mutation(add_task, text="a")
        assert subscription.value == [1, 1]
        dep.refresh()
        assert watched.value == [1, 1]
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        assert dep.subscribe(grows, {}, lambda value: None).value == [1, 1]


def test_a_view_that_is_touched_while_it_refreshes_is_marked_again() -> None:
    @query("m:grows")
    def grows(ctx: QueryCtx) -> list[int]:
        tasks = ctx.db.query("tasks").count()
        counters = ctx.db.query("counters").count() if tasks else 0
        if tasks and not counters:
            dep.mutation(add_to_counter, name="n")
        return [tasks, counters]

    marks: list[None] = []
    with open_app() as dep:
        watched = dep.watch(grows, {}, lambda: marks.append(None))
        dep.mutation(add_task, text="a")
        assert (dep.refresh(), watched.value, watched.stale, len(marks)) == ([watched], [1, 0], True, 2)
        assert (dep.refresh(), watched.value, watched.stale, len(marks)) == ([watched], [1, 1], False, 2)


def test_a_run_that_a_later_one_has_overtaken_does_not_go_back() -> None:
    seen: list[int] = []
    nested: list[int] = []

    @query("m:overtaken")
    def overtaken(ctx: QueryCtx) -> int:
        number = ctx.db.query("tasks").count()
        if number == 1 and not nested:
            nested.append(0)
            dep.mutation(add_task, text="b")
            dep.subscribe(overtaken, {}, nested.append)
        return number

    with open_app() as dep:
        dep.subscribe(overtaken, {}, seen.append)
        dep.mutation(add_task, text="a")
        dep.settle()
        assert (seen, nested) == ([0, 2], [0, 2])
        dep.check()


def test_a_mark_set_before_an_overtaken_run_is_not_lost() -> None:
    done: list[None] = []

    @query("m:first")
    def first(ctx: QueryCtx) -> int:
        number = ctx.db.query("tasks").count()
        if number and not done:
            done.append(None)
            dep.mutation(add_task, text="b")
            # Runs `second` at the newest commit; then one more, which marks it again.
            late.append(dep.subscribe(second, {}, lambda value: None))
            dep.mutation(add_task, text="c")
        return number

    @query("m:second")
    def second(ctx: QueryCtx) -> int:
        return ctx.db.query("tasks").count()

    late: list[Subscription] = []
    with open_app() as dep:
        one = dep.subscribe(first, {}, lambda value: None)
        two = dep.subscribe(second, {}, lambda value: None)
        dep.mutation(add_task, text="a")
        dep.settle()
        assert [each.value for each in (one, two, *late)] == [3, 3, 3]
        dep.check()


def test_a_follower_that_begins_during_an_older_run_reads_its_own_threads_commit() -> None:
    began: list[list[int]] = []

    @query("m:first")
    def first(ctx: QueryCtx) -> int:
        number = ctx.db.query("tasks").count()
        if number == 1:
            dep.mutation(add_task, text="b")
        return number

    @query("m:second")
    def second(ctx: QueryCtx) -> int:
        number = ctx.db.query("tasks").count()
        if number == 1:
            # This run is at the snapshot from before "b", and the mark that "b" left was taken off when it began.
            began.append([])
            dep.subscribe(second, {}, began[-1].append)
        return number

    with open_app() as dep:
        dep.subscribe(first, {}, lambda value: None)
        dep.subscribe(second, {}, lambda value: None)
        dep.mutation(add_task, text="a")
        assert began == [[2]]


def test_callbacks_of_one_subscription_do_not_overlap() -> None:
    running: list[int] = []
    seen: list[tuple[int, int]] = []

    def callback(value: Any) -> None:
        running.append(1)
        seen.append((value or 0, len(running)))
        if (value or 0) < 3:
            dep.mutation(add_to_counter, name="n")
        running.pop()

    with open_app() as dep:
        # The query is known, so the first call is outside of any flush.
        dep.subscribe(counter_value, {"name": "n"}, lambda value: None)
        dep.subscribe(counter_value, {"name": "n"}, callback)
        assert seen == [(0, 1), (1, 1), (2, 1), (3, 1)]


def test_long_ranges_are_carried_over_and_dropped_when_they_are_not_read_any_more() -> None:
    @query("m:long")
    def long(ctx: QueryCtx) -> Any:
        turned = ctx.run_query(counter_value, name="n") or 0
        return ctx.db.query("tasks").with_index("by_done", done=turned > 0).collect()

    with open_app() as dep:
        rows = [{"text": str(n), "done": bool(n % 2)} for n in range(1000)]
        dep.transact(lambda db: db.insert_many("tasks", rows))
        subscription = dep.subscribe(long, {}, lambda value: None)
        (shared,) = dep._reactor._queries.values()
        dep.mutation(add_task, text="one more")
        assert (shared.materialised.patched, len(shared.materialised)) == (1, 1)
        dep.mutation(add_to_counter, name="n")
        assert len(shared.materialised) == 1
        assert subscription.value == dep.query(long)
        assert len(subscription.value) == 500


def test_callbacks_come_in_the_order_in_which_their_queries_were_first_followed() -> None:
    order: list[int] = []
    with open_app() as dep:
        for n in range(20):
            which = query(f"m:f{n}")(lambda ctx, n=n: [ctx.db.query("tasks").count(), n])
            dep.subscribe(which, {}, lambda value: order.append(value[1]))
        order.clear()
        dep.mutation(add_task, text="a")
        assert order == list(range(20))


def test_a_commit_during_a_run_marks_it_again() -> None:
    @query("m:during")
    def during(ctx: QueryCtx) -> int:
        number = ctx.db.query("tasks").count()
        if number == 1:
            dep.mutation(add_task, text="b")
        return number

    with open_app() as dep:
        subscription = dep.subscribe(during, {}, lambda value: None)
        watched = dep.watch(during, {}, nothing)
        dep.mutation(add_task, text="a")
        assert subscription.value == 2
        dep.refresh()
        assert watched.value == 2


# -- everything at once


class Followed(RuleBasedStateMachine):
    """Whatever happens in whatever order, open subscriptions show what a direct query answers."""

    subscriptions = Bundle("subscriptions")
    views = Bundle("views")

    def __init__(self) -> None:
        super().__init__()
        self.dep = open_app()
        self.version = 0
        self.define()
        self.open: list[tuple[Subscription, list[Any], dict[str, Any]]] = []
        self.watched: list[tuple[LiveQuery, dict[str, Any]]] = []

    def teardown(self) -> None:
        self.dep.close()

    def define(self) -> None:
        version = self.version

        @query("m:state")
        def state(ctx: QueryCtx, name: str) -> Any:
            value = ctx.run_query("counters:value", name=name) or 0
            if value % 5 == 4:
                raise ValueError(f"{value} cannot be shown")
            return [version, value // 2]

        self.dep.register(state)

    def expected(self, args: dict[str, Any]) -> Any:
        try:
            return self.dep.query("m:state", args)
        except ValueError as error:
            return str(error)

    @rule(name=st.sampled_from("ab"), by=st.integers(0, 3))
    def commit(self, name: str, by: int) -> None:
        self.dep.mutation(add_to_counter, name=name, by=by)

    @rule(name=st.sampled_from("ab"))
    def fail(self, name: str) -> None:
        @mutation
        def fails(ctx: Any) -> None:
            ctx.run_mutation(add_to_counter, name=name)
            raise ValueError("after the write")

        with pytest.raises(ValueError, match="after the write"):
            self.dep.mutation(fails)

    @rule(target=subscriptions, name=st.sampled_from("ab"))
    def subscribe(self, name: str) -> Any:
        seen: list[Any] = []
        args = {"name": name}
        entry = (self.dep.subscribe("m:state", args, seen.append, lambda error: seen.append(str(error))), seen, args)
        self.open.append(entry)
        return entry

    @rule(entry=consumes(subscriptions))
    def unsubscribe(self, entry: Any) -> None:
        entry[0].close()
        self.open.remove(entry)

    @rule(target=views, name=st.sampled_from("ab"))
    def watch(self, name: str) -> Any:
        entry = (self.dep.watch("m:state", {"name": name}, nothing), {"name": name})
        self.watched.append(entry)
        return entry

    @rule(entry=consumes(views))
    def unwatch(self, entry: Any) -> None:
        entry[0].close()
        self.watched.remove(entry)

    @rule(changes=st.booleans())
    def redefine(self, changes: bool) -> None:
        self.version += changes
        self.define()

    @rule()
    def refresh(self) -> None:
        before = {id(view): (view.value, str(view.error)) for view, _ in self.watched}
        moved = self.dep.refresh()
        for view, args in self.watched:
            assert (view.value if view.error is None else str(view.error)) == self.expected(args)
            assert not view.stale
            if (view.value, str(view.error)) != before[id(view)]:
                assert view in moved
        assert self.dep.refresh() == []

    @precondition(lambda self: self.open)
    @rule()
    def settle(self) -> None:
        self.dep.settle()

    @invariant()
    def subscriptions_show_the_truth(self) -> None:
        for subscription, seen, args in self.open:
            truth = self.expected(args)
            assert seen[-1] == truth
            assert (subscription.value if subscription.error is None else str(subscription.error)) == truth
        self.dep.check()


TestFollowed = Followed.TestCase
TestFollowed.settings = settings(max_examples=25, stateful_step_count=25)
