from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import ConvexError, InvalidValueError, MutationCtx, components, query
from convex_nb.stock import ShardedCounter
from convex_nb.testing import ConvexTest

counter = ShardedCounter(components.sharded_counter, shards=4)


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    with ConvexTest() as test:
        test.register_component(ShardedCounter.definition)
        yield test


def count(test: ConvexTest, name: str) -> Any:
    return test.run(lambda ctx: counter.count(ctx, name))


def test_it_counts_by_name(test: ConvexTest) -> None:
    def several(ctx: MutationCtx) -> None:
        counter.inc(ctx, "a")
        counter.add(ctx, "a", 10)
        counter.dec(ctx, "a")
        counter.inc(ctx, "b")

    test.run(several)
    assert (count(test, "a"), count(test, "b"), count(test, "c")) == (10, 1, 0)
    test.run(lambda ctx: counter.reset(ctx, "a"))
    assert (count(test, "a"), count(test, "b")) == (0, 1)


def test_writes_are_spread_over_the_shards_and_fewer_shards_lose_nothing(test: ConvexTest) -> None:
    for _ in range(40):
        test.run(lambda ctx: counter.inc(ctx, "a"))
    shards = test.deployment.components["sharded_counter"].table("shards")
    assert shards.count() == 4
    fewer = ShardedCounter(shards=1)
    test.run(lambda ctx: fewer.inc(ctx, "a"))
    assert count(test, "a") == 41


def test_a_caller_that_is_rolled_back_counted_nothing(test: ConvexTest) -> None:
    def count_and_fail(ctx: MutationCtx) -> None:
        counter.inc(ctx, "a")
        raise ConvexError("no")

    with pytest.raises(ConvexError):
        test.run(count_and_fail)
    assert count(test, "a") == 0


def test_a_live_query_follows_it(test: ConvexTest) -> None:
    seen: list[float] = []

    @query
    def total(ctx: Any) -> float:
        return counter.count(ctx, "a")

    test.deployment.subscribe(total, {}, seen.append)
    test.run(lambda ctx: counter.add(ctx, "a", 2.5))
    assert seen == [0, 2.5]


@pytest.mark.parametrize("wrong", [float("inf"), "1", None, True])
def test_only_numbers_are_added(test: ConvexTest, wrong: Any) -> None:
    with pytest.raises(InvalidValueError, match='Only a number can be added to "a"'):
        test.run(lambda ctx: counter.add(ctx, "a", wrong))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_it_has_shards(wrong: Any) -> None:
    with pytest.raises(InvalidValueError, match="one shard or more"):
        ShardedCounter(shards=wrong)
