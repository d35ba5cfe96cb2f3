"""The sub-commands of `%convex`."""

from __future__ import annotations

from pathlib import Path

import pytest

import convex_nb
from convex_nb.deployment.current import current
from tests.notebook.conftest import Notebook


def test_status_says_what_there_is(chat: Notebook) -> None:
    chat.ok('send(author="Ada", body="hello")')
    lines = chat.ok("%convex").value.text().splitlines()
    assert lines[0].startswith("convex_nb ")
    assert "messages (1)" in lines[1]
    assert lines[2] == "functions: 1 mutation, 1 query"
    assert lines[3] == "now: 1 live view, 2 commits"  # the schema is one, since the audit log keeps it
    assert "explain" in lines[4]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tabels", "has no command 'tabels'. Did you mean tables?"),
        ("xyz", "has no command 'xyz'. See %convex help."),
        ("explain", "takes NAME"),
        ("tables now", "takes nothing after it"),
        ("display widgets", "takes `static` or `live`, not 'widgets'"),
        ("explain messages:send", "messages:send is a mutation"),
        ("explain messages:recnt", "Did you mean messages:recent?"),
    ],
)
def test_wrong_usage(chat: Notebook, line: str, said: str) -> None:
    ran = chat.run(f"%convex {line}")
    assert said in ran.text
    assert len(ran.text.strip().splitlines()) == 1


def test_tables(chat: Notebook) -> None:
    chat.ok("%%convex_mutation\ndb.insert('loose', {'n': 1})")
    rows = {row[0]: row[1:] for row in chat.ok("%convex tables").value.rows}
    assert rows["messages"] == ["0", "2 fields, 1 index", "by_author (author)"]
    assert rows["loose"] == ["1", "not in the schema", ""]


def test_tables_tell_how_far_a_staged_index_is(chat: Notebook) -> None:
    chat.ok("%%convex_schema\nthings = define_table({'n': v.number()}).index('by_n', ['n'], staged=True)")
    rows = {row[0]: row[1:] for row in chat.ok("%convex tables").value.rows}
    assert rows["things"] == ["0", "1 field, 1 index", "by_n (n): staged, 0 of 0 rows"]


def test_tables_tell_what_can_be_searched(chat: Notebook) -> None:
    chat.ok(
        "%%convex_schema\n"
        "things = (define_table({'t': v.string(), 'w': v.array(v.float64()), 'n': v.number()})"
        ".search_index('words', 't', ['n']).vector_index('near', 'w', 2).search_index('later', 't', staged=True))"
    )
    rows = {row[0]: row[1:] for row in chat.ok("%convex tables").value.rows}
    assert rows["things"][-1] == (
        "words (text of t, by n), near (vectors of 2 numbers in w), later (t): staged, 0 of 0 rows"
    )


def test_functions(chat: Notebook) -> None:
    rows = {row[0]: row[1:] for row in chat.ok("%convex functions").value.rows}
    assert rows["messages:send"][:2] == ["mutation", "(author: str, body: str)"]
    assert rows["messages:recent"][:2] == ["query", "(author: str | None = None)"]
    assert (rows["messages:send"][-1], rows["messages:recent"][-1]) == ("", "1")
    assert rows["messages:send"][2].startswith("In [")


def test_logs_show_calls_and_what_they_printed(chat: Notebook) -> None:
    chat.ok(
        "%%convex_mutation m\ndef talk(ctx, fail: bool = False):\n    print('hello')\n    assert not fail, 'no luck'"
    )
    chat.ok("talk()")
    chat.run("talk(fail=True)")
    view = chat.ok("%convex logs").value
    newest, before = view.value[:2]
    assert (newest["function"], newest["outcome"], newest["printed"]) == ("m:talk", "AssertionError: no luck", "hello")
    assert (before["function"], before["outcome"], before["printed"]) == ("m:talk", "ok", "hello")
    chat.ok("talk()")
    assert view.value[0]["outcome"] == "ok"
    assert len(view.df()) == len(view.value)


def test_logs_of_a_cell_that_runs_again_are_one_view(chat: Notebook) -> None:
    first = chat.ok("%convex logs").value
    assert chat.ok("%convex logs").value is first


def test_metrics(chat: Notebook) -> None:
    rows = {row[0]: row[1:] for row in chat.ok("%convex metrics").value.rows}
    assert rows["messages:recent"][1] == "0"
    chat.ok("%convex reset")
    assert chat.ok("%convex metrics").value.caption == "No function has run yet."


def test_the_schema_as_code(chat: Notebook) -> None:
    assert '.index("by_author", ["author"])' in chat.ok("%convex schema").value.data
    chat.ok("%convex reset")
    assert "No schema yet" in chat.ok("%convex schema").text


def test_drop(chat: Notebook) -> None:
    view = chat.ok("live('messages:recent')").value
    assert "dropped messages:recent" in chat.ok("%convex drop messages:recent").text
    assert "messages:recent" not in chat.deployment.functions
    assert view.status == "error"


def test_reset(chat: Notebook) -> None:
    before = chat.deployment
    view = chat.ok("live(recent)").value
    chat.ok("%convex reset")
    assert chat.deployment is not before
    assert (view.comm, len(chat.deployment.tables), chat.session.flush.views) == (None, 0, [])
    chat.ok('%%convex_mutation --once seed\ndb.insert("messages", {"n": 1})')
    assert chat.deployment.table("messages").count() == 1


def test_help_lists_the_commands(notebook: Notebook) -> None:
    text = notebook.ok("%convex help").text
    assert "import TABLE PATH ..." in text
    assert "Forget a function" in text


def test_every_command_is_in_the_help(notebook: Notebook) -> None:
    from convex_nb.notebook.commands import COMMANDS

    text = notebook.shell.magics_manager.magics["line"]["convex"].__doc__ or ""
    assert [name for name in COMMANDS if name != "status" and f"%convex {name}" not in text] == []


def test_opening_the_file_that_is_open_goes_on_with_it(chat: Notebook, tmp_path: Path) -> None:
    path = tmp_path / "app.convex"
    chat.ok(f"%convex open {path}")
    before = current()
    chat.ok("%%convex_mutation\ndb.insert('notes', {'n': 1})")
    chat.ok(f"%convex open {path}")
    assert current() is before
    assert current().table("notes").count() == 1
    with convex_nb.open(tmp_path / "other.convex"):
        assert "in use by this process" in chat.run(f"%convex open {tmp_path / 'other.convex'}").text
    assert current() is before


def test_serve_says_where_apps_connect(chat: Notebook) -> None:
    assert chat.ok("%convex serve stop").value.text() == "nothing was served"
    shown = chat.ok("%convex serve").value.text()
    server = chat.deployment.server
    assert server is not None
    assert server.url in shown.splitlines()[0]
    assert f'new ConvexClient("{server.url}")' in shown
    assert server.admin_key not in shown
    chat.ok("%convex serve")
    assert chat.deployment.server is server
    assert f"served at: {server.url}" in chat.ok("%convex").value.text()
    assert "no longer served" in chat.ok("%convex serve stop").value.text()
    assert chat.deployment.server is None
    assert "a port, or `stop`, not 'now'" in chat.run("%convex serve now").text
