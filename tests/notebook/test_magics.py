"""Function cells and ad-hoc cells."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from convex_nb.language.errors import ArgumentValidationError, SchemaValidationError
from convex_nb.views.live_view import LiveView
from tests.notebook.conftest import Notebook


def test_a_mutation_cell_defines_and_does_not_run(chat: Notebook) -> None:
    ran = chat.ok("%%convex_mutation messages\ndef wipe(ctx):\n    raise RuntimeError('ran')")
    assert ran.text.strip() == "messages:wipe  mutation  ()"
    assert "messages:wipe" in chat.deployment.functions


def test_what_a_cell_says_about_its_functions(chat: Notebook) -> None:
    cell = "%%convex_mutation messages\ndef send(ctx, author: str, body: str):\n    return {}"
    assert chat.ok(cell.format("1")).text.strip() == "messages:send  mutation  (author: str, body: str)  replaced"
    assert chat.ok(cell.format("1")).text.strip() == "messages:send  mutation  (author: str, body: str)  unchanged"
    assert chat.ok("%%convex_mutation -q messages\ndef quiet(ctx):\n    pass").text.strip() == ""


def test_a_query_cell_shows_its_answer_and_keeps_it_true(chat: Notebook) -> None:
    view = chat.ok(
        "%%convex_query messages --as newest\ndef newest(ctx):\n    return ctx.db.query('messages').take(1)"
    ).value
    assert isinstance(view, LiveView)
    assert chat["newest"] is view
    assert view.value == []
    chat.ok('send(author="Ada", body="hello")')
    assert [row["body"] for row in view.value] == ["hello"]


def test_a_query_cell_that_needs_arguments_says_how_to_see_it(chat: Notebook) -> None:
    cell = "def by(ctx, author: str, limit: int = 5):\n    return [author] * limit"
    ran = chat.ok(f"%%convex_query messages\n{cell}")
    assert "live(by, author=...)" in ran.text
    assert ran.value is None
    view = chat.ok(f'%%convex_query messages --args author="Ada Lovelace" limit=2\n{cell}').value
    assert view.arguments == {"author": "Ada Lovelace", "limit": 2}


def test_without_live_a_query_cell_only_defines(chat: Notebook) -> None:
    ran = chat.ok("%%convex_query messages --no-live\ndef newest(ctx):\n    return 5")
    assert (ran.value, len(chat.session.flush.views)) == (None, 1)


def test_several_functions_and_helpers_in_one_cell(chat: Notebook) -> None:
    cell = """%%convex_query stats
import math

ROUND = 2

def _mean(values):
    return round(math.fsum(values) / len(values), ROUND) if values else None

def lengths(ctx):
    return [len(row["body"]) for row in ctx.db.query("messages")]

def mean(ctx):
    return _mean(lengths.handler(ctx))
"""
    ran = chat.ok(cell)
    assert [line.split()[0] for line in ran.text.splitlines()[:2]] == ["stats:lengths", "stats:mean"]
    assert "stats:_mean" not in chat.deployment.functions
    chat.ok('send(author="Ada", body="four")')
    assert (ran.value.path, ran.value.value, chat["ROUND"]) == ("stats:mean", 4, 2)


def test_without_a_module_a_function_has_its_name_for_a_path(chat: Notebook) -> None:
    chat.ok("%%convex_query\ndef answer(ctx):\n    return 42")
    assert chat.deployment.query("answer") == 42
    assert chat.deployment.query("answer:default") == 42


def test_internal_functions(chat: Notebook) -> None:
    assert "internal mutation" in chat.ok("%%convex_mutation jobs --internal\ndef tidy(ctx):\n    return 1").text
    assert chat.deployment.functions["jobs:tidy"].visibility == "internal"


def test_a_definition_cell_may_end_in_an_expression(chat: Notebook) -> None:
    ran = chat.ok(
        "%%convex_query messages\ndef total(ctx):\n    return len(ctx.db.query('messages').collect())\n\ntotal() + 1"
    )
    assert ran.value == 1


def test_functions_of_cells_show_their_source(chat: Notebook) -> None:
    assert inspect.getsource(chat["send"].handler).startswith("def send(ctx, author: str, body: str):")


def test_an_ad_hoc_query_is_a_live_view(chat: Notebook) -> None:
    view = chat.ok('%%convex_query\nlimit = 2\ndb.query("messages").take(limit)').value
    assert view.path == 'db.query("messages").take(limit)'
    assert "limit" not in chat.shell.user_ns
    chat.ok('send(author="Ada", body="hello")')
    assert len(view.value) == 1


def test_an_ad_hoc_query_may_be_asked_once(chat: Notebook) -> None:
    chat.ok('send(author="Ada", body="hello")')
    ran = chat.ok('%%convex_query --no-live --as rows\nctx.db.query("messages").collect()')
    assert "Ada" in ran.text
    assert [row["body"] for row in chat["rows"]] == ["hello"]
    assert len(chat.session.flush.views) == 1


def test_an_ad_hoc_transaction(chat: Notebook) -> None:
    ran = chat.ok(
        '%%convex_mutation\nid = db.insert("messages", {"author": "Ada", "body": "x"})\ndb.patch(id, {"body": "y"})\nid'
    )
    assert "transaction ok in" in ran.text
    assert "wrote 1 (messages +1)" in ran.text
    assert ran.value.table == "messages"
    assert "made" not in chat.shell.user_ns


def test_a_transaction_may_end_in_a_loop_and_use_arguments(chat: Notebook) -> None:
    chat.ok('names = ["Ada", "Bob"]')
    chat.ok(
        '%%convex_mutation --args who=names\nfor name in who:\n    db.insert("messages", {"author": name, "body": ""})'
    )
    assert chat.deployment.table("messages").count() == 2


def test_once_means_once_per_deployment(chat: Notebook) -> None:
    cell = '%%convex_mutation --once seed\ndb.insert("messages", {"author": "Ada", "body": "x"})'
    assert "wrote 1" in chat.ok(cell).text
    assert "has run already" in chat.ok(cell).text
    chat.ok("%reload_ext convex_nb")
    assert "has run already" in chat.ok(cell).text
    assert chat.deployment.table("messages").count() == 1


def test_once_is_tried_again_after_a_failure(chat: Notebook) -> None:
    chat.ok("fail = True")
    cell = '%%convex_mutation --once seed\ndb.insert("messages", {"author": "Ada", "body": "x"})\nassert not fail'
    assert isinstance(chat.run(cell).error, AssertionError)
    chat.ok("fail = False")
    assert "wrote 1" in chat.ok(cell).text


def test_a_syntax_error_leaves_the_old_function(chat: Notebook) -> None:
    before = chat["send"]
    ran = chat.run("%%convex_mutation messages\ndef send(ctx, author: str)\n    pass")
    assert isinstance(ran.error, SyntaxError)
    assert ran.error.lineno == 2
    assert "line 2" in ran.text
    assert chat["send"] is before
    assert chat.deployment.functions["messages:send"] is before


@pytest.mark.parametrize(
    "cell",
    [
        "def send(ctx):\n    pass\ndef other(ctx, x: 'nonsense('):\n    pass",
        "def send(ctx):\n    pass\nraise RuntimeError",
        "def send(ctx):\n    pass\ndef generator(ctx):\n    yield 1",
        "x = 5\ndef send(ctx):\n    pass\ny = 1 / 0",
    ],
)
def test_a_cell_is_registered_whole_or_not_at_all(chat: Notebook, cell: str) -> None:
    before = chat["send"]
    functions = dict(chat.deployment.functions)
    chat.ok("x = 1")
    assert chat.run(f"%%convex_mutation messages\n{cell}").error is not None
    assert chat["send"] is before
    assert chat["x"] == 1
    assert "other" not in chat.shell.user_ns
    assert dict(chat.deployment.functions) == functions


def test_views_move_to_the_new_code(chat: Notebook) -> None:
    view = chat.ok("live('messages:recent')").value
    chat.ok("%%convex_query messages --no-live\ndef recent(ctx):\n    return [{'n': 1}]")
    assert view.value == [{"n": 1}]


def test_a_builtin_is_not_taken_away(chat: Notebook) -> None:
    ran = chat.ok("%%convex_query messages\ndef list(ctx):\n    return [1, 2]")
    assert "warning:" in ran.text
    assert "api.messages.list" in ran.text
    assert "list" not in chat.shell.user_ns
    assert ran.value.path == "messages:list"
    assert chat.ok("list('ab')").value == ["a", "b"]
    assert chat.ok("live(api.messages.list)").value.value == [1, 2]


def test_a_function_without_context_is_refused_with_the_remedy(chat: Notebook) -> None:
    ran = chat.run("%%convex_query messages\ndef recent2(author: str):\n    return 1")
    assert "def recent2(ctx, ...)" in ran.text
    assert "messages:recent2" not in chat.deployment.functions


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--liev", "has no option --liev. Did you mean --no-live?"),
        ("--inernal messages", "Did you mean --internal?"),
        ("messages other", "'other' is one word too many"),
        ("--args", "--args takes name=expression"),
        ("--args x", "--args takes name=expression"),
        ("--args n=nowhere", "nowhere is not a value here: NameError"),
        ("--as", "expected one argument"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy(notebook: Notebook, line: str, said: str) -> None:
    ran = notebook.run(f"%%convex_query {line}\n1")
    assert said in ran.text
    assert len(ran.text.strip().splitlines()) == 1
    assert ran.text.startswith("UsageError: %%convex_query")


def test_an_empty_cell_is_refused(notebook: Notebook) -> None:
    assert "the cell is empty" in notebook.run("%%convex_query\n# nothing").text


@pytest.mark.parametrize("magic", ["convex_query", "convex_mutation", "convex_schema", "convex"])
def test_help_has_two_examples(notebook: Notebook, magic: str) -> None:
    kind = "line" if magic == "convex" else "cell"
    text = notebook.shell.magics_manager.magics[kind][magic].__doc__
    assert text.count(f"%{magic}") >= 3
    assert "Examples::" in text


def tables_of(notebook: Notebook) -> Any:
    assert notebook.deployment.schema is not None
    return notebook.deployment.schema.tables


def test_the_schema_of_a_notebook_is_that_of_its_cells(chat: Notebook) -> None:
    assert chat.ok('%%convex_schema\nusers = define_table({"name": v.string()})', "users").text.strip() == (
        "schema: users (1 field, 0 indexes)"
    )
    assert set(tables_of(chat)) == {"messages", "users"}
    chat.ok('%%convex_schema\npeople = define_table({"name": v.string()})', "users")
    assert set(tables_of(chat)) == {"messages", "people"}
    assert (
        chat.ok('%%convex_schema\npeople = define_table({"name": v.string()})', "users").text.strip()
        == "schema unchanged"
    )
    assert "people" not in chat.shell.user_ns


def test_a_schema_that_documents_do_not_fit_is_refused_with_the_documents(chat: Notebook) -> None:
    for body in "abc":
        chat.ok(f'send(author="Ada", body="{body}")')
    before = chat.deployment.schema
    cell = '%%convex_schema{}\nmessages = define_table({{"author": v.string(), "body": v.number()}})'
    for option in ("", " --check"):
        ran = chat.run(cell.format(option))
        assert isinstance(ran.error, SchemaValidationError)
        assert [row["_id"] in ran.text for row in chat.deployment.query("messages:recent")] == [True] * 3
        assert "The schema is unchanged." in ran.text
        assert chat.deployment.schema is before


def test_checking_a_schema_changes_nothing(chat: Notebook) -> None:
    before = chat.deployment.schema
    cell = '%%convex_schema --check\nmessages = define_table({"author": v.string(), "body": v.any()})'
    assert "every stored document fits" in chat.ok(cell).text
    assert chat.deployment.schema is before


def test_a_schema_cell_needs_no_imports(notebook: Notebook) -> None:
    for name in ("v", "define_table"):
        notebook.shell.user_ns.pop(name, None)
    notebook.ok('%%convex_schema\ncats = define_table({name: v.string() for name in ("name", "colour")})')
    assert "cats" in tables_of(notebook)
    assert "v" not in notebook.shell.user_ns


def test_tables_are_named_in_the_order_of_their_cell(notebook: Notebook) -> None:
    names = [f"table_{letter}" for letter in "fbdaec"]
    said = notebook.ok("%%convex_schema\n" + "\n".join(f"{name} = define_table({{}})" for name in names)).text
    assert [name for name in said.split() if name.startswith("table_")] == names


def test_a_schema_cell_without_a_table_is_refused(notebook: Notebook) -> None:
    assert "declares no table" in notebook.run("%%convex_schema\nx = 5").text


def test_calls_from_a_cell_have_a_card(chat: Notebook) -> None:
    ran = chat.ok('send(author="Ada", body="hello")')
    assert ran.value.table == "messages"
    assert chat.shell.user_ns["_"] == ran.value
    card = ran.bundles[-1]
    assert card["text/plain"].startswith("✓ messages:send ok in ")
    assert card["text/plain"].endswith("ms, wrote 1 (messages +1)")
    assert "<b>messages:send</b>" in card["text/html"]
    kept = chat.ok('kept = send(author="Ada", body="kept")')
    assert (kept.value, "wrote 1 (messages +1)" in kept.text) == (None, True)


def test_the_card_of_the_last_call_counts_those_before_it(chat: Notebook) -> None:
    calls = 'send(author="Ada", body="one")\n' * 3
    assert "wrote 1 (messages +1) after 2 other commits of this cell\n" in chat.ok(calls).text
    assert "other" not in chat.ok('send(author="Ada", body="alone")').text


def test_a_card_warns_of_a_table_that_is_almost_one_of_the_schema(chat: Notebook) -> None:
    cell = "%%convex_mutation\ndb.insert('mesages', {'author': 'Ada'})"
    assert (
        "the schema has no table 'mesages', which this cell has written to. Did you mean 'messages'?"
        in chat.ok(cell).text
    )
    assert "warning" not in chat.ok(cell.replace("mesages", "people")).text


def test_a_table_of_a_component_may_be_called_as_one_of_the_schema(chat: Notebook) -> None:
    chat.ok(
        "%%convex_component a\nmessages = define_table({'body': v.string()})\n\n"
        "@mutation\ndef put(ctx, body: str):\n    ctx.db.insert('messages', {'body': body})"
    )
    chat.ok("from convex_nb import components")
    said = chat.ok("%%convex_mutation\nctx.run_mutation(components.a.put, body='x')").text
    assert "a//messages +1" in said
    assert "warning" not in said


def test_a_document_that_is_given_by_name_says_how_it_is_given(chat: Notebook) -> None:
    assert "A document is one dict" in chat.run("%%convex_mutation\ndb.insert('messages', author='Ada')").text


def test_a_query_that_forgets_its_return_is_told_so(chat: Notebook) -> None:
    cell = "%%convex_query chat --no-live\ndef lost(ctx):\n    ctx.db.query('messages').collect()"
    assert "`lost` has no `return`, and so its answer is always None." in chat.ok(cell).text
    assert "warning" not in chat.ok(cell.replace("    ctx", "    return ctx")).text


def test_a_call_without_the_context_inside_of_a_function_says_how_to_call(chat: Notebook) -> None:
    cell = "%%convex_query --as wrong\nsend(author='Ada', body='from a query')"
    assert "Write `ctx.run_mutation(send, ...)`, or `send.handler(ctx, ...)`." in chat.ok(cell).text


@pytest.mark.parametrize(
    "cell",
    [
        'for i in range(3):\n    send(author="Ada", body="x")',
        '[send(author="Ada", body="x") for i in range(3)];',
        'x = [send(author="Ada", body="x")]',
        'send(author="Ada", body="x");',
        'send(author="Ada", body="x")\nNone',
        "recent()",
    ],
)
def test_loops_and_other_statements_have_none(chat: Notebook, cell: str) -> None:
    assert "wrote" not in chat.ok(cell).text


def test_a_card_counts_what_was_written_and_shows_what_was_printed(chat: Notebook) -> None:
    cell = """%%convex_mutation messages
def churn(ctx):
    print("<b>busy</b>")
    kept = ctx.db.insert("messages", {"author": "a", "body": "b"})
    for row in ctx.db.query("messages").collect():
        if row["author"] == "Ada":
            ctx.db.patch(row["_id"], {"body": "changed"})
        if row["author"] == "Bob":
            ctx.db.delete(row["_id"])
    ctx.db.insert("log", {"n": 1})
"""
    chat.ok(cell)
    chat.ok('send(author="Ada", body="x"); send(author="Bob", body="x")')
    ran = chat.ok("churn()")
    assert "wrote 4 (messages +1 ~1 -1, log +1)" in ran.text
    assert "│ <b>busy</b>" in ran.text
    assert "<b>busy</b>" not in ran.bundles[-1]["text/html"]
    assert ran.printed == ""


def test_a_call_that_writes_nothing_says_so(chat: Notebook) -> None:
    chat.ok("%%convex_mutation m\ndef idle(ctx):\n    pass")
    assert "m:idle ok in" in (text := chat.ok("idle()").text)
    assert "wrote nothing" in text


def test_the_card_is_of_what_the_cell_called_and_not_of_what_that_scheduled(chat: Notebook) -> None:
    send = "ctx.scheduler.run_after(0, 'messages:send', author='Ada', body='x')"
    chat.ok(f"%%convex_mutation m\ndef later(ctx):\n    {send}")
    waiting = "    def __setitem__(self, name, value):\n        convex_nb.current().schedules.wait()"
    chat.ok(f"import convex_nb\nclass Waits:\n{waiting}")
    # The job is over before the cell is.
    assert "m:later ok in" in chat.ok("waits = Waits()\nwaits['x'] = later()").text


def test_arguments_that_do_not_fit_write_nothing(chat: Notebook) -> None:
    ran = chat.run('send(author=1, body="x")')
    assert isinstance(ran.error, ArgumentValidationError)
    assert "Nothing was written." in ran.text
    assert chat.deployment.table("messages").count() == 0
