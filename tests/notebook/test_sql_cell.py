"""`%%convex_sql`."""

from __future__ import annotations

from IPython.core.error import UsageError

from convex_nb.language.errors import SqlError
from convex_nb.views.live_view import LiveView
from tests.notebook.conftest import Notebook

SEND = 'send(author="{}", body="hello")'
COUNT = "%%convex_sql --as counts\nselect author, count(*) as n\nfrom messages group by 1 order by 1"


def test_a_statement_is_followed(chat: Notebook) -> None:
    chat.ok(SEND.format("Ada"))
    view = chat.ok(COUNT).value
    assert isinstance(view, LiveView)
    assert chat["counts"] is view
    assert view.value == [{"author": "Ada", "n": 1}]
    chat.ok(SEND.format("Bob"))
    assert view.value == [{"author": "Ada", "n": 1}, {"author": "Bob", "n": 1}]
    assert view.query is not None
    assert view.query.tables == {"messages"}


def test_a_statement_runs_again_only_for_its_tables(chat: Notebook) -> None:
    chat.ok(SEND.format("Ada"))
    view = chat.ok(COUNT).value
    before = view.timestamp
    chat.ok('%%convex_mutation\ndb.insert("elsewhere", {"n": 1})')
    assert view.timestamp == before


def test_names_are_variables_and_widgets(chat: Notebook) -> None:
    chat.ok(SEND.format("Ada"))
    chat.ok("import ipywidgets\nwho = ipywidgets.Text('Ada')\nword = \"hello' or true --\"")
    view = chat.ok("%%convex_sql\nselect body from messages where author = $who").value
    assert view.value == [{"body": "hello"}]
    chat.ok("who.value = 'Bob'")
    assert view.value == []
    assert chat.ok("%%convex_sql\nselect body from messages where body = $word").value.value == []
    ran = chat.run("%%convex_sql\nselect $nobody")
    assert isinstance(ran.error, UsageError)


def test_frames_of_the_notebook_are_tables(chat: Notebook) -> None:
    chat.ok(SEND.format("Ada"))
    chat.ok("import pandas as pd\ncities = pd.DataFrame({'author': ['Ada'], 'city': ['Rome']})")
    view = chat.ok("%%convex_sql\nselect city from messages join cities using (author)").value
    assert view.value == [{"city": "Rome"}]


def test_what_is_wrong_is_said(chat: Notebook) -> None:
    ran = chat.run("%%convex_sql\ndelete from messages")
    assert isinstance(ran.error, SqlError)
    assert 'db.delete("messages", id)' in ran.text
    view = chat.ok("%%convex_sql\nselect n from yet_to_come").value
    assert view.status == "error"
    chat.ok('%%convex_mutation\ndb.insert("yet_to_come", {"n": 1})')
    assert (view.status, view.value) == ("ok", [{"n": 1}])


def test_a_cell_that_runs_again_keeps_its_view(chat: Notebook) -> None:
    chat.ok(SEND.format("Ada"))
    first = chat.ok(COUNT, "cell").value
    assert chat.ok(COUNT, "cell").value is first


def test_a_plan_and_the_tables_are_answered_once(chat: Notebook) -> None:
    chat.ok(SEND.format("Ada"))
    chat.ok("who = 'Ada'")
    found = chat.ok("%%convex_sql --as plan\nexplain select body from messages where author = $who").value
    assert not isinstance(found, LiveView)
    assert "messages" in chat.ok("%%convex_sql\nshow tables").value.df()["name"].tolist()
    assert chat["plan"] is found
    assert "Projections" in repr(found)
