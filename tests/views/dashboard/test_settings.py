"""Settings, and the history of what was set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import convex_nb
from convex_nb.deployment.deployment import Deployment
from tests.views.dashboard.conftest import Reader

Open = Callable[[str], Reader]


def test_variables_are_set_and_removed_and_never_shown(deployment: Deployment, opened: Open) -> None:
    page = opened("settings")
    page.do("set", name=" KEY ", value="s3cr3t")
    assert deployment.env["KEY"] == "s3cr3t"
    assert page.cells("variables") == [["KEY", "•••"]]
    page.do("edit", "KEY")
    assert [field["value"] for field in page["variable"]["rows"][0]] == ["KEY", ""]
    page.do("set", name="1KEY", value="x")
    assert "a letter first" in page.said
    page.do("remove", "KEY")
    page.do("confirm")
    assert not deployment.env
    assert "s3cr3t" not in str(page.page.value)


@pytest.mark.parametrize("deployment", ["prod"], indirect=True)
def test_in_production_a_variable_is_removed_by_its_name(deployment: Deployment, opened: Open) -> None:
    deployment.env["KEY"] = "s3cr3t"
    page = opened("settings")
    page.do("remove", "KEY")
    page.do("confirm", name="key")
    assert "KEY" in deployment.env
    page.do("confirm", name="KEY")
    assert "KEY" not in deployment.env


def test_pause_resume_providers_and_a_backup(deployment: Deployment, opened: Open, tmp_path: Path) -> None:
    page = opened("settings")
    assert [card["figure"] for card in page["cards"]["cards"]] == ["in memory", "running", "not served"]
    page.do("pause")
    page.do("confirm")
    assert deployment.paused
    assert page.buttons("pause") == ["Resume"]
    page.do("resume")
    assert not deployment.paused
    deployment.push(auth=[{"domain": "https://a.example", "applicationID": "app"}])
    assert page.cells("providers") == [["oidc", "https://a.example", "app"]]
    page.do("back_up", path=str(tmp_path / "b.convex"))
    assert page.said.startswith(f"Backed up to {tmp_path / 'b.convex'}")
    convex_nb.verify_backup(tmp_path / "b.convex")
    page.do("back_up", path=" ")
    assert page.said == "Nothing was written: a backup needs a path."

    history = opened("history")
    assert [cells[1:4] for cells in history.cells("events")][:3] == [
        ["auth provider", "https://a.example", "added"],
        ["deployment", "", "resumed"],
        ["deployment", "", "paused"],
    ]
    history.do("filter", what="schema")
    assert [cells[2] for cells in history.cells("events")] == ["messages"]
    deployment.unregister("messages:fail")
    history.do("filter", what="function")
    assert history.cells("events")[0][2:4] == ["messages:fail", "removed"]
