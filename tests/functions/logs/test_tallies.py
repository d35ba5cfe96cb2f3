from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.functions.logs import tallies as module
from convex_nb.functions.logs.tallies import Tallies, Tally


def record(path: str = "m:f", kind: str = "query", ms: float = 1.0, **changes: Any) -> tuple[Any, ...]:
    fields = {"time_ms": 0.0, "status": "success", "cached": False, "retries": 0, "read": 1, "written": 2} | changes
    return (
        *(1, fields["time_ms"], path, kind, fields["status"], None, ms, 0.5),
        *(fields["cached"], fields["retries"], fields["read"], fields["written"]),
        *("the rest", "is not looked at"),
    )


def test_calls_are_added_up_by_function() -> None:
    tallies = Tallies()
    for each in (
        record(),
        record(cached=True),
        record(status="failure"),
        record("m:g", "mutation", retries=3),
    ):
        tallies.waiting.append(each)
    first, second = tallies.totals()
    assert (first.path, first.calls, first.errors, first.cached, first.hit_rate) == ("m:f", 3, 1, 1, 1 / 3)
    assert (first.documents_read, first.documents_written) == (2, 4)
    assert (second.path, second.retries, second.hit_rate) == ("m:g", 3, None)
    assert Tally("m:f", "query").quantile(0.5) is None


@given(st.lists(st.floats(1e-4, 1e6), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_quantiles_are_within_five_percent(durations: list[float], share: float) -> None:
    tally = Tally("m:f", "query")
    for ms in durations:
        tally.add(record(ms=ms))
    found = tally.quantile(share)
    assert found is not None
    exact = sorted(durations)
    # The least value that is at or above this share of the others.
    rank = next(n for n in range(len(exact)) if n + 1 >= share * len(exact) - 1e-9)
    assert exact[rank] / 1.05 <= found <= exact[rank] * 1.05


def test_minutes_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MINUTES", 10)
    tallies = Tallies()
    for minute in range(25):
        tallies.waiting.append(record(time_ms=minute * 60_000.0 + 5))
    minutes = list(tallies.minutes())
    assert [began for began, _ in minutes] == [minute * 60_000 for minute in range(15, 25)]
    assert tallies.totals()[0].calls == 25


def test_merging_adds_everything() -> None:
    one, other = Tally("m:f", "query"), Tally("m:f", "query")
    one.add(record(ms=1.0))
    other.add(record(ms=1.0, cached=True))
    other.add(record(ms=100.0, status="failure"))
    one.merge(other)
    assert (one.calls, one.errors, one.cached, sum(one.durations.values())) == (3, 1, 1, 2)
