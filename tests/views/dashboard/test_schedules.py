"""Schedules: what waits, what is over, crons and their runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import convex_nb
from convex_nb import cron_jobs, mutation
from convex_nb.deployment.deployment import Deployment
from convex_nb.testing import VirtualClock
from tests.views.dashboard.conftest import Reader, fail, send

Open = Callable[[str], Reader]


@mutation("jobs:later")
def later(ctx: Any, ms: float, author: str) -> Any:
    return ctx.scheduler.run_after(ms, "messages:send", {"author": author})


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with convex_nb.open(clock=VirtualClock(1_700_000_000_000)) as opened:
        opened.register(send, fail, later)
        yield opened


def test_jobs_wait_are_canceled_and_end(deployment: Deployment, opened: Open) -> None:
    page = opened("schedules")
    assert "Nothing waits" in page["waiting"]["text"]
    for ms, author in ((60_000.0, "Ada"), (1000.0, "<b>Bob</b>"), (90_000.0, "Eve")):
        deployment.mutation("jobs:later", ms=ms, author=author)
    assert [cells[2] for cells in page.cells("waiting")] == ['author="<b>Bob</b>"', 'author="Ada"', 'author="Eve"']
    page.do("cancel_job", page["waiting"]["lines"][1]["key"])
    assert page.said == "The job was canceled."
    deployment._database.clock.advance(2000)  # type: ignore[attr-defined]
    assert [cells[3] for cells in page.cells("ended")] == ["success", "canceled"]
    page.do("filter", function="messages:send")
    page.do("cancel_all")
    assert page["question"]["title"] == "Cancel every job of messages:send?"
    page.do("confirm")
    assert page.said == "1 job canceled."
    assert page["waiting"]["lines"] == []


def test_crons_with_their_next_time_and_their_runs(deployment: Deployment, opened: Open) -> None:
    crons = cron_jobs()
    crons.interval("again", {"minutes": 1}, fail)
    deployment.push(crons=crons)
    page = opened("schedules")
    assert page.cells("crons")[0][:3] == ["again", deployment.schedules.crons.schedule("again"), "messages:fail"]
    deployment._database.clock.advance(61_000)  # type: ignore[attr-defined]
    assert page.cells("crons")[0][4].startswith("failed: ")
    page.do("cron", "again")
    assert all("no <b>luck</b>" in cells[2] for cells in page.cells("runs"))
    assert page["runs"]["lines"]
    page.do("cron", "again")
    assert "runs" not in page
