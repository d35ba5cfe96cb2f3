"""Functions: the tree, the form of one of them, its live result, its charts and calls, and acting as a user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convex_nb.deployment.deployment import Deployment
from convex_nb.views.form_view import FormView
from tests.views.dashboard.conftest import Reader

Open = Callable[[str], Reader]


@pytest.fixture
def functions(opened: Open) -> Reader:
    return opened("functions")


def call(functions: Reader, path: str, **entries: Any) -> FormView:
    """Choose a function and send its form."""
    functions.do("function", path)
    form: Any = functions.page._shown[f"form {path}"]
    form._submit(entries)
    return form  # type: ignore[no-any-return]


def test_the_tree_is_by_module_and_follows_what_is_defined(deployment: Deployment, functions: Reader) -> None:
    items = [(item["label"], item.get("note")) for item in functions["functions"]["items"]]
    assert items == [
        ("messages", None),
        ("fail", "mutation"),
        ("list", "query"),
        ("send", "mutation"),
        ("tidy", "internal mutation"),
        ("users", None),
        ("me", "query"),
    ]
    deployment.unregister("messages:fail")
    assert ("fail", "mutation") not in [(item["label"], item.get("note")) for item in functions["functions"]["items"]]


def test_a_mutation_runs_by_its_form(deployment: Deployment, functions: Reader) -> None:
    form = call(functions, "messages:send", author="Ada", likes="5")
    assert form.status == "ok", form.error
    assert deployment.table("messages").count() == 1
    functions.page.expire()
    assert functions["charts"]["cards"][0]["figure"] == "1"
    assert functions.cells("calls")[0][2:] == ["ok", "sending for Ada"]
    assert "def send(ctx" in functions["code"]["text"]
    assert functions["kind"]["text"].startswith("public mutation, conftest.py")


def test_the_result_of_a_query_is_followed(deployment: Deployment, functions: Reader) -> None:
    call(functions, "messages:list", author=[0, "Ada"])
    assert functions.rows == []
    deployment.mutation("messages:send", author="Ada")
    deployment.mutation("messages:send", author="Bob")
    assert [row["author"] for row in functions.rows] == ["Ada"]
    call(functions, "messages:list")
    assert [row["author"] for row in functions.rows] == ["Ada", "Bob"]
    assert len(functions.host.views) == 1
    functions.do("function", "users:me")
    assert functions.host.views[0].query is None


def test_acting_as_a_user(deployment: Deployment, functions: Reader) -> None:
    functions.do("act", identity="5")
    assert functions.said.startswith("An identity is an object of claims")
    functions.do("act", identity='{"subject": "ada"}')
    call(functions, "users:me")
    view = functions.host.views[-1]
    assert view.value["subject"] == "ada"
    form = call(functions, "messages:tidy")
    assert "messages:tidy" in str(form.error)
    call(functions, "messages:list")
    view = functions.host.views[-1]
    deployment.mutation("messages:send", author="Ada")
    assert view.is_among(())
    view.absorb()
    assert [row["author"] for row in view.value] == ["Ada"]
    functions.do("administrator")
    assert view.query is None
    assert call(functions, "messages:tidy").status == "ok"


def test_nothing_yet(deployment: Deployment, functions: Reader) -> None:
    deployment.unregister(*deployment.functions)
    assert "define one" in functions["none"]["text"]
