"""Logs: filters, requests as a whole, and what no call wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convex_nb import action
from convex_nb.deployment.deployment import Deployment
from convex_nb.views.dashboard.paper import Paper
from tests.views.dashboard.conftest import Reader

Open = Callable[[str], Reader]
CHANGES = [*["function"] * 6, "schema"]
NONE = {"text": "", "function": "", "outcome": "", "level": ""}


@action("jobs:twice")
def twice(ctx: Any) -> None:
    for author in ("Ada", "Bob"):
        ctx.run_mutation("messages:send", author=author)


@pytest.fixture
def logs(deployment: Deployment, opened: Open) -> Reader:
    deployment.register(twice)
    deployment.mutation("messages:send", author="Zoe")
    with pytest.raises(ValueError, match="luck"):
        deployment.mutation("messages:fail")
    deployment.env["KEY"] = "secret"
    deployment.action("jobs:twice")
    return opened("logs")


@pytest.mark.parametrize(
    ("entries", "paths"),
    [
        (
            {},
            ["jobs:twice", *["messages:send"] * 3, "environment", "messages:fail", *CHANGES],
        ),
        ({"text": "for zoe"}, ["messages:send"]),
        ({"function": "messages:send"}, ["messages:send"] * 3),
        (
            {"function": "-messages:send"},
            ["jobs:twice", "environment", "messages:fail", *CHANGES],
        ),
        ({"outcome": "failure"}, ["messages:fail"]),
        ({"level": "WARN"}, ["messages:fail"]),
        ({"text": "key"}, ["environment"]),
        ({"text": "messages added"}, ["schema"]),
        ({"level": "ERROR"}, ["messages:fail"]),
    ],
)
def test_calls_are_filtered(logs: Reader, entries: dict[str, str], paths: list[str]) -> None:
    logs.do("filter", **{**NONE, **entries})
    assert sorted(cells[1] for cells in logs.cells("calls")) == sorted(paths)
    assert "secret" not in str(logs["calls"])


def test_a_request_is_shown_with_all_that_it_called(logs: Reader) -> None:
    key = next(line["key"] for line in logs["calls"]["lines"] if line["cells"][1] == "jobs:twice")
    logs.do("request", key)
    assert [(cells[1], cells[4], cells[5]) for cells in logs.cells("request")] == [
        ("jobs:twice", "", "0, 0"),
        ("  └ messages:send", "sending for Ada", "0, 1"),
        ("  └ messages:send", "sending for Bob", "0, 1"),
    ]
    assert sum(line.get("on", False) for line in logs["calls"]["lines"]) == 3
    logs.do("shut")
    assert "request" not in logs


def test_on_paper_every_text_is_escaped(logs: Reader) -> None:
    logs.page.refresh()
    paper = Paper([], [], title="dashboard: logs", mark="m", blocks=logs.page.value)
    assert "ValueError: no &lt;b&gt;luck&lt;/b&gt;" in paper.html()
    assert "<b>luck" not in paper.html()
    assert "sending for Ada" in paper.text()
    assert "<script" not in paper.html()
