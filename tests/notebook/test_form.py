"""`form`: a function run from fields."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ipywidgets.widgets import widget as widget_module

from convex_nb import action
from convex_nb.language.errors import ConvexError, FunctionNotFoundError
from convex_nb.views.form_view import FormView
from tests.notebook.conftest import CHAT, Notebook
from tests.until import PATIENCE, until


@pytest.fixture
def forms(chat: Notebook) -> Notebook:
    """The chat, with `form` at hand."""
    chat.ok("from convex_nb import form")
    return chat


def submit(view: FormView, **entries: Any) -> dict[str, Any]:
    view._from_browser({"type": "submit", "entries": entries})
    answer: dict[str, Any] = view.answer
    return answer


def test_a_form_runs_a_mutation_and_views_move(forms: Notebook) -> None:
    table = forms.ok("live(recent)", "a").value
    view = forms.ok("form(send)", "b").value
    assert [(field["name"], field["kind"]) for field in view.shape["fields"]] == [
        ("author", "string"),
        ("body", "string"),
    ]
    answer = submit(view, author="Ada", body="hello")
    assert answer["state"] == "ok"
    assert answer["note"].endswith("wrote 1 (messages +1)")
    assert answer["cell"] == {"k": "id", "v": view.value, "of": "messages"}
    assert (view.status, view.error) == ("ok", None)
    forms.session.flush.now()
    assert [row["body"] for row in table.value] == ["hello"]


def test_every_way_to_name_a_function_is_taken(forms: Notebook) -> None:
    for target in ("send", "'messages:send'", "api.messages.send"):
        assert forms.ok(f"form({target})").value.path == "messages:send"
    assert isinstance(forms.run("form('messages:sent')").error, FunctionNotFoundError)
    assert 'Did you mean "messages:send"?' in forms.run("form('messages:sent')").text
    assert isinstance(forms.run("form(5)").error, FunctionNotFoundError)
    assert 'Did you mean "messages:send"?' in forms.run("form('send')").text
    assert "has no argument `writer`; it takes author, body." in forms.run("form(send, writer='x')").text
    assert "by name or as one dict, not 5" in forms.run("form(send, 5)").text


def test_what_is_given_is_not_asked_for(forms: Notebook) -> None:
    forms.ok("import ipywidgets\nwho = ipywidgets.Text('Ada')")
    view = forms.ok("form(send, author=who)").value
    assert [field["name"] for field in view.shape["fields"]] == ["body"]
    assert view.shape["fixed"] == [["author", '"Ada"']]
    forms.ok("who.value = 'Bob'")
    submit(view, body="hi")
    assert [row["author"] for row in forms.ok("recent()").value] == ["Bob"]


def test_wrong_entries_stand_beside_their_fields_and_nothing_runs(forms: Notebook) -> None:
    forms.ok("%%convex_mutation -q\ndef pick(ctx, size: float, tags: list[int]):\n    ctx.db.insert('picks', {})")
    view = forms.ok("form(pick)").value
    answer = submit(view, size="x", tags=["1", "2.5"])
    assert answer["state"] == "error"
    assert [error[0] for error in answer["errors"]] == [["size"], ["tags", "1"]]
    assert "picks" not in forms.deployment.tables


def test_an_id_of_another_table_is_refused_at_its_field(forms: Notebook) -> None:
    forms.ok("%%convex_mutation -q\nfrom convex_nb import Id\ndef drop(ctx, id: Id['users']):\n    ctx.db.delete(id)")
    message = forms.ok("send(author='Ada', body='x')").value
    view = forms.ok("form(drop)").value
    answer = submit(view, id=str(message))
    assert answer["state"] == "error"
    assert [error[0] for error in answer["errors"]] == [["id"]]
    sent: list[Any] = []
    view.send = sent.append
    view._from_browser({"type": "choices", "table": "messages"})
    assert sent[0]["choices"] == [[str(message), '{author: "Ada", body: "x"}']]


def test_what_a_function_raises_is_shown_with_the_users_lines(forms: Notebook) -> None:
    forms.ok(
        "%%convex_mutation -q\nfrom convex_nb import ConvexError\n"
        "def never(ctx):\n    ctx.db.insert('messages', {'author': 'a', 'body': 'b'})\n"
        "    raise ConvexError('<script>no</script>')"
    )
    view = forms.ok("form(never)").value
    answer = submit(view)
    assert answer["state"] == "error"
    assert "no</script>" in answer["problem"]["message"]
    assert "raise ConvexError" in answer["problem"]["traceback"]
    assert isinstance(view.error, ConvexError)
    assert forms.ok("recent()").value == []


def test_whoever_follows_how_a_call_ends_finds_all_of_it(forms: Notebook) -> None:
    view = forms.ok("form(send)").value
    seen: list[tuple[Any, ...]] = []

    def look(change: Any) -> None:
        seen.append((change.name, view.status, view.answer["state"], view.value is not None, view.error is not None))

    submit(view, author="Ada", body="x")
    forms.ok("%%convex_mutation messages -q\ndef send(ctx, author: str, body: str):\n    raise ValueError(body)")
    view.observe(look, ["status", "error", "answer"])
    submit(view, author="Ada", body="x")
    ended = [each for each in seen if "running" not in each]
    assert ended == [(name, "error", "error", True, True) for name in ("error", "status", "answer")]
    seen.clear()
    forms.ok(CHAT[1])
    view.observe(look, ["value"])
    submit(view, author="Ada", body="y")
    assert {each[1:] for each in seen if each[0] == "value"} == {("ok", "ok", True, False)}


def test_an_action_runs_beside_the_notebook(forms: Notebook) -> None:
    gate, seen = threading.Event(), []

    def slow(ctx: Any, n: float) -> dict[str, float]:
        seen.append(threading.current_thread())
        assert gate.wait(PATIENCE)
        return {"n": n}

    forms.shell.user_ns["slow"] = action("slow:slow")(slow)
    view = forms.ok("form(slow)").value
    answer = submit(view, n="3")
    assert (answer["state"], view.status) == ("running", "running")
    submit(view, n="4")
    gate.set()
    until(lambda: view.answer["state"] != "running")
    assert (view.status, view.value) == ("ok", {"n": 3})
    assert len(seen) == 1, "a form runs one call at a time"
    seen[0].join(PATIENCE)
    assert not seen[0].is_alive()


def test_a_query_is_answered_as_a_tree(forms: Notebook) -> None:
    forms.ok("send(author='Ada', body='x')")
    answer = submit(forms.ok("form(recent)").value)
    assert answer["tree"]["size"] == "1 item"


def test_a_function_that_has_changed_asks_again(forms: Notebook) -> None:
    view = forms.ok("form(send)", "f").value
    forms.ok(CHAT[1].replace("body: str", "body: str, loud: bool = False"))
    sent: list[Any] = []
    view._send = lambda message, buffers=None: sent.append(message["state"])
    answer = submit(view, author="Ada", body="x")
    assert [{*state} for state in sent] == [{"answer"}, {"answer", "shape"}], "no fields without what is said of them"
    assert "has changed" in answer["problem"]["message"]
    assert [field["name"] for field in view.shape["fields"]] == ["author", "body", "loud"]
    assert view.shape["fields"][2]["hint"] == "false if not set"
    assert submit(view, author="Ada", body="x")["state"] == "ok"


def test_a_cell_gets_its_form_back(forms: Notebook) -> None:
    first = forms.ok("form(send)", "a").value
    count = len(widget_module._instances)
    for _ in range(20):
        assert forms.ok("form(send)", "a").value is first
    assert len(widget_module._instances) == count
    assert forms.ok("live(recent)", "b").value is not None
    forms.ok("1", "a")
    assert first.comm is None


def test_without_a_browser_a_form_says_what_it_would_ask(forms: Notebook) -> None:
    text = forms.ok("form(recent)").text
    assert "messages:recent: query" in text
    assert "author" in text
    assert "null if not set" in text


def test_a_query_cell_that_lacks_an_argument_asks_for_it(forms: Notebook) -> None:
    cell = "%%convex_query messages\ndef by(ctx, author: str):\n    return [author]"
    assert forms.ok(cell, "q").value is None
    forms.use_browser()
    ran = forms.ok(cell, "q")
    assert "live(by, author=...)" in ran.text
    assert submit(ran.value, author="Ada")["tree"]["size"] == "1 item"
    assert forms.ok(cell, "q").value is ran.value
    assert forms.ok(cell.replace("messages\n", "messages -q\n"), "r").value is None


ATTACH = """%%convex_mutation files -q
def attach(ctx, file: Id["_storage"], name: str, more: list[Id["_storage"]] | None = None):
    if name == "bad":
        raise ConvexError("a bad name")
    return ctx.db.insert("attached", {"file": file, "more": more})
"""


def send_file(view: FormView, number: int, *parts: bytes) -> None:
    start = 0
    for part in parts:
        message = {"type": "file", "number": number, "media": "text/plain", "start": start}
        view._from_browser(message, [memoryview(part)])
        start += len(part)


def test_a_file_is_stored_and_its_id_passed(forms: Notebook) -> None:
    forms.ok(ATTACH)
    view = forms.ok("form(attach)").value
    assert view.shape["fields"][0] == {"kind": "file", "type": "file", "name": "file"}
    assert submit(view, file=None, name="x")["errors"] == [[["file"], "This needs a file."]]
    send_file(view, 1, b"old")
    send_file(view, 1, b"hello ", b"world")
    send_file(view, 2, b"")
    answer = submit(view, file={"file": 1}, name="x", more=[0, [{"file": 2}]])
    assert answer["state"] == "ok", answer
    document: Any = forms.deployment.transact(lambda db: db.get(view.value))
    files = forms.deployment.files
    stored = [files[id] for id in (document["file"], *document["more"])]
    assert [(bytes(file), file.content_type) for file in stored] == [
        (b"hello world", "text/plain"),
        (b"", "text/plain"),
    ]
    assert len(files) == 2


@pytest.mark.parametrize("entries", [{"name": "bad"}, {"name": 5}])
def test_a_file_of_a_call_that_fails_does_not_stay(forms: Notebook, entries: dict[str, Any]) -> None:
    forms.ok(ATTACH)
    view = forms.ok("form(attach)").value
    send_file(view, 1, b"hello")
    assert submit(view, file={"file": 1}, **entries)["state"] == "error"
    assert len(forms.deployment.files) == 0


def test_a_file_that_an_action_has_seen_stays(forms: Notebook) -> None:
    forms.ok('%%convex_action files -q\ndef keep(ctx, file: Id["_storage"], n: int):\n    raise ValueError("late")')
    view = forms.ok("form(keep)").value
    for entry, left in (("many", 0), ("1", 1)):
        send_file(view, 1, b"hello")
        submit(view, file={"file": 1}, n=entry)
        until(lambda: view.status != "running")
        assert (view.status, len(forms.deployment.files)) == ("error", left)
