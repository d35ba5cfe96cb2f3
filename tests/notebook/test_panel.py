"""Ids that lead to their documents, below a view."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.views.live_view import LiveView
from tests.notebook.conftest import Notebook


def opened(view: LiveView, **asked: Any) -> dict[str, Any]:
    view._from_browser({"type": "open", **asked})
    found: dict[str, Any] = view.whole()["head"]["opened"]
    return found


@pytest.fixture
def linked(notebook: Notebook) -> Notebook:
    """A user, and two messages by that user."""
    notebook.ok("%%convex_query messages -q --no-live\ndef every(ctx):\n    return ctx.db.query('messages').collect()")
    notebook.ok(
        "%%convex_mutation\nada = db.insert('users', {'name': 'Ada'})\n"
        "for body in 'ab':\n    db.insert('messages', {'body': body, 'by': ada})"
    )
    return notebook


RENAME = "%%convex_mutation\ndb.patch(db.query('users').first()['_id'], {'name': 'Countess'})"


def test_an_id_in_a_cell_leads_to_its_document_which_is_live(linked: Notebook) -> None:
    view = linked.ok("live(every)").value
    found = opened(view, key=view.value[0]["_id"], column="by")
    assert (found["title"], found["id"]) == ("users", view.value[0]["by"])
    assert found["tree"]["items"][0] == {"label": "name", "cell": "Ada"}
    runs = view.query.runs
    linked.ok(RENAME)
    assert view.whole()["head"]["opened"]["tree"]["items"][0] == {"label": "name", "cell": "Countess"}
    assert view.query.runs == runs, "the query of the view has not read the user"
    linked.ok("%%convex_mutation\ndb.delete(db.query('users').first()['_id'])")
    assert "no longer" in view.whole()["head"]["opened"]["note"]


def test_what_is_open_is_followed_until_it_is_shut_or_its_view_closes(linked: Notebook) -> None:
    view = linked.ok("live(every)", "a").value
    user = view.value[0]["by"]
    opened(view, id=user)
    opened(view, id=view.value[0]["_id"], onward=True)
    assert opened(view, id=user, onward=True)["back"] is True
    queries = [each.query for each in view._panel._trail]
    view._from_browser({"type": "back"})
    assert view.whole()["head"]["opened"]["id"] == view.value[0]["_id"]
    assert [query._closed for query in queries] == [False, False, True]
    view.pause()
    view.close()
    assert all(query._closed for query in queries)


@pytest.mark.parametrize("id", ["nonsense", "", "<b>x</b>", "j" * 500])
def test_what_is_no_id_is_said(linked: Notebook, id: str) -> None:
    view = linked.ok("live(every)").value
    found = opened(view, id=id)
    assert "tree" not in found
    assert found["note"]
    assert linked.ok("live(every)").value.status == "ok"


def test_in_an_app_ids_lead_nowhere(linked: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    view = linked.ok("live(every)").value
    assert view.whole()["head"]["jumps"] is False
    assert opened(view, id=view.value[0]["by"]) is None
    assert opened(view, key=view.value[0]["_id"], column="by")["text"] == view.value[0]["by"]


def test_ids_of_imported_rows_lead_on_as_well(linked: Notebook) -> None:
    user = linked.deployment.query("messages:every")[0]["by"]
    linked.deployment.import_table("links", [{"to": str(user)}])
    view = linked.ok("%%convex_query\ndb.query('links').collect()").value
    (row,) = view.whole()["page"]
    assert row[1][0] == {"k": "id", "v": user, "of": ""}
