"""Health: what the last hour was like."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from convex_nb.deployment.deployment import Deployment
from tests.views.dashboard.conftest import Reader

Open = Callable[[str], Reader]


def test_figures_of_the_last_hour(deployment: Deployment, opened: Open) -> None:
    health = opened("health")
    assert [card["figure"] for card in health["cards"]["cards"]][:3] == ["–", "–", "OK"]
    for _ in range(3):
        deployment.mutation("messages:send", author="Ada")
        deployment.query("messages:list")
    deployment.query("messages:list")
    with pytest.raises(ValueError, match="luck"):
        deployment.mutation("messages:fail")
    health.page.expire()
    failed, cached, _, pushed, documents = health["cards"]["cards"]
    assert (failed["figure"], failed["note"]) == ("12%", "1 of 8 calls in the last hour")
    assert cached["figure"] == "25%"
    assert [point for point in cached["chart"]["lines"][0][1] if point is not None] == [25.0]
    assert documents["figure"] == "3"
    assert pushed["note"].endswith("function users:me added")
    assert health["insights"]["lines"] == []


def test_a_pause_and_what_is_late_are_seen(deployment: Deployment, opened: Open) -> None:
    health = opened("health")
    deployment.schedules.hold()
    deployment.pause()
    health.page.expire()
    assert health["cards"]["cards"][2]["figure"] == "Paused"
