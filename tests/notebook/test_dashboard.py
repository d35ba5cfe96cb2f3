"""`%convex dashboard` and `dep.dashboard()` in a notebook."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.language.errors import InvalidValueError
from convex_nb.notebook.session import get_session
from convex_nb.views.dashboard.dashboard import Dashboard
from tests.notebook.conftest import SEND, Notebook
from tests.until import until


def play(dashboard: Dashboard, **message: Any) -> None:
    """Be the browser."""
    dashboard._handle_custom_msg({"tab": "one", **message}, [])


def lines_of(dashboard: Dashboard, key: str) -> list[Any]:
    found: list[Any] = next(block for block in dashboard.value if block["key"] == key)["lines"]
    return found


def test_pages_turn_and_only_the_open_one_follows(chat: Notebook) -> None:
    chat.ok("send(author='Ada', body='hello')")
    dashboard: Dashboard = chat.ok("%convex dashboard", "board").value
    views = len(chat.session.flush.views)
    play(dashboard, type="hello", sequence=-1)
    assert dashboard.arguments == {"page": "health"}
    play(dashboard, type="turn", page="data")
    assert len(chat.session.flush.views) == views + 1
    (documents,) = [view for view in chat.session.flush.views if view.path == "messages"]
    chat.ok("send(author='Bob', body='<b>hi</b>')")
    assert [row["author"] for row in documents.value] == ["Bob", "Ada"]
    blocks = {block["key"]: block for block in dashboard.value}
    assert blocks["tables"]["items"][0]["note"] == "2"
    assert "&lt;b&gt;hi&lt;/b&gt;" in dashboard.sheet().html()
    play(dashboard, type="turn", page="logs")
    assert documents.comm is None
    assert len(chat.session.flush.views) == views
    play(dashboard, type="do", act="filter", entries={"text": "send", "function": "", "outcome": "", "level": ""})
    play(dashboard, type="turn", page="nothing")
    assert dashboard.arguments == {"page": "logs"}
    chat.ok("for number in range(3):\n    send(author='Zoe', body='Zoe')")

    def there() -> bool:
        get_session().flush.now()
        return len(lines_of(dashboard, "calls")) == 6

    until(there)
    assert "dashboard: logs" in repr(dashboard.sheet())


def test_a_page_that_nobody_looks_at_costs_nothing(chat: Notebook) -> None:
    dashboard: Dashboard = chat.ok("%convex dashboard", "board").value
    play(dashboard, type="hello", sequence=-1)
    play(dashboard, type="hidden")
    before = dashboard.value
    chat.ok("send(author='Ada', body='hello')")
    chat.session.flush.now()
    assert dashboard.value == before
    play(dashboard, type="hello", sequence=-1)
    chat.session.flush.now()
    assert dashboard.value != before


def test_a_cell_that_runs_again_shows_the_same_dashboard_and_a_deleted_one_leaves_nothing(chat: Notebook) -> None:
    first = chat.ok("%convex dashboard data", "board").value
    again = chat.ok("%convex dashboard functions", "board").value
    assert first is again
    assert again.arguments == {"page": "functions"}
    chat.ok("1", "board")
    assert [view.path for view in chat.session.flush.views] == ["messages:recent"]
    listeners = chat.deployment.on_commit
    assert not [each for each in listeners if "committed" in getattr(each, "__qualname__", "").split(".")[-1:]]


def test_a_page_that_there_is_not_is_refused_with_the_nearest(chat: Notebook) -> None:
    assert "Did you mean health?" in chat.run("%convex dashboard helth").text
    assert [bundle for bundle in chat.ok("%convex dashboard").bundles if "text/html" in bundle]


def test_a_deployment_shows_its_own_dashboard(chat: Notebook) -> None:
    board = chat.deployment.dashboard("settings")
    assert isinstance(board, Dashboard)
    assert board.arguments == {"page": "settings"}
    with pytest.raises(InvalidValueError, match="no page 'setings'; it has health, data"):
        chat.deployment.dashboard("setings")
    board.close()
    chat.ok("import convex_nb\ndashboard = convex_nb.current().dashboard('functions')\ndashboard", "board")
    play(chat["dashboard"], type="do", act="function", key="messages:send")
    chat.ok(SEND.replace("body: str", "body: str, loud: bool = False"), "chat-1")
    form = next(block for block in chat["dashboard"].value if block["kind"] == "view")
    assert "loud" in chat["dashboard"].query.sheets()[form["model"]].html()
