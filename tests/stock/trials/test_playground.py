from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import convex_nb
from convex_nb import ComponentError, InvalidValueError, components
from convex_nb.deployment.deployment import Deployment
from convex_nb.notebook.session import close_session, get_session
from convex_nb.stock import Agent, Threads, playground
from tests.until import until

polly = Agent(name="Polly", model=lambda messages: f"You said: {messages[-1]['content']}")


@pytest.fixture(autouse=True)
def notebook(deployment: Deployment) -> Iterator[None]:
    close_session()
    convex_nb.set_current(deployment)
    yield
    convex_nb.set_current(None)
    close_session()


def test_it_is_a_view_that_follows_and_is_on_paper() -> None:
    view = playground(polly, user="ada")

    def do(act: str, **entries: Any) -> None:
        view._handle_custom_msg({"tab": "one", "type": "do", "act": act, "key": "", "entries": entries}, [])

    def keys() -> list[str]:
        return [block["key"] for block in view.value]

    assert "There is no thread of ada yet" in repr(view.sheet())
    do("send", agent="0", prompt="<i>Hello</i>")
    until(lambda: "You said: <i>Hello</i>" in view.sheet().text() and "under way" not in keys())
    html = view.sheet().html()
    assert "&lt;i&gt;Hello" in html
    assert "<i>" not in html
    assert "playground: threads" in html
    do("turn", page="data")
    assert view.arguments == {"page": "threads"}


def test_a_cell_that_runs_again_has_the_same_one() -> None:
    session = get_session()
    views = []
    for _ in range(2):
        session.begin_cell("one")
        views.append(playground(polly))
        session.end_cell()
    assert views[0] is views[1]
    assert len(session.flush.views) == 1


def test_what_cannot_be_shown_is_refused() -> None:
    other = Threads(components.elsewhere)
    with pytest.raises(ComponentError, match='There is no component "elsewhere"'):
        playground(other)
    with pytest.raises(InvalidValueError, match=r"components\.agent, components\.elsewhere"):
        playground(polly, other)
    with pytest.raises(InvalidValueError, match=r"takes agents, .* not 'Polly'"):
        playground("Polly")  # type: ignore[arg-type]
