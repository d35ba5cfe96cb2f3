from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb import ConvexError, InvalidValueError, MutationCtx, components
from convex_nb.stock import HOUR, MINUTE, SECOND, RateLimiter, is_rate_limit_error
from convex_nb.stock.rate_limiter import RateLimit
from convex_nb.testing import ConvexTest, VirtualClock

BUCKET: RateLimit = {"kind": "token bucket", "rate": 1, "period": SECOND, "capacity": 5}
WINDOW: RateLimit = {"kind": "fixed window", "rate": 1, "period": 5 * SECOND, "capacity": 2}
limiter = RateLimiter(components.rate_limiter, {"send": BUCKET, "join": WINDOW})
OK = {"ok": True, "retryAfter": None}


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    with ConvexTest(clock=VirtualClock(1_000_000)) as test:
        test.register_component(RateLimiter.definition)
        yield test


def limit(test: ConvexTest, name: str = "send", *args: Any, **options: Any) -> Any:
    return test.run(lambda ctx: limiter.limit(ctx, name, *args, **options))


def check(test: ConvexTest, name: str = "send", **options: Any) -> Any:
    return test.run(lambda ctx: limiter.check(ctx, name, **options))


def value(test: ConvexTest, name: str = "send", key: str | None = None) -> Any:
    return test.run(lambda ctx: limiter.get_value(ctx, name, key))


def test_a_bucket_is_emptied_at_once_and_fills_steadily(test: ConvexTest) -> None:
    assert [limit(test) for _ in range(5)] == [OK] * 5
    assert limit(test) == {"ok": False, "retryAfter": 1000}
    test.advance(400)
    assert limit(test) == {"ok": False, "retryAfter": 600}
    assert value(test) == pytest.approx(0.4)
    test.advance(600)
    assert limit(test) == OK
    test.advance(HOUR)
    assert value(test) == 5


def test_a_window_gives_all_at_its_start_and_keeps_what_was_not_used(test: ConvexTest) -> None:
    assert [limit(test, "join")["ok"] for _ in range(3)] == [True, True, False]
    test.advance(5000)
    assert [limit(test, "join")["ok"] for _ in range(2)] == [True, False]
    test.advance(1500)
    assert limit(test, "join") == {"ok": False, "retryAfter": 3500}
    test.advance(3500 + 5000)
    assert [limit(test, "join")["ok"] for _ in range(3)] == [True, True, False]


def test_a_reserved_debt_blocks_until_it_is_paid(test: ConvexTest) -> None:
    assert limit(test, count=8, reserve=True) == {"ok": True, "retryAfter": 3000}
    assert value(test) == -3
    assert check(test) == {"ok": False, "retryAfter": 4000}
    assert check(test, reserve=True) == {"ok": True, "retryAfter": 4000}
    test.advance(4000)
    assert check(test) == OK
    assert limit(test, "join", count=5, reserve=True) == {"ok": True, "retryAfter": 11_000}


def test_keys_have_tokens_of_their_own_and_a_reset_gives_them_back(test: ConvexTest) -> None:
    assert limit(test, "send", "ada", count=5) == OK
    assert (value(test, key="ada"), value(test, key="bob"), value(test)) == (0, 5, 5)
    test.run(lambda ctx: limiter.reset(ctx, "send", "ada"))
    test.run(lambda ctx: limiter.reset(ctx, "send", "nobody"))
    assert value(test, key="ada") == 5


def test_a_caller_that_is_rolled_back_gets_its_tokens_back(test: ConvexTest) -> None:
    def take_and_fail(ctx: MutationCtx) -> None:
        limiter.limit(ctx, "send", count=4)
        raise ConvexError("no")

    with pytest.raises(ConvexError):
        test.run(take_and_fail)
    assert value(test) == 5


def test_it_throws_on_request(test: ConvexTest) -> None:
    limit(test, count=5)
    for ask in (limit, check):
        with pytest.raises(ConvexError) as caught:
            ask(test, throws=True)
        assert caught.value.data == {"kind": "RateLimited", "name": "send", "retryAfter": 1000}
        assert is_rate_limit_error(caught.value)
    assert not any(map(is_rate_limit_error, (ConvexError("RateLimited"), ConvexError({"kind": "x"}), ValueError())))


def test_a_limit_may_come_with_the_call(test: ConvexTest) -> None:
    config: RateLimit = {"kind": "fixed window", "rate": 3, "period": MINUTE}
    assert limit(test, "new", count=3, config=config) == OK
    assert limit(test, "new", config=config) == {"ok": False, "retryAfter": 20_000}


def test_actions_and_queries_ask_it_too(test: ConvexTest) -> None:
    from convex_nb import action, query

    @action
    def act(ctx: Any) -> Any:
        return limiter.limit(ctx, "send", count=5)

    @query
    def look(ctx: Any) -> Any:
        return limiter.check(ctx, "send")

    assert test.action(act) == OK
    assert test.query(look) == {"ok": False, "retryAfter": 1000}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "sned"}, 'no limit "sned": this limiter has send, join'),
        ({"count": 6}, "6 tokens of .* at once, since it keeps 5"),
        ({"count": -1}, "not negative"),
        ({"count": float("nan")}, "not negative"),
        ({"config": {"kind": "bucket", "rate": 1, "period": 1}}, '"kind" is "token bucket" or "fixed window"'),
        ({"config": {"kind": "token bucket", "rate": 0, "period": 1}}, 'positive number as its "rate", not 0'),
        ({"config": {"kind": "token bucket", "rate": 1}}, 'positive number as its "period"'),
        ({"config": {**BUCKET, "shards": 2}}, 'has no "shards": it takes kind, rate, period, capacity'),
    ],
)
def test_what_it_cannot_do_is_said_and_takes_nothing(test: ConvexTest, options: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        limit(test, **options)
    assert value(test) == 5


def test_a_wrong_limit_is_refused_when_the_limiter_is_made() -> None:
    with pytest.raises(InvalidValueError, match='limit "x"'):
        RateLimiter(components.rate_limiter, {"x": {"kind": "token bucket", "rate": -1, "period": 1}})


limits = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["token bucket", "fixed window"]),
        "rate": st.floats(0.01, 1000),
        "period": st.integers(1, HOUR),
        "capacity": st.floats(1, 1000),
    }
)


@settings(max_examples=25, deadline=None)
@given(limits, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 10_000)), min_size=1, max_size=6))
def test_who_waits_as_long_as_told_may_and_who_waits_less_may_not(config: Any, calls: list[tuple[float, int]]) -> None:
    with ConvexTest(clock=VirtualClock(1_000_000)) as test:
        test.register_component(RateLimiter.definition)
        for share, pause in calls:
            test.advance(pause)
            limit(test, "x", count=share * config["capacity"], reserve=True, config=config)
        waiting = check(test, "x", config=config)["retryAfter"]
        if waiting is not None:
            # Told in whole milliseconds, the last of which may be one of rounding.
            early = min(2, waiting)
            test.advance(waiting - early)
            assert early < 2 or not check(test, "x", config=config)["ok"]
            test.advance(early)
            assert check(test, "x", config=config)["ok"]
