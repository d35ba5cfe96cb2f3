from __future__ import annotations

import gc
import textwrap
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb import Deployment, action, query
from convex_nb.deployment.cells import cell_begins, cell_ended
from convex_nb.functions.definition import Function
from convex_nb.functions.globals import NotebookNames
from tests.functions.apps import open_app


class Notebook:
    """A namespace in which cells run; each is one, with a beginning and an end."""

    def __init__(self, dep: Deployment | None = None) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__", "dep": dep, "query": query, "action": action}

    def run(self, source: str) -> None:
        cell_begins()
        try:
            exec(compile(textwrap.dedent(source), f"<cell {len(source)}>", "exec"), self.names)
        finally:
            cell_ended()

    def __getitem__(self, name: str) -> Any:
        return self.names[name]


@pytest.fixture
def dep() -> Any:
    with open_app() as deployment:
        yield deployment


@pytest.fixture
def notebook(dep: Deployment) -> Notebook:
    return Notebook(dep)


def names_of(handler: Any) -> set[str]:
    names = NotebookNames.of(handler)
    return set() if names is None else set(names.current().values)


# -- what is found -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definitions", "found"),
    [
        ("def handler(ctx): return LIMIT", {"LIMIT"}),
        ("def handler(ctx): return helper()\ndef helper(): return LIMIT", {"helper", "LIMIT"}),
        ("def handler(ctx): return a()\ndef a(): return b()\ndef b(): return a() + X", {"a", "b", "X"}),
        ("class K:\n  def m(self): return X\ndef handler(ctx): return K().m()", {"K", "X"}),
        ("class K:\n  def m(self): return X\nk = K()\ndef handler(ctx): return k.m()", {"k", "X"}),
        ("class B:\n  def m(self): return X\nclass K(B): pass\ndef handler(ctx): return K", {"K", "X"}),
        ("class K:\n  p = property(lambda self: X)\ndef handler(ctx): return K().p", {"K", "X"}),
        ("class K:\n  @staticmethod\n  def s(): return X\ndef handler(ctx): return K.s()", {"K", "X"}),
        ("import math\ndef handler(ctx): return math.sqrt(4)", {"math"}),
        ("def make():\n  def inner(): return X\n  return inner\ng = make()\ndef handler(ctx): return g()", {"g", "X"}),
        ("def make(f): return lambda ctx: f()\ndef f(): return X\nhandler = make(f)", {"X"}),
        ("import functools\ndef f(a): return X\ng = functools.partial(f, 1)\ndef handler(ctx): return g()", {"g", "X"}),
        ("import functools\n@functools.cache\ndef f(): return X\ndef handler(ctx): return f()", {"f", "X"}),
        ("def handler(ctx): return other\n@query\ndef other(ctx): return X", {"other", "X"}),
        ("def handler(ctx): return len([])", {"len"}),
        ("def handler(ctx): return 5", set()),
        ("def handler(ctx):\n  global X\n  X = 1\n  return X", set()),
    ],
)
@pytest.mark.filterwarnings("ignore:.*rebinds the global name")
def test_the_names_that_a_handler_and_what_it_uses_read(definitions: str, found: set[str]) -> None:
    notebook = Notebook()
    notebook.run(definitions)
    handler = notebook["handler"]
    assert names_of(handler) - {"property", "staticmethod"} == found


def test_functions_of_modules_are_not_followed() -> None:
    assert NotebookNames.of(open_app) is None
    assert NotebookNames.of(Notebook.run) is None


def test_the_same_definition_again_is_the_same(notebook: Notebook) -> None:
    cell = "def helper(): return X\n"
    notebook.run(cell)
    notebook.run("X = 1\ndef handler(ctx): return helper()")
    names = NotebookNames.of(notebook["handler"])
    assert names is not None
    before = names.current()
    notebook.run(cell)
    assert names.current() is before
    notebook.run("X = 1")
    assert names.current() is before
    notebook.run("X = 2")
    assert names.current() is not before
    before = names.current()
    notebook.run("def helper(): return X + 1\n")
    assert names.current() is not before


@pytest.mark.parametrize(("value", "has_data"), [("5", True), ("[1]", True), ("len", False), ("dict", False)])
def test_data_is_told_from_definitions(notebook: Notebook, value: str, has_data: bool) -> None:
    notebook.run(f"X = {value}\ndef handler(ctx): return X")
    names = NotebookNames.of(notebook["handler"])
    assert names is not None
    assert names.current().has_data == has_data


# -- what follows from it ----------------------------------------------------------------------------------------

SHOWS = """
LIMIT = 1
@query("m:shows")
def shows(ctx):
    return [LIMIT, len(ctx.db.query("tasks").collect())]
dep.register(shows)
"""


def test_the_cache_does_not_answer_from_before(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(SHOWS)
    assert dep.query("m:shows") == [1, 0]
    assert dep.query("m:shows") == [1, 0]
    assert [record.cached for record in dep.logs.executions] == [False, True]
    notebook.names["LIMIT"] = 2
    assert dep.query("m:shows") == [2, 0]
    del notebook.names["LIMIT"]
    with pytest.raises(NameError):
        dep.query("m:shows")
    notebook.names["LIMIT"] = 3
    assert dep.query("m:shows") == [3, 0]


def test_nor_for_a_function_that_it_runs_by_its_path(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(SHOWS)
    notebook.run('@query("m:outer")\ndef outer(ctx): return ctx.run_query("m:shows")\ndep.register(outer)')
    seen: list[Any] = []
    dep.subscribe("m:outer", {}, seen.append)
    notebook.run("LIMIT = 2")
    assert dep.query("m:outer") == [2, 0]
    notebook.run('@query("m:shows")\ndef shows(ctx): return "new"\ndep.register(shows)')
    assert dep.query("m:outer") == "new"
    assert seen == [[1, 0], [2, 0], "new"]


def test_what_is_followed_moves_at_the_end_of_the_cell(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(SHOWS)
    seen: list[Any] = []
    dep.subscribe("m:shows", {}, seen.append)
    view = dep.watch("m:shows")
    notebook.run("LIMIT = 2")
    assert seen == [[1, 0], [2, 0]]
    assert view.stale
    assert dep.refresh() == [view]
    assert view.value == [2, 0]
    runs = view.runs
    notebook.run("other = 5")
    notebook.run("LIMIT = 2")
    assert dep.refresh() == []
    assert view.runs == runs
    dep.check()


def test_a_commit_of_the_cell_shows_what_it_has_bound_so_far(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(SHOWS)
    seen: list[Any] = []
    dep.subscribe("m:shows", {}, seen.append)
    notebook.run('LIMIT = 2\ndep.mutation("tasks:add", {"text": "x"})\nLIMIT = 3')
    assert seen == [[1, 0], [2, 1], [3, 1]]


def other_thread(function: Callable[[], Any]) -> Any:
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join(60)
    assert result, "the other thread did not come back"
    return result[0]


def test_another_thread_leaves_it_to_the_cell(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(SHOWS)
    seen: list[Any] = []
    plain: list[Any] = []
    dep.subscribe("m:shows", {}, seen.append)
    dep.subscribe("tasks:list", {}, plain.append)
    view = dep.watch("m:shows")
    held: list[Any] = []
    dep.when_held(lambda: held.append(dep.refresh()))

    def meanwhile() -> Any:
        dep.mutation("tasks:add", {"text": "x"})
        dep.settle()
        return dep.refresh(), list(seen), len(plain), list(held)

    notebook.names["meanwhile"] = lambda: other_thread(meanwhile)
    notebook.run("LIMIT = 2\nduring = meanwhile()\nLIMIT = 3")
    assert notebook["during"] == ([], [[1, 0]], 2, [])
    assert seen == [[1, 0], [3, 1]]
    assert dep.refresh() == [view]
    assert view.value == [3, 1]
    # A commit of the cell's own lets the views go on.
    notebook.run('during = meanwhile()\ndep.mutation("tasks:add", {"text": "y"})\nafter = dep.timestamp')
    assert held == [[view]]
    assert view.value == [3, 3]
    dep.check()


def test_between_cells_any_thread_may(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(SHOWS)
    seen: list[Any] = []
    dep.subscribe("m:shows", {}, seen.append)
    other_thread(lambda: dep.mutation("tasks:add", {"text": "x"}))
    assert seen == [[1, 0], [1, 1]]


def test_what_reads_definitions_only_does_not_wait(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(
        'def count(tasks): return len(tasks)\n@query("m:counts")\n'
        'def counts(ctx): return count(ctx.db.query("tasks").collect())\ndep.register(counts)'
    )
    seen: list[Any] = []
    dep.subscribe("m:counts", {}, seen.append)
    notebook.names["meanwhile"] = lambda: other_thread(lambda: dep.mutation("tasks:add", {"text": "x"}))
    notebook.run("meanwhile()\nduring = list(seen)" if notebook.names.setdefault("seen", seen) else "")
    assert notebook["during"] == [0, 1]


def test_a_run_during_which_a_cell_began_does_not_count(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(
        "A, B = 1, 1\n"
        '@query("m:both")\n'
        "def both(ctx):\n"
        "    first = A\n"
        '    ctx.db.query("tasks").collect()\n'
        "    between()\n"
        "    return [first, B]\n"
        "def between(): pass\n"
        "dep.register(both)\n"
    )
    seen: list[Any] = []
    dep.subscribe("m:both", {}, seen.append)
    go, done = threading.Event(), threading.Event()

    def between() -> None:
        if threading.current_thread() is not threading.main_thread():
            go.set()
            assert done.wait(60)

    notebook.names["between"] = between
    commits = threading.Thread(target=lambda: dep.mutation("tasks:add", {"text": "x"}))
    commits.start()
    assert go.wait(60)
    cell_begins()
    notebook.names["A"] = notebook.names["B"] = 2
    done.set()
    commits.join(60)
    assert seen == [[1, 1]]
    cell_ended()
    assert seen == [[1, 1], [2, 2]]


def test_a_run_of_before_is_not_shared_with_who_asks_after(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(
        "A = 1\n@query('m:slow')\ndef slow(ctx):\n    value = A\n    wait()\n    return value\n"
        "def wait(): pass\ndep.register(slow)\n"
    )
    began, go = threading.Event(), threading.Event()
    slow, first = threading.Thread(target=lambda: seen.append(dep.query("m:slow"))), threading.main_thread()
    seen: list[Any] = []

    def wait() -> None:
        if threading.current_thread() is not first:
            began.set()
            assert go.wait(60)

    notebook.names["wait"] = wait
    slow.start()
    assert began.wait(60)
    notebook.names["A"] = 2
    threading.Timer(0.05, go.set).start()
    assert dep.query("m:slow") == 2
    slow.join(60)
    assert seen == [1]
    assert dep.query("m:slow") == 2


def test_a_value_that_was_let_go_is_not_kept(dep: Deployment, notebook: Notebook) -> None:
    notebook.run(
        "class Big: pass\nBIG = Big()\n@query('m:big')\ndef big(ctx): return str(type(BIG))\ndep.register(big)"
    )
    dep.query("m:big")
    dep.query(Function(eval("lambda ctx: str(BIG)", notebook.names), "query"))
    gone = weakref.ref(notebook["BIG"])
    notebook.run("del BIG")
    gc.collect()
    assert gone() is None


# -- warnings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("global N; N = 1", "rebinds the global name `N`"),
        ("SEEN.append(1)", "changes what is behind the global name `SEEN`"),
        ("BY['a'] = 1", "changes what is behind the global name `BY`"),
        ("helper()", "`helper` rebinds the global name `N`"),
    ],
)
def test_a_handler_that_changes_the_notebook_is_warned_of_once(
    dep: Deployment, notebook: Notebook, body: str, says: str
) -> None:
    notebook.run("SEEN, BY = [], {}\ndef helper():\n    global N\n    N = 2\n")
    cell = f"@query('m:w')\ndef w(ctx):\n    {body}\ndep.register(w)\n# {says}"
    with pytest.warns(UserWarning, match=says):
        notebook.run(cell)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notebook.run(cell)
        dep.query("m:w")
        dep.query("m:w")


def test_an_action_may_change_the_notebook(dep: Deployment, notebook: Notebook) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notebook.run("GOT = []\n@action('m:a')\ndef a(ctx):\n    GOT.append(1)\ndep.register(a)")
    dep.action("m:a")
    assert notebook["GOT"] == [1]


def test_objects_that_only_look_like_a_list_are_not_warned_of(dep: Deployment, notebook: Notebook) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notebook.run(
            "class L:\n    def append(self, x): pass\nL = L()\n@query('m:l')\ndef l(ctx): L.append(1)\ndep.register(l)"
        )


def test_a_query_that_rebinds_what_it_reads_does_not_run_for_ever(dep: Deployment, notebook: Notebook) -> None:
    with pytest.warns(UserWarning, match="rebinds"):
        notebook.run("N = 0\n@query('m:n')\ndef n(ctx):\n    global N\n    N += 1\n    return N\ndep.register(n)")
    seen: list[Any] = []
    dep.subscribe("m:n", {}, seen.append)
    notebook.run("pass")
    dep.settle()
    assert seen == [1]


# -- against a model ---------------------------------------------------------------------------------------------

NAMES = ("A", "B", "C", "f", "g")
values = st.one_of(
    st.integers(0, 2).map(str),
    st.sampled_from(["'x'", "None", "[1]"]),
)
bindings = st.one_of(
    st.tuples(st.sampled_from(NAMES[:3]), values).map(lambda each: f"{each[0]} = {each[1]}"),
    st.tuples(st.sampled_from(NAMES[3:]), st.sampled_from(NAMES)).map(
        lambda each: f"def {each[0]}(depth=0): return read(lambda: {each[1]}, depth)"
    ),
    st.sampled_from(NAMES).map(lambda name: f"globals().pop({name!r}, None)"),
    st.sampled_from(NAMES[:3]).map(lambda name: f"{name} = {name} if {name!r} in globals() else 0"),
)
cells = st.lists(st.lists(bindings, min_size=1, max_size=3).map("\n".join), max_size=8)


@settings(max_examples=60)
@given(cells)
def test_after_each_cell_answers_are_those_of_a_run_from_scratch(cells: list[str]) -> None:
    with open_app() as dep:
        notebook = Notebook(dep)
        notebook.run(
            "def read(name, depth):\n"
            "    try: value = name()\n"
            "    except NameError: return 'unbound'\n"
            "    return value(depth + 1) if callable(value) and depth < 3 else str(value)[:9]\n"
            "@query('m:reads')\n"
            "def reads(ctx):\n"
            "    return [read(lambda: A, 0), read(lambda: f, 0), read(lambda: g, 0)]\n"
            "dep.register(reads)\n"
        )
        seen: list[Any] = []
        dep.subscribe("m:reads", {}, seen.append)
        view = dep.watch("m:reads")
        for cell in cells:
            notebook.run(cell)
            expected = notebook["reads"].handler(None)
            assert seen[-1] == expected
            assert dep.query("m:reads") == expected
            dep.refresh()
            assert view.value == expected
        dep.check()
