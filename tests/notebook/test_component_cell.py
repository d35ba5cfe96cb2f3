"""Cells that define a component."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from convex_nb import ComponentError, FunctionNotFoundError, components
from tests.notebook.conftest import Notebook

CELL = """%%convex_component counter{options}
counts = define_table({{"name": v.string()}})

def _all(ctx):
    return ctx.db.query("counts").collect()

@mutation
def add(ctx, name: str):
    return ctx.db.insert("counts", {{"name": name}})

@query
def total(ctx):
    return len(_all(ctx)) + {more}

@internal_mutation
def twice(ctx, name: str):
    ctx.run_mutation(add, name=name)
    ctx.run_mutation("add", name=name)
"""


def test_a_cell_defines_and_installs_a_component(chat: Notebook) -> None:
    said = chat.ok(CELL.format(options=" --name likes --name views", more=0))
    assert said.text.strip().splitlines() == [
        "component: counter installed as likes, views",
        "table: counts (1 field, 0 indexes)",
        "components.likes.add  mutation  (name: str)",
        "components.likes.total  query  ()",
        "components.likes.twice  internal mutation  (name: str)",
    ]
    dep = chat.deployment
    dep.components["likes"].mutation("twice", name="a")
    assert (dep.query(components.likes.total), dep.query(components.views.total)) == (2, 0)
    assert chat["counter"].functions.keys() == {"add", "total", "twice"}
    assert "add" not in chat.shell.user_ns
    assert "components: likes, views" in chat.ok("%convex").text
    assert "total" in chat.ok("%convex explain likes//total").text
    assert not any("twice" in path for path in dep.functions)


def test_running_it_again_moves_what_is_live(chat: Notebook) -> None:
    chat.ok(CELL.format(options="", more=0))
    chat.ok("from convex_nb import components")
    chat.ok("%%convex_query counting --as view\ndef counted(ctx):\n    return ctx.run_query(components.counter.total)")
    chat.ok(CELL.format(options="", more=10))
    assert chat["view"].value == 10


@pytest.mark.parametrize(
    ("cell", "error", "text"),
    [
        ("%%convex_component counter\ndef total(ctx):\n    return 1", UsageError, "say what kind of function `total`"),
        ("%%convex_component 1x\n@query\ndef total(ctx):\n    return 1", ComponentError, "cannot be the name"),
        ("%%convex_component counter\n1 / 0", ZeroDivisionError, ""),
        ("%%convex_component\n@query\ndef total(ctx):\n    return 1", UsageError, "component"),
    ],
)
def test_what_it_refuses(chat: Notebook, cell: str, error: type[Exception], text: str) -> None:
    ran = chat.run(cell)
    assert isinstance(ran.error, error)
    assert text in str(ran.error)
    assert list(chat.deployment.components) == []
    with pytest.raises(FunctionNotFoundError):
        chat.deployment.query(components.counter.total)
