from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import ConvexError, InvalidValueError, action, components
from convex_nb.stock import MINUTE, ActionCache
from convex_nb.testing import ConvexTest

runs: list[str] = []


@action("weather:forecast")
def forecast(ctx: Any, city: str, days: int = 1) -> Any:
    runs.append(city)
    if city == "Atlantis":
        raise ConvexError("sunk")
    return None if city == "Nowhere" else f"{city} {len(runs)}"


cache = ActionCache(components.action_cache, action=forecast, ttl=MINUTE)
lasting = ActionCache(action="weather:forecast", name="lasting")


@action
def ask(ctx: Any, city: str, days: int = 1, force: bool = False, lasts: bool = False) -> Any:
    return (lasting if lasts else cache).fetch(ctx, {"city": city}, days=days, force=force)


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    runs.clear()
    with ConvexTest() as test:
        test.register_component(ActionCache.definition)
        test.deployment.register(forecast, ask)
        yield test


def kept(test: ConvexTest) -> int:
    return test.deployment.components["action_cache"].table("results").count()


def test_the_same_arguments_run_it_once_until_it_expires(test: ConvexTest) -> None:
    assert [test.action(ask, city="Oslo") for _ in range(2)] == ["Oslo 1"] * 2
    assert test.action(ask, city="Oslo", days=2) == "Oslo 2"
    assert test.action(ask, city="Rome") == "Rome 3"
    test.advance(MINUTE - 1)
    assert test.action(ask, city="Oslo") == "Oslo 1"
    test.advance(1)
    assert test.action(ask, city="Oslo") == "Oslo 4"
    assert kept(test) == 1


def test_nothing_is_a_result_too_and_an_error_is_none(test: ConvexTest) -> None:
    assert [test.action(ask, city="Nowhere") for _ in range(2)] == [None, None]
    for _ in range(2):
        with pytest.raises(ConvexError, match="sunk"):
            test.action(ask, city="Atlantis")
    assert (runs, kept(test)) == (["Nowhere", "Atlantis", "Atlantis"], 1)


def test_force_runs_it_and_keeps_what_it_returns(test: ConvexTest) -> None:
    test.action(ask, city="Oslo")
    assert test.action(ask, city="Oslo", force=True) == "Oslo 2"
    assert (test.action(ask, city="Oslo"), kept(test)) == ("Oslo 2", 1)


def test_results_are_kept_by_name_for_good_without_a_ttl_and_forgotten_on_request(test: ConvexTest) -> None:
    assert test.action(ask, city="Oslo", lasts=True) == "Oslo 1"
    assert test.action(ask, city="Oslo") == "Oslo 2"
    test.advance(100 * MINUTE)
    assert test.action(ask, city="Oslo", lasts=True) == "Oslo 1"
    test.run(lambda ctx: cache.clear(ctx))
    assert kept(test) == 1
    test.run(lambda ctx: lasting.remove(ctx, city="Oslo", days=2))
    assert kept(test) == 1
    test.run(lambda ctx: lasting.remove(ctx, city="Oslo", days=1))
    assert kept(test) == 0


@pytest.mark.parametrize("ttl", [0, -1, float("inf"), "1", True])
def test_a_result_is_kept_for_some_time(ttl: Any) -> None:
    with pytest.raises(InvalidValueError, match="positive number of milliseconds"):
        ActionCache(action=forecast, ttl=ttl)
