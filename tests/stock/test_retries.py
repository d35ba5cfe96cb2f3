from __future__ import annotations

from random import Random
from typing import Any

import pytest

from convex_nb import InvalidValueError
from convex_nb.stock.retries import USUAL, Retry, backoff, to_retry


def test_what_retry_means() -> None:
    mine: Retry = {"max_attempts": 2, "initial_backoff": 1, "base": 3}
    assert [to_retry(each, mine) for each in (None, True, False)] == [mine, USUAL, None]
    assert to_retry({"max_attempts": 3}, mine) == {**USUAL, "max_attempts": 3}


@pytest.mark.parametrize(
    "wrong",
    [3, {"tries": 3}, {"max_attempts": 0}, {"max_attempts": 2.5}, {"base": 0.5}, {"base": True}]
    + [{"initial_backoff": bad} for bad in (0, float("nan"), float("inf"), "1")],
)
def test_what_it_cannot_mean(wrong: Any) -> None:
    with pytest.raises(InvalidValueError, match="retry="):
        to_retry(wrong)


def test_waits_grow_by_the_base_up_to_a_day_and_differ_by_half() -> None:
    random = Random(1)
    for failures, whole in [(1, 250), (2, 500), (4, 2000)]:
        waits = [backoff(USUAL, failures, random) for _ in range(200)]
        assert 0.5 * whole <= min(waits) < 0.6 * whole
        assert 1.4 * whole < max(waits) <= 1.5 * whole
    assert backoff({"max_attempts": 100, "initial_backoff": 1e7, "base": 100}, 99, random) == 86_400_000
