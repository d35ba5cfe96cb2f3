from __future__ import annotations

import json
from pathlib import Path

import pytest

import convex_nb
from convex_nb import components
from tests.cli.conftest import Cli

MODULE = """
from convex_nb import components, define_component, define_schema, define_table, mutation, v

counter = define_component("counter", define_schema({"counts": define_table({"name": v.string()})}))

@counter.internal_mutation("lib:add")
def add(ctx, name: str):
    ctx.db.insert("counts", {"name": name})

@counter.query("lib:total")
def total(ctx):
    return ctx.db.query("counts").count()

uses = [counter.named("likes")]
"""


@pytest.fixture
def counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(folder)
    (folder / "counting.py").write_text(MODULE)
    with convex_nb.open(folder / "app.convex") as dep:
        dep.load("counting")
        dep.components["likes"].mutation("lib:add", name="a")
        assert dep.query(components.likes.lib.total) == 1
    return folder


def test_functions_of_a_component_are_called(counted: Path, cli: Cli) -> None:
    place = ("app.convex", "--load", "counting", "--component", "likes")
    assert cli("run", *place, "lib:total").json == 1
    assert cli("run", *place, "lib:add", '{"name": "b"}').out == "null\n"
    assert cli("run", *place, "lib:total").json == 2
    assert 'Did you mean "likes//lib:total"' in cli("run", *place, "lib:totl").err
    assert "leave --identity" in cli("run", *place, "lib:total", "--watch").err


def test_tables_of_a_component_are_shown_and_moved(counted: Path, cli: Cli) -> None:
    place = ("app.convex", "--component", "likes")
    assert [table["name"] for table in cli("data", *place, "--json").json] == ["counts"]
    assert [each["name"] for each in cli("data", *place, "counts", "--json").json] == ["a"]
    assert cli("data", *place, "_scheduled_functions", "--json").json == []
    assert json.loads(cli("export", "app.convex", "counts.jsonl", "--table", "counts", *place[1:], "--json").out)[
        "documents"
    ] == {"counts": 1}
    (counted / "more.jsonl").write_text('{"name": "b"}\n')
    said = cli("import", "app.convex", "more.jsonl", "--table", "counts", *place[1:], "--append")
    assert said.out == "counts: 1 document imported, 2 in all\n"
    assert "has 2 documents" in cli("import", "app.convex", "more.jsonl", "--table", "counts", *place[1:]).err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("data", "--component", "like"), "There is no component 'like'. Did you mean likes? There are: likes."),
        (("export", "x.zip", "--component", "likes"), "Which table of the component?"),
        (("import", "x.zip", "--component", "likes"), "leave --component out"),
    ],
)
def test_what_is_refused(counted: Path, cli: Cli, words: tuple[str, ...], says: str) -> None:
    said = cli(words[0], "app.convex", *words[1:])
    assert said.code != 0
    assert says in said.err
