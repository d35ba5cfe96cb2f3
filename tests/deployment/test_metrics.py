from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import convex_nb
from convex_nb import InvalidValueError, MutationCtx, internal_mutation, v
from convex_nb.deployment.function_table import place_of
from convex_nb.deployment.logs import LogFeed
from convex_nb.testing import VirtualClock
from tests.functions.apps import add_task, get_task, list_tasks, open_app


@internal_mutation("tasks:fails", args={"code": v.string()}, returns=v.null())
def fails(ctx: MutationCtx, code: str) -> None:
    raise ValueError(code)


def test_metrics_by_function() -> None:
    with open_app() as dep:
        assert repr(dep.metrics) == "no function has run yet"
        assert dep.metrics._repr_html_() == "<p>no function has run yet</p>"
        dep.mutation(add_task, text="a")
        for _ in range(4):
            dep.query(list_tasks)
        with pytest.raises(ValueError, match="x"):
            dep.mutation(fails, code="x")
        frame: Any = dep.metrics.df().set_index("path")
        assert list(frame["calls"]) == [1, 1, 4]
        assert frame.loc["tasks:list", "hit_rate"] == 0.75
        assert frame.loc["tasks:fails", "errors"] == 1
        assert frame.loc["tasks:list", "p95_ms"] >= frame.loc["tasks:list", "p50_ms"] > 0
        assert len(dep.metrics) == 3
        assert repr(dep.metrics).startswith("tasks:add  1 calls, 0 errors, p95 ")
        assert "<td>tasks:list</td>" in dep.metrics._repr_html_()


def test_metrics_over_time() -> None:
    clock = VirtualClock()
    with convex_nb.open(clock=clock) as dep:
        for _ in range(3):
            dep.mutation(add_task, text="a")
            clock.advance(60_000)
        assert list(dep.metrics.df(every=timedelta(minutes=1))["calls"]) == [1, 1, 1]
        frame = dep.metrics.df(every=timedelta(hours=1))
        assert list(frame["calls"]) == [3]
        assert str(frame["time"].iloc[0]) == "2025-01-01 00:00:00+00:00"
        assert list(frame.columns[:3]) == ["time", "path", "kind"]
        for wrong in (timedelta(seconds=30), timedelta(seconds=90), "1min"):
            with pytest.raises(InvalidValueError, match="`every` is a timedelta of whole minutes"):
                dep.metrics.df(every=wrong)  # type: ignore[arg-type]


def test_functions_as_a_table() -> None:
    with open_app() as dep:
        dep.register(fails)
        dep.mutation(add_task, text="a")
        dep.query(list_tasks)
        dep.query(list_tasks)
        frame: Any = dep.functions.df().set_index("path")
        assert frame.loc["tasks:list", "arguments"] == "(done: bool = False)"
        assert (frame.loc["tasks:list", "calls"], frame.loc["tasks:list", "cached"]) == (2, 1)
        assert (frame.loc["tasks:fails", "visibility"], frame.loc["tasks:fails", "returns"]) == ("internal", "v.null()")
        assert frame.loc["tasks:fails", "calls"] == 0
        assert str(frame.loc["tasks:get", "defined_in"]).startswith("apps.py, line ")
        assert dep.functions["tasks.py:list"] is list_tasks
        assert "tasks:fails" in dep.functions
        assert "<td>tasks:get</td>" in dep.functions._repr_html_()
        assert repr(dep.functions).startswith("public mutation counters:add")
    with convex_nb.open() as empty:
        assert empty.functions._repr_html_() == "<p>no functions</p>"
        assert empty.functions.df().empty
    assert place_of(get_task).startswith("apps.py, line ")


def test_a_place_that_is_not_known_is_left_out() -> None:
    class Callable:
        def __call__(self, ctx: Any) -> None: ...

    assert place_of(convex_nb.query("m:f")(Callable())) == ""


def test_the_log_can_be_watched() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        feed = LogFeed(dep.logs, rows=2)
        assert [row["function"] for row in feed.value] == ["tasks:add"]
        assert (feed.stale, feed.refresh()) == (False, False)
        before = feed.value
        dep.query(list_tasks)
        dep.query(list_tasks)
        assert (feed.stale, feed.refresh(), feed.stale) == (True, True, False)
        assert before is not feed.value
        assert [(row["function"], row["outcome"]) for row in feed.value] == [
            ("tasks:list", "cached"),
            ("tasks:list", "ok"),
        ]
        assert feed.timestamp > 1e18
        dep.logs.note("tasks:list", "WARN", "was skipped", 0.0)
        assert feed.stale
        feed.expire()
        feed.close()
        assert len(dep._log.sinks) == 0
