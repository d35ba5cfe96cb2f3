"""Errors as the notebook shows them."""

from __future__ import annotations

import inspect
import traceback

import pytest

from tests.notebook.conftest import Notebook

HANDLER = """%%convex_mutation messages
def fail(ctx, author: str):
    ctx.db.insert("messages", {"author": author, "body": "x"})
    return helper(author)
"""
HELPER = 'def helper(author):\n    raise ValueError(f"{author} is on holiday")'


@pytest.fixture
def failing(chat: Notebook) -> Notebook:
    chat.ok(HELPER)
    chat.ok(HANDLER)
    return chat


OURS = ("convex_nb/", "interactiveshell.py", "run_cell_magic", "definition.py", "runner.py", "magics.py")


@pytest.mark.parametrize("call", ['fail(author="Ada")', 'convex_nb.current().mutation("messages:fail", author="Ada")'])
def test_a_handlers_error_shows_the_users_lines_only(failing: Notebook, call: str) -> None:
    failing.ok("import convex_nb")
    ran = failing.run(call)
    assert isinstance(ran.error, ValueError)
    assert "ValueError: Ada is on holiday" in ran.text
    assert "Nothing was written." in ran.text
    assert "return helper(author)" in ran.text
    assert 'raise ValueError(f"{author} is on holiday")' in ran.text
    assert [name for name in OURS if name in ran.text] == []
    assert failing.deployment.table("messages").count() == 0


def test_an_ad_hoc_cell_shows_its_own_line(chat: Notebook) -> None:
    ran = chat.run('%%convex_mutation\nx = 1\ndb.insert("messages", {"author": x})')
    assert "----> 3 db.insert" in ran.text
    assert "Nothing was written." in ran.text
    assert [name for name in OURS if name in ran.text] == []


def test_the_source_of_an_ad_hoc_cell_is_all_of_it(chat: Notebook) -> None:
    """A kernel's cells have no file that could be counted; IPython then asks `inspect` for a frame's lines."""
    ran = chat.run("%%convex_mutation\nx = 1\n1 / 0")
    assert ran.error is not None
    (frame, _) = list(traceback.walk_tb(ran.error.__traceback__))[-1]
    assert inspect.getsourcelines(frame)[0] == ["%%convex_mutation\n", "x = 1\n", "1 / 0\n"]


def test_the_line_that_opens_a_file_is_shown(chat: Notebook) -> None:
    """A notebook's `open` is a function of IPython's."""
    assert chat.shell.user_ns["open"] is not open
    ran = chat.run("%%convex_mutation\nx = 1\nopen('x.txt')")
    assert "----> 3 open('x.txt')" in ran.text
    assert [name for name in OURS if name in ran.text] == []


def test_a_cell_is_called_by_its_number(chat: Notebook) -> None:
    ran = chat.run("%%convex_mutation\n1 / 0")
    number = len(chat.shell.user_ns["In"]) - 1
    assert f"Cell In[{number}], line 2" in ran.text


def test_an_error_of_a_magic_itself_is_a_sentence(chat: Notebook) -> None:
    ran = chat.run("%convex drop messages:sent")
    (line,) = ran.text.strip().splitlines()
    assert line.startswith("FunctionNotFoundError: No function has the path 'messages:sent', nothing was dropped.")
    assert line.endswith("Did you mean messages:send?")


def test_the_debugger_sees_the_same_frames(failing: Notebook) -> None:
    failing.run('fail(author="Ada")')
    frames = []
    traceback = failing.shell.InteractiveTB.tb
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert frames == ["<module>", "fail", "helper"]


def test_other_errors_are_shown_as_ever(chat: Notebook) -> None:
    assert "ZeroDivisionError" in chat.run("1 / 0").text
    assert "SyntaxError" in chat.run("def f(:").text
    assert "%%convex_querry" in chat.run("%%convex_querry\n1").text


def test_a_views_error_shows_in_the_view_and_recovers(chat: Notebook) -> None:
    chat.ok("%%convex_query messages\ndef picky(ctx):\n    return [helper(row) for row in ctx.db.query('messages')]")
    view = chat.ok("live('messages:picky')").value
    chat.ok('send(author="Ada", body="x")')
    assert (view.status, type(view.error)) == ("error", NameError)
    problem = view.whole()["head"]["problem"]
    assert problem["message"].startswith("NameError: name 'helper'")
    assert "line 3, in picky" in problem["traceback"]
    assert [name for name in OURS if name in problem["traceback"]] == []
    chat.ok("%%convex_query messages --no-live\ndef picky(ctx):\n    return [1]")
    assert (view.status, view.value) == ("ok", [1])


def test_what_a_library_was_refused_ends_at_the_users_line(chat: Notebook) -> None:
    chat.ok(
        "%%convex_query web -q --no-live\ndef page(ctx):\n"
        '    import urllib.request\n    return urllib.request.urlopen("http://127.0.0.1:1/")'
    )
    ran = chat.run("page()")
    assert "----> 4     return urllib.request.urlopen(" in ran.text
    assert "urllib/request.py" not in ran.text
    assert len(ran.text.splitlines()) < 15
    view = chat.ok("view = live(page)\nview.error").value
    assert [frame.name for frame in traceback.extract_tb(view.__traceback__)] == ["page"]


def test_a_block_says_that_it_runs_once(chat: Notebook) -> None:
    ran = chat.run(
        "import convex_nb\ndep = convex_nb.current()\nwith dep.transaction() as db:\n"
        '    db.query("messages").collect()\n    send(author="Ada", body="x")\n'
        '    db.insert("messages", {"author": "Bob", "body": "y"})'
    )
    assert 'A call to "messages:send" changed the document' in ran.text
    assert "Nothing was written. A transaction block runs once: run it again" in ran.text


def test_a_context_takes_no_attributes(chat: Notebook) -> None:
    chat.ok('%%convex_query who -q --no-live\ndef who(ctx):\n    ctx.user = "ada"')
    ran = chat.run("who()")
    assert isinstance(ran.error, AttributeError)
    assert "QueryCtx takes no attributes: `ctx.user` was not set." in ran.text
    assert "from convex_nb.stock import custom" in ran.text


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%convex_querry\n1", "Cell magic `%%convex_querry` not found. Did you mean `%%convex_query`?"),
        ("%conex tables", "Line magic function `%conex` not found. Did you mean `%convex`?"),
        ("%%timeitt\n1", "Cell magic `%%timeitt` not found."),
        ("%%convex\n1", "(But line magic `%convex` exists, did you mean that instead?)."),
    ],
)
def test_a_magic_that_is_almost_one_of_ours_names_it(notebook: Notebook, cell: str, said: str) -> None:
    assert notebook.run(cell).text.rstrip().endswith(said)
