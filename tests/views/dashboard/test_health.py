"""Health: what the last hour was like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def test_insights_are_those_of_the_deployment(deployment: Deployment, opened: Open) -> None:
    health = opened("health")
    assert health["insights"]["lines"] == []
    with pytest.raises(ValueError, match="once"):
        deployment.transact(_conflicting(deployment))
    health.page.expire()
    assert [cells[-1] for cells in health.cells("insights")] == [1]
    assert "write conflicts" in health.cells("insights")[0][1]


def _conflicting(deployment: Deployment) -> Callable[[Any], None]:
    """A transaction that another one overtakes, and that fails when it runs again."""
    runs: list[int] = []

    def body(db: Any) -> None:
        if runs:
            raise ValueError("once is enough")
        runs.append(1)
        db.query("messages").collect()
        db.insert("messages", {"author": "Ada"})
        with deployment.transaction() as other:
            other.insert("messages", {"author": "Bob"})

    return body
