from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import ConvexError, InvalidValueError, MutationCtx, components, query
from convex_nb.stock import Aggregate, Triggers
from convex_nb.testing import ConvexTest

triggers = Triggers()
scores = Aggregate(
    components.aggregate,
    key=lambda score: score["points"],
    sum=lambda score: score["points"],
    namespace=lambda score: score["game"],
)
triggers.on("scores")(scores.trigger)
names = Aggregate(components.names, key=lambda score: [score["game"], score["name"]])


@triggers.mutation
def play(ctx: MutationCtx, game: str, name: str, points: float) -> Any:
    return ctx.db.insert("scores", {"game": game, "name": name, "points": points})


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    with ConvexTest() as test:
        test.register_component(Aggregate.definition)
        test.register_component(Aggregate.definition, "names")
        for name, points in (("ada", 30), ("bob", 10), ("cy", 20), ("dan", 20)):
            test.mutation(play, game="go", name=name, points=points)
        test.mutation(play, game="chess", name="eve", points=7)
        yield test


def ask(test: ConvexTest, what: str, *args: Any, **options: Any) -> Any:
    options = {"namespace": "go", **options}
    return test.run(lambda ctx: getattr(scores, what)(ctx, *args, **options))


@pytest.mark.parametrize(
    ("what", "args", "options", "expected"),
    [
        ("count", (), {}, 4),
        ("sum", (), {}, 80),
        ("count", (), {"namespace": "chess"}, 1),
        ("count", (), {"namespace": None}, 0),
        ("count", (), {"gt": 20}, 1),
        ("count", (), {"gte": 20}, 3),
        ("count", (), {"gte": 20, "lt": 30}, 2),
        ("count", (), {"gt": 20, "lt": 20}, 0),
        ("count", (), {"gt": 30, "lte": 10}, 0),
        ("sum", (), {"lte": 20}, 50),
        ("sum", (), {"namespace": "darts"}, 0),
        ("rank", (20,), {}, 1),
        ("rank", (31,), {}, 4),
        ("at", (4,), {}, None),
        ("at", (-5,), {}, None),
        ("min", (), {"gt": 30}, None),
    ],
)
def test_it_answers_for_a_namespace_and_between_bounds(
    test: ConvexTest, what: str, args: Any, options: Any, expected: Any
) -> None:
    assert ask(test, what, *args, **options) == expected


def test_places_are_by_key_and_then_by_id(test: ConvexTest) -> None:
    order = [ask(test, "at", offset) for offset in range(4)]
    documents = test.run(lambda ctx: ctx.db.query("scores").filter(lambda q: q.eq(q.field("game"), "go")).collect())
    documents.sort(key=lambda each: (each["points"], each["_id"]))
    assert order == [{"key": each["points"], "id": each["_id"], "sum": each["points"]} for each in documents]
    assert (ask(test, "at", -1), ask(test, "at", -4)) == (order[3], order[0])
    assert (ask(test, "min"), ask(test, "max"), ask(test, "max", lt=20)) == (order[0], order[3], order[0])


def test_it_follows_patches_and_deletes_within_the_transaction(test: ConvexTest) -> None:
    @triggers.mutation
    def change(ctx: MutationCtx, fails: bool = False) -> None:
        best = scores.max(ctx, namespace="go")
        worst = scores.min(ctx, namespace="go")
        assert best is not None
        assert worst is not None
        ctx.db.patch(best["id"], {"points": 15, "name": "Ada"})
        ctx.db.patch(best["id"], {"name": "Ada!"})
        ctx.db.delete(worst["id"])
        assert (scores.count(ctx, namespace="go"), scores.sum(ctx, namespace="go")) == (3, 55)
        if fails:
            raise ConvexError("no")

    with pytest.raises(ConvexError):
        test.mutation(change, fails=True)
    assert ask(test, "sum") == 80
    test.mutation(change)
    assert (ask(test, "sum"), ask(test, "min")["key"], ask(test, "count", namespace="chess")) == (55, 15, 1)


def test_it_is_filled_from_a_table_and_filling_it_again_changes_nothing(test: ConvexTest) -> None:
    def fill(ctx: MutationCtx) -> list[Any]:
        for _ in range(2):
            for each in ctx.db.query("scores"):
                names.insert(ctx, each)
        count, chess, first = names.count(ctx), names.count(ctx, lt=["go"]), names.min(ctx)
        names.clear(ctx)
        return [count, chess, first and first["key"], names.count(ctx)]

    assert test.run(fill) == [5, 1, ["chess", "eve"], 0]


def test_what_is_not_counted_may_be_deleted(test: ConvexTest) -> None:
    def forget(ctx: MutationCtx) -> int:
        for each in ctx.db.query("scores"):
            names.delete(ctx, each)
        return names.count(ctx)

    assert test.run(forget) == 0


def test_a_live_query_follows_it(test: ConvexTest) -> None:
    seen: list[Any] = []

    @query
    def top(ctx: Any) -> Any:
        best = scores.max(ctx, namespace="go")
        return best and best["key"]

    test.deployment.subscribe(top, {}, seen.append)
    test.mutation(play, game="chess", name="ada", points=99)
    test.mutation(play, game="go", name="ada", points=99)
    assert seen == [30, 99]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [({"gt": 1, "gte": 2}, "`gt=` or `gte=`, not both"), ({"least": 1}, "no bound `least=`: gt, gte, lt and lte")],
)
def test_bounds_that_are_none_are_refused(test: ConvexTest, bounds: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        ask(test, "count", **bounds)


def test_without_a_sum_there_is_nothing_to_add_up(test: ConvexTest) -> None:
    with pytest.raises(InvalidValueError, match="make it with sum="):
        test.run(lambda ctx: names.sum(ctx))
