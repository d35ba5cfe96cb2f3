"""`live`, its arguments, and the life of views across cells."""

from __future__ import annotations

import gc
import threading
from typing import Any

import ipywidgets
import pandas
import pytest
from ipywidgets.widgets import widget as widget_module
from traitlets import HasTraits, Unicode

from convex_nb.language.errors import ArgumentValidationError, FunctionNotFoundError
from convex_nb.views.live_view import LiveView
from tests.notebook.conftest import CHAT, Notebook


@pytest.fixture
def busy(chat: Notebook) -> Notebook:
    """A chat with two authors."""
    chat.ok('for author in ("Ada", "Bob", "Ada"):\n    send(author=author, body=f"from {author}")')
    return chat


def bodies(view: LiveView) -> list[str]:
    return [row["body"] for row in view.value]


def test_live_takes_functions_paths_and_references(busy: Notebook) -> None:
    for target in ("recent", "'messages:recent'", "api.messages.recent"):
        assert len(busy.ok(f"live({target})").value.value) == 3
    view = busy.ok("live(recent, {'author': 'Bob'})").value
    assert bodies(view) == ["from Bob"]
    assert bodies(busy.ok("live(recent, author='Ada')").value) == ["from Ada"] * 2
    assert isinstance(busy.ok("live(recent).df()").value, pandas.DataFrame)


def test_a_view_acts_for_a_user(busy: Notebook) -> None:
    busy.ok(
        "from convex_nb import mutation, query\n"
        "def who(ctx):\n"
        "    identity = ctx.auth.get_user_identity()\n"
        "    return None if identity is None else identity['subject']\n"
        "@query\n"
        "def mine(ctx):\n"
        "    return [row for row in ctx.db.query('messages').collect() if row['author'] == who(ctx)]\n"
        "@mutation\n"
        "def change(ctx, id: str, body: str):\n"
        "    ctx.db.patch(id, {'body': f'{body} by {who(ctx)}'})"
    )
    views = busy.ok("[live(mine, identity={'subject': name}) for name in ('Ada', 'Bob')] + [live(mine)]").value
    assert [len(view.value) for view in views] == [2, 1, 0]
    assert [view.path for view in views] == ["mine as Ada", "mine as Bob", "mine"]
    busy.ok("send(author='Bob', body='more')")
    assert bodies(views[1]) == ["from Bob", "more"]
    assert [len(view.value) for view in views] == [2, 2, 0]
    edited = busy.ok("live(mine, identity={'subject': 'Ada'}, edit=change)").value
    edited.editing.commit(edited.value[0], "body", "new")
    busy.ok("pass")
    assert bodies(edited) == ["new by Ada", "from Ada"]
    assert "An identity is a dict of claims" in busy.run("live(mine, identity='Ada')").text


def test_what_cannot_be_asked_is_refused_at_once(busy: Notebook) -> None:
    views = len(busy.session.flush.views)
    assert isinstance(busy.run("live('messages:recents')").error, FunctionNotFoundError)
    assert isinstance(busy.run("live(recent, author=5)").error, ArgumentValidationError)
    assert isinstance(busy.run("live(recent, writer='Ada')").error, ArgumentValidationError)
    assert "by name or as one dict, not 5" in busy.run("live(recent, 5)").text
    assert "`render` is a function" in busy.run("live(recent, render='chart')").text
    assert len(busy.session.flush.views) == views
    assert busy.deployment.statistics().reactor.watched == views


def test_when_a_cell_has_ended_every_view_shows_it(busy: Notebook) -> None:
    view = busy.ok("live(recent)").value
    busy.ok('for i in range(10):\n    send(author="Eve", body=str(i))')
    assert len(view.value) == 13
    assert view.timestamp == busy.deployment.timestamp


def test_a_widget_is_followed(busy: Notebook) -> None:
    busy.ok(
        "import ipywidgets\npicker = ipywidgets.Dropdown(options=['Ada', 'Bob'])\nview = live(recent, author=picker)"
    )
    view = busy["view"]
    assert len(view.value) == 2
    assert busy.ok("picker.value = 'Bob'\n[row['body'] for row in view.value]").value == ["from Bob"]
    assert view.arguments == {"author": "Bob"}
    # Between cells, as a click in the browser would.
    busy["picker"].value = "Ada"
    busy.session.flush.now()
    assert len(view.value) == 2


def test_a_widget_that_moves_leaves_new_code_in_place(busy: Notebook) -> None:
    busy.ok("import ipywidgets\npicker = ipywidgets.Dropdown(options=['Ada', 'Bob'])\nfirst = recent")
    view = busy.ok("live(first, author=picker)").value
    busy.ok(CHAT[2].replace("take(50)", "take(1)"))
    assert len(view.value) == 1
    busy.ok("picker.value = 'Bob'\npicker.value = 'Ada'")
    assert len(view.value) == 1
    assert busy.deployment.functions["messages:recent"] is busy["recent"]


def test_of_many_values_between_cells_only_the_last_is_asked_for(busy: Notebook) -> None:
    busy.session.flush.close()  # no thread: the test says when
    busy.ok("import ipywidgets\nslider = ipywidgets.IntSlider()")
    busy.ok("%%convex_query\nasked = []\ndef at(ctx, n: float):\n    return n")
    view = busy.ok("live(at, n=slider)").value
    seen: list[Any] = []
    view.observe(lambda change: seen.append(change["new"]), "value")
    for value in range(1, 50):
        busy["slider"].value = value
    busy.session.flush.now()
    assert seen == [49]


def test_a_trait_of_anything_is_followed(busy: Notebook) -> None:
    class Settings(HasTraits):
        author = Unicode("Ada")

    busy.shell.user_ns["settings"] = settings = Settings()
    view = busy.ok("live(recent, author=(settings, 'author'))").value
    settings.author = "Bob"
    busy.session.flush.now()
    assert bodies(view) == ["from Bob"]
    view.close()
    assert settings._trait_notifiers.get("author", {}).get("change", []) == []


def test_what_cannot_be_followed_is_refused(busy: Notebook) -> None:
    assert "has no value to follow" in busy.run("import ipywidgets\nlive(recent, author=ipywidgets.Output())").text
    assert "has no trait 'valu'" in busy.run("live(recent, author=(ipywidgets.Text(), 'valu'))").text


def test_skip_waits(busy: Notebook) -> None:
    busy.ok("import traitlets\nclass Choice(traitlets.HasTraits):\n    author = traitlets.Any(SKIP)\nchoice = Choice()")
    view = busy.ok("live(recent, author=(choice, 'author'))").value
    assert (view.status, view.value, view.query) == ("loading", None, None)
    busy["choice"].author = "Bob"
    busy.session.flush.now()
    assert (view.status, bodies(view)) == ("ok", ["from Bob"])
    busy.ok("choice.author = SKIP")
    assert (view.status, view.query) == ("loading", None)
    assert busy.deployment.statistics().reactor.watched == len(busy.session.flush.views) - 1


def test_running_a_cell_again_gives_its_view_back(busy: Notebook) -> None:
    first = busy.ok("view = live(recent)\nview", "a").value
    first._from_browser({"type": "sort", "column": "body", "add": False})
    again = busy.ok("view = live(recent)\nview", "a").value
    assert again is first
    assert again.whole()["head"]["sort"] == [{"column": "body", "descending": False}]
    other = busy.ok("live(recent)", "b").value
    assert other is not first
    assert first.comm is not None


def test_a_view_that_its_cell_no_longer_makes_is_closed(busy: Notebook) -> None:
    first = busy.ok("live(recent)", "a").value
    busy.ok("live(recent, author='Ada'); live(recent, author='Bob')", "b")
    busy.ok("'nothing'", "a")
    assert first.comm is None
    assert len(first.value) == 3
    busy.ok("live(recent, author='Ada')", "b")
    assert len(busy.session.flush.views) == 2
    busy.run("1 / 0", "b")
    assert len(busy.session.flush.views) == 1


def test_the_views_of_deleted_cells_are_closed(busy: Notebook) -> None:
    view = busy.ok("live(recent)", "a").value
    busy.shell.get_parent = lambda: {"metadata": {"deletedCells": ["a"]}}  # type: ignore[attr-defined]
    busy.ok("1", "b")
    assert view.comm is None


def test_without_cell_ids_a_cell_is_known_by_its_text(busy: Notebook) -> None:
    assert busy.ok("live(recent)").value is busy.ok("live(recent)").value
    assert busy.ok("live(recent) ").value is not busy.ok("live(recent)").value


def test_a_cell_that_runs_cells_is_one_cell(busy: Notebook) -> None:
    cell = "get_ipython().run_cell('inner = live(recent)')\nouter = live(recent, author='Ada')"
    busy.ok(cell, "a")
    inner, outer = busy["inner"], busy["outer"]
    busy.ok(cell, "a")
    assert (busy["inner"], busy["outer"]) == (inner, outer)
    assert outer.comm is not None


def test_twenty_runs_leave_nothing_behind(busy: Notebook) -> None:
    def counts() -> tuple[int, ...]:
        gc.collect()
        reactor = busy.deployment.statistics().reactor
        views = len(busy.session.flush.views)
        return (
            views,
            len(busy.session.cells),
            reactor.watched,
            reactor.queries,
            len(widget_module._instances),
            [thread.name for thread in threading.enumerate()].count("convex_nb views"),
        )

    busy.use_browser()
    cells = [(CHAT[2], "a"), ("live(recent, author='Ada')", "b"), ("%%convex_query\ndb.query('messages').take(1)", "c")]
    for cell, id in cells:
        busy.ok(cell, id)
    before = counts()
    for _ in range(20):
        for cell, id in cells:
            busy.ok(cell, id)
    assert counts() == before


def test_closing_by_hand_leaves_nothing_behind(busy: Notebook) -> None:
    before = busy.deployment.statistics().reactor.watched
    view = busy.ok("view = live(recent, author='Ada')\nview", "a").value
    view.close()
    assert busy.deployment.statistics().reactor.watched == before
    assert view not in busy.session.flush.views
    assert busy.ok("view = live(recent, author='Ada')\nview", "a").value is not view


def test_views_move_together_at_one_snapshot(busy: Notebook) -> None:
    busy.ok("%%convex_query -q\ndef count(ctx):\n    return len(ctx.db.query('messages').collect())")
    views = [busy.ok("live(recent)", "a").value, busy.ok("live(count)", "b").value]
    busy.ok('for i in range(5):\n    send(author="Eve", body=str(i))')
    assert len({view.timestamp for view in views}) == 1
    assert [len(views[0].value), views[1].value] == [8, 8]


def test_the_empty_state_says_what_would_add_rows(chat: Notebook) -> None:
    view = chat.ok("live(recent)").value
    head = view.whole()["head"]
    assert head["note"] == "No rows yet. This query reads messages. Run `messages:send` to add some."
    assert [column["name"] for column in head["columns"]] == ["author", "body"]


def test_the_empty_state_of_a_misspelt_table_says_so(chat: Notebook) -> None:
    cell = "%%convex_query --as lost\ndb.query('mesages').collect()"
    chat.ok(cell)
    assert chat["lost"].whole()["head"]["note"] == "No rows: there is no table 'mesages'. Did you mean 'messages'?"


def test_a_table_that_a_mutation_will_make_is_not_misspelt(chat: Notebook) -> None:
    chat.ok("%%convex_mutation albums -q\ndef add(ctx):\n    ctx.db.insert('images', {})")
    chat.ok("%%convex_query --as pictures\ndb.query('images').collect()")
    note = chat["pictures"].whole()["head"]["note"]
    assert note == "No rows yet. This query reads images. Run `albums:add` to add some."


def test_the_columns_are_the_schemas(busy: Notebook) -> None:
    busy.ok(
        "%%convex_query\ndef authors(ctx):\n    return [{'who': row['author']} for row in ctx.db.query('messages')]"
    )
    columns = busy.ok("live(recent)").value.whole()["head"]["columns"]
    assert [(column["name"], column["type"]) for column in columns] == [
        ("author", "string"),
        ("body", "string"),
        ("_creationTime", "time"),
        ("_id", "id<messages>"),
    ]
    assert [column["name"] for column in busy.ok("live(authors)").value.whole()["head"]["columns"]] == ["who"]


def test_in_a_box_a_view_is_a_widget(busy: Notebook) -> None:
    view = busy.ok("live(recent)").value
    assert ipywidgets.VBox([view]).children == (view,)


def test_live_works_without_the_extension() -> None:
    import convex_nb
    from convex_nb.notebook.session import close_session, get_session

    with convex_nb.open() as deployment:
        counter = convex_nb.query("counts:all")(lambda ctx: len(ctx.db.query("numbers").collect()))
        deployment.register(counter)
        view = convex_nb.live(counter)
        deployment.transact(lambda db: db.insert("numbers", {"n": 1}))
        get_session().flush.now()
        assert view.value == 1
        close_session()


def test_a_view_follows_the_selection_of_another(busy: Notebook) -> None:
    busy.ok(
        "%%convex_query messages -q --no-live\nfrom convex_nb import Id\n"
        "def one(ctx, id: Id['messages']):\n    return ctx.db.get(id)['body']"
    )
    busy.ok("rows = live(recent)\nchosen = live(one, id=(rows, 'selection'))")
    rows, chosen = busy["rows"], busy["chosen"]
    assert (chosen.status, rows.selection) == ("loading", None)
    ids = [row["_id"] for row in rows.value]
    rows._from_browser({"type": "select", "tab": "t", "key": str(ids[1])})
    busy.session.flush.now()
    assert (rows.selection, chosen.value) == (ids[1], "from Bob")
    rows._from_browser({"type": "select", "tab": "t", "key": "nonsense"})
    assert rows.selection == ids[1]


def test_a_paused_view_says_how_far_it_is_behind(busy: Notebook) -> None:
    view = busy.ok("live(recent)").value
    view._from_browser({"type": "pause", "tab": "t"})
    assert view.whole()["head"]["note"] == "Paused."
    busy.ok('for i in range(3):\n    send(author="Eve", body=str(i))')
    head = view.whole()["head"]
    assert (head["note"], head["rows"]) == ("Paused, 3 commits behind.", 3)
    view.resume()
    head = view.whole()["head"]
    assert (head["note"], head["rows"]) == ("", 6)
    view.close()
    busy.session.flush.close()
    assert busy.session.flush._committed not in busy.deployment.on_commit


def test_a_cell_reads_what_it_has_written(chat: Notebook) -> None:
    """Without a pause, and without a refresh for each commit that nobody reads."""
    chat.ok("view = live(recent)\nother = live('messages:recent', author='Ada')\nseen = []")
    chat.ok("view.observe(lambda change: seen.append((len(change.new), len(view.value))), 'value')")
    # The thread that refreshes views now and then would do so in the middle of a cell that takes long.
    with chat.session.flush._flushing:
        chat.ok(
            "import convex_nb\n"
            'for body in "abc":\n    send(author="Ada", body=body)\n'
            "assert (len(view.value), view.status, view.error, len(view.df())) == (3, 'ok', None, 3)\n"
            "assert view.timestamp == other.timestamp == convex_nb.current().timestamp"
        )
    assert chat["seen"] == [(3, 3)]


def test_a_function_that_reads_a_view_moves_none(chat: Notebook) -> None:
    chat.ok("view = live(recent)\nview")
    chat.ok(
        "%%convex_mutation messages -q\ndef twice(ctx):\n"
        '    ctx.db.insert("messages", {"author": "a", "body": "b"})\n    return len(view.value)'
    )
    chat.ok('send(author="Ada", body="x")\nn = twice()')
    assert chat["n"] in (0, 1)
    assert len(chat["view"].value) == 2
