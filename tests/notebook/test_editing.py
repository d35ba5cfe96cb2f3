"""Rows edited in place, through a mutation."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.views.live_view import LiveView
from tests.notebook.conftest import Notebook

RENAME = """%%convex_mutation messages -q
from typing import Literal
from convex_nb import ConvexError, Id
def rename(ctx, id: Id["messages"], body: str, author: Literal["Ada", "Bob"] | None = None, size: float | None = None,
           extra: dict[str, str] | None = None, seal: bytes | None = None):
    if body == "bad":
        raise ConvexError("no <b>bad</b> words")
    fields = {"author": author, "body": body, "size": size, "extra": extra}
    ctx.db.patch(id, {name: value for name, value in fields.items() if value is not None or name in ("size", "extra")})
"""


@pytest.fixture
def edited(notebook: Notebook) -> Notebook:
    """Two messages without a schema, and a mutation that changes one."""
    notebook.ok(RENAME)
    notebook.ok("%%convex_query messages -q --no-live\ndef every(ctx):\n    return ctx.db.query('messages').collect()")
    notebook.ok(
        "%%convex_mutation\nfor author in ('Ada', 'Bob'):\n    db.insert('messages', {'author': author, 'body': 'x'})"
    )
    return notebook


def edit(view: LiveView, place: int, column: str, entry: Any) -> str:
    sent: list[Any] = []
    view.send = lambda content, buffers=None: sent.append(content)
    key = view.value[place]["_id"]
    view._from_browser({"type": "edit", "tab": "t", "key": key, "column": column, "entry": entry})
    (answer,) = [message for message in sent if message["type"] == "edited"]
    assert (answer["tab"], answer["key"], answer["column"]) == ("t", key, column)
    return str(answer["problem"])


def test_a_cell_is_changed_by_the_mutation(edited: Notebook) -> None:
    view = edited.ok("live(every, edit=rename)").value
    assert {name: field["kind"] for name, field in view.whole()["head"]["edit"].items()} == {
        "body": "string",
        "author": "choice",
        "size": "number",
        "extra": "any",
    }
    assert edit(view, 1, "body", "hello") == ""
    assert edit(view, 1, "author", 0) == ""
    assert edit(view, 1, "size", "2.5") == ""
    edited.session.flush.now()
    assert {"author": "Ada", "body": "hello", "size": 2.5}.items() <= view.value[1].items()
    assert edit(view, 1, "size", None) == ""
    edited.session.flush.now()
    assert view.value[1]["size"] is None
    assert view.value[0]["body"] == "x"


def test_a_refusal_says_why_and_writes_nothing(edited: Notebook) -> None:
    view = edited.ok("live(every, edit='messages:rename')").value
    timestamp = edited.deployment.timestamp
    assert "no <b>bad</b> words" in edit(view, 0, "body", "bad")
    assert "is not a number" in edit(view, 0, "size", "many")
    assert "cannot be edited" in edit(view, 0, "_id", "x")
    assert "cannot be edited" in edit(view, 0, "seal", "00")
    assert edited.deployment.timestamp == timestamp


def opened(view: LiveView, place: int, column: str) -> dict[str, Any]:
    view._from_browser({"type": "open", "key": view.value[place]["_id"], "column": column})
    found: dict[str, Any] = view.whole()["head"]["opened"]
    return found


def test_nested_values_are_edited_as_json(edited: Notebook) -> None:
    view = edited.ok("live(every, edit=rename)").value
    assert opened(view, 0, "extra")["text"] == "", "missing is not null"
    assert edit(view, 0, "extra", '{"mood": "good"}') == ""
    edited.session.flush.now()
    assert view.value[0]["extra"] == {"mood": "good"}
    asked = opened(view, 0, "extra")
    assert asked["text"] == '{"mood": "good"}'
    assert asked["edit"].items() >= {"key": view.value[0]["_id"], "column": "extra", "kind": "any"}.items()
    assert edit(view, 0, "extra", "null") == ""
    edited.session.flush.now()
    assert view.value[0]["extra"] is None
    assert opened(view, 0, "extra")["text"] == "null"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('{"mood": }', "Not JSON: Expecting value: line 1 column 10"),
        ('{"mood": 5}', "mood: 5 does not fit v.string()."),
        ("", "This needs a value, as JSON."),
        (None, "This needs an entry."),
        ("[]", "does not fit"),
    ],
)
def test_json_that_does_not_fit_says_where(edited: Notebook, entry: Any, problem: str) -> None:
    view = edited.ok("live(every, edit=rename)").value
    timestamp = edited.deployment.timestamp
    assert problem in edit(view, 0, "extra", entry)
    assert edited.deployment.timestamp == timestamp


def test_json_to_edit_means_what_is_stored_and_hides_nothing(edited: Notebook) -> None:
    edited.ok(
        "%%convex_mutation\nfor row in db.query('messages').collect():\n"
        "    db.patch(row['_id'], {'extra': {'key': '\\u202ehidden' + 'é' * 80}})"
    )
    view = edited.ok("live(every, edit=rename)").value
    text = opened(view, 0, "extra")["text"]
    assert "\\u202ehidden" in text
    assert text.count("\n") == 2
    before = view.value[0]
    assert edit(view, 0, "extra", text) == ""
    edited.session.flush.now()
    assert view.value[0]["extra"] == before["extra"]


def test_a_text_is_edited_in_full_and_empty_is_not_null(edited: Notebook) -> None:
    view = edited.ok("live(every, edit=rename)").value
    assert edit(view, 0, "body", "line\n" * 300) == ""
    edited.session.flush.now()
    assert opened(view, 0, "body")["text"] == "line\n" * 300
    assert edit(view, 0, "body", "") == ""
    edited.session.flush.now()
    assert view.value[0]["body"] == ""


def test_what_cannot_edit_rows_is_refused(edited: Notebook) -> None:
    edited.ok("%%convex_mutation messages -q\ndef clear(ctx, author: str):\n    return None")
    assert "needs a parameter for the id of the row" in edited.run("live(every, edit=clear)").text
    assert "is a query" in edited.run("live(every, edit=every)").text
    assert "There is no function" in edited.run("live(every, edit='messages:nothing')").text


def test_without_edit_nothing_can_be_changed(edited: Notebook) -> None:
    view = edited.ok("live(every)").value
    assert view.whole()["head"]["edit"] is None
    timestamp = edited.deployment.timestamp
    assert "nothing here can be edited" in edit(view, 0, "body", "y")
    assert edited.deployment.timestamp == timestamp
