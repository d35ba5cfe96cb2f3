"""Names that need no import in a cell of functions, and what is said of those that do."""

from __future__ import annotations

import pytest

from convex_nb import ConvexError, Id, Int64, v
from tests.notebook.conftest import Notebook

TASKS = """%%convex_mutation tasks
def add(ctx, after: Id["tasks"] | None = None, points: v.number() = 1):
    if points > 5:
        raise ConvexError("too many")
    return ctx.db.insert("tasks", {"points": points})
"""


@pytest.fixture
def fresh(bare: Notebook) -> Notebook:
    """A notebook that has imported nothing."""
    bare.ok("%load_ext convex_nb")
    return bare


def test_a_cell_of_functions_imports_none_of_them(fresh: Notebook) -> None:
    assert 'after: Id["tasks"] | None = None, points: v.number() = 1' in fresh.ok(TASKS).text
    fresh.ok("first = add()\nadd(after=first)")
    assert isinstance(fresh.run("add(points=6)").error, ConvexError)
    assert fresh.ok("%%convex_query --no-live\nInt64(len(db.query('tasks').collect()))").error is None
    assert (fresh["Id"], fresh["v"], fresh["Int64"]) == (Id, v, Int64)


def test_what_a_notebook_calls_so_comes_first(fresh: Notebook) -> None:
    fresh.ok("v = 5")
    fresh.ok("%%convex_query n -q --no-live\ndef five(ctx):\n    return v")
    assert fresh.ok("five()").value == 5
    assert fresh["v"] == 5


def test_a_cell_that_fails_binds_nothing(fresh: Notebook) -> None:
    assert fresh.run(TASKS.replace("v.number()", "v.nothing()")).error is not None
    assert "v" not in fresh.shell.user_ns


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("live(add)", "Write `from convex_nb import live`."),
        ("define_table({})", "Write `from convex_nb import define_table`."),
        ("convex_nb.open()", "Write `import convex_nb`."),
        ("dep.tables", "Write `dep = convex_nb.current()`"),
        ("db.query('tasks')", "`db` is there in a %%convex_query or %%convex_mutation cell"),
    ],
)
def test_a_missing_name_of_ours_says_where_it_comes_from(fresh: Notebook, cell: str, said: str) -> None:
    assert said in fresh.run(cell).text
    assert "Write" not in fresh.run("nothing_of_ours").text


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("get.df()", "`get` is the function. Its answer is `get(...)`; `live(get)` is a view"),
        ("get.strange()", "`get` is the function."),
        ("deployment.tasks", "A table of it is `dep.table('tasks')`."),
        ("deployment.table('tasks').insert({})", "`dep.transact(lambda db: db.insert(...))`"),
        ("deployment.insert('tasks', {})", "`dep.transact(lambda db: db.insert(...))`"),
        ("deployment.tables.tasks", "A table of it is `dep.table('tasks')`."),
        ("deployment.table('tasks').head()", "All of it as a DataFrame is `dep.table('tasks').df()`."),
        ("deployment.crons", "`dep.schedules`; its `.crons` are"),
        ("deployment.env.KEY", "A variable of it is `dep.env['KEY']`."),
        (
            "deployment.transact(lambda db: db.query('tasks').first()).title",
            "A document is a dict: `document['title']`.",
        ),
        ("%%convex_schema\ntasks = table({})", "A table is declared by `define_table({...})`."),
        ("convex_nb.api.tasks.get()", "A reference names a function to whoever calls it"),
        ("get()", "In a function it is `ctx.db`."),
        ("%convex reset\ndeployment.transact(lambda db: None)", "`dep = convex_nb.current()`"),
    ],
)
def test_what_a_reader_of_another_library_would_write_says_what_is_written_here(
    fresh: Notebook, cell: str, said: str
) -> None:
    fresh.ok("import convex_nb\ndeployment = convex_nb.current()")
    fresh.ok("%%convex_mutation -q\ndb.insert('tasks', {})")
    fresh.ok("%%convex_query tasks -q --no-live\ndef get(ctx):\n    return db.query('tasks').collect()")
    assert said in fresh.run(cell).text


def test_the_tables_of_a_closed_deployment_can_still_be_looked_at(fresh: Notebook) -> None:
    fresh.ok("import convex_nb\ndeployment = convex_nb.current()\ntable = deployment.table('tasks')\n%convex reset")
    assert "the deployment was closed" in fresh.ok("deployment.tables").text
    assert "of a closed deployment" in fresh.ok("table").text


def test_a_decorator_that_loses_the_name_is_told_so(fresh: Notebook) -> None:
    wrapped = "import functools\ndef careful(h):\n    {}\n    def wrapped(ctx, **kw):\n        return h(ctx, **kw)\n"
    define = "%%convex_mutation tasks\n@careful\ndef add(ctx, points: int):\n    return points"
    fresh.ok(wrapped.format("") + "    return wrapped")
    said = fresh.ok(define).text
    assert "tasks:wrapped" in said
    assert "`wrapped` was made by a decorator without `@functools.wraps(function)`" in said
    with pytest.warns(UserWarning, match="the name and the arguments of the function that it wraps are lost"):
        fresh.ok("from convex_nb import mutation\n@mutation\n@careful\ndef other(ctx, points: int):\n    return 1")
    fresh.ok(wrapped.format("") + "    return functools.wraps(h)(wrapped)")
    said = fresh.ok(define).text
    assert "tasks:add" in said
    assert "(points: int)" in said
    assert "warning" not in said


def test_an_error_that_is_raised_again_is_advised_on_once(fresh: Notebook) -> None:
    fresh.run("try:\n    dep\nexcept NameError as error:\n    kept = error\nraise kept")
    assert fresh.run("raise kept").text.count("Write `dep = convex_nb.current()`") == 1


@pytest.mark.parametrize(
    ("cell", "unsaid"),
    [
        # What only looks like a function of ours.
        ("import pandas as pd\npd.DataFrame({'handler': [1], 'kind': ['query']}).nothing", "is the function"),
        ("class Route:\n    handler, kind = print, 'query'\nRoute.nothing", "is the function"),
        # What fails when somebody looks closer.
        ("class Lazy:\n    handler = property(lambda self: 1 / 0)\nLazy().nothing", "ZeroDivisionError"),
        ("import convex_nb\ndep = convex_nb.open()\ndep.close()\ndep.nothing", "DeploymentClosedError"),
    ],
)
def test_advice_on_what_is_not_ours_is_none_and_does_no_harm(fresh: Notebook, cell: str, unsaid: str) -> None:
    ran = fresh.run(cell)
    assert isinstance(ran.error, AttributeError)
    assert unsaid not in ran.text
    # IPython unregisters who fails to show an error.
    assert "Write `from convex_nb import live`." in fresh.run("live").text
