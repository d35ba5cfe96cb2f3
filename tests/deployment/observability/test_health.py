from __future__ import annotations

from typing import Any

import pytest

import convex_nb
from convex_nb import mutation, query
from convex_nb.testing import VirtualClock


@query("m:one")
def one(ctx: Any) -> int:
    return 1


@mutation("m:fails")
def fails(ctx: Any) -> None:
    raise ValueError("no")


def test_the_last_hour_is_what_counts() -> None:
    clock = VirtualClock(1_700_000_000_000)
    with convex_nb.open(clock=clock) as dep:
        quiet = dep.health()
        assert (quiet.calls, quiet.failure_rate, quiet.cache_hit_rate, quiet.last_push_ms) == (0, None, None, None)
        dep.register(one, fails)
        for _ in range(3):
            dep.query("m:one")
        with pytest.raises(ValueError, match="no"):
            dep.mutation("m:fails")
        health = dep.health()
        assert (health.calls, health.failure_rate, health.cache_hit_rate) == (4, 1 / 4, 2 / 3)
        assert (health.is_overdue, health.paused, health.insights, health.log_sinks) == (False, False, (), 0)
        assert health.last_push_ms is not None
        assert str(health).startswith("4 calls in the last hour, 25 percent failed\n66.7 percent")
        dep.pause()
        assert dep.health().paused
        dep.resume()
        clock.advance(2 * 3_600_000)
        assert dep.health().calls == 0
