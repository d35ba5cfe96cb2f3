"""What all pages do: follow while they are open, ask before they destroy, say what went wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from convex_nb.deployment.deployment import Deployment
from tests.views.dashboard.conftest import Reader

Open = Callable[[str], Reader]


def test_a_page_is_made_anew_only_after_a_change_and_a_closed_one_follows_nothing(
    deployment: Deployment, opened: Open
) -> None:
    data = opened("data")
    assert not data.page.refresh()
    commits, marks = len(deployment.on_commit), data.host.marks
    for _ in range(3):
        deployment.mutation("messages:send", author="Ada")
    assert data.host.marks > marks
    assert data.page.refresh()
    data.page.end()
    assert len(deployment.on_commit) < commits
    marks = data.host.marks
    deployment.mutation("messages:send", author="Ada")
    assert data.host.marks == marks
    assert data.host.views[0].query is None


@pytest.mark.parametrize(
    ("deployment", "typed", "is_done"),
    [("dev", "", True), ("prod", "", False), ("prod", "message", False), ("prod", "messages", True)],
    indirect=["deployment"],
)
def test_what_destroys_is_confirmed_in_production_by_its_name(
    deployment: Deployment, opened: Open, typed: str, is_done: bool
) -> None:
    deployment.mutation("messages:send", author="Ada")
    data = opened("data")
    data.do("clear")
    question = data["question"]
    assert question["asks"]
    assert question["title"] == "Delete all 1 document of messages?"
    assert bool(question["rows"]) == (deployment.mode == "prod")
    assert deployment.table("messages").count() == 1
    data.do("confirm", name=typed)
    assert deployment.table("messages").count() == (0 if is_done else 1)
    assert ("question" in data) != is_done
    assert data.said == ("messages was cleared." if is_done else "Nothing was done: to clear table, type messages.")


def test_cancel_leaves_everything_and_confirm_without_a_question_does_nothing(
    deployment: Deployment, opened: Open
) -> None:
    deployment.mutation("messages:send", author="Ada")
    data = opened("data")
    data.do("clear")
    data.do("cancel")
    data.do("confirm")
    assert "question" not in data
    assert deployment.table("messages").count() == 1


def test_what_goes_wrong_is_said_and_an_act_that_there_is_not_does_nothing(opened: Open) -> None:
    data = opened("data")
    data.do("add_documents", text="[")
    assert data["notice"]["tone"] == "bad"
    assert "not JSON" in data.said
    data.do("__class__")
    data.do("end")
    assert "notice" not in data


def test_a_closed_deployment_is_said_and_the_last_blocks_stay(deployment: Deployment, opened: Open) -> None:
    health = opened("health")
    deployment.close()
    health.page.expire()
    assert health.page.refresh()
    assert "cannot be used" in str(health.page.error)
    assert health.page.value


def test_a_page_that_is_opened_during_a_pause_says_so_and_recovers(deployment: Deployment, opened: Open) -> None:
    deployment.mutation("messages:send", author="Ada")
    deployment.pause()
    data = opened("data")
    assert "paused" in str(data.page.error)
    deployment.resume()
    assert len(data["tables"]["items"]) == 1
    assert [row["author"] for row in data.rows] == ["Ada"]
