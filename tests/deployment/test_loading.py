from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import FunctionNotFoundError, InvalidValueError, SchemaDefinitionError, SchemaValidationError

TASKS = """
from convex_nb import internal_query, mutation, query
from .shared import TITLE

@query
def list(ctx):
    return TITLE

@internal_query("elsewhere:hidden")
def hidden(ctx):
    return 1

def helper(ctx): ...
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "my_app"
    (folder / "sub").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "shared.py").write_text("TITLE = 'tasks'\n")
    (folder / "tasks.py").write_text(TASKS)
    (folder / "sub" / "__init__.py").write_text("")
    (folder / "sub" / "deep.py").write_text(
        "from convex_nb import query\nfrom my_app.tasks import list\n\n@query\ndef f(ctx):\n    return 'deep'\n"
    )
    (folder / "_private.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_app"]:
        del sys.modules[name]


@pytest.mark.parametrize("by", ["package", "folder", "path", "module"])
def test_a_package_is_loaded_by_paths_relative_to_it(app: Path, by: str) -> None:
    with convex_nb.open() as dep:
        names: dict[str, Any] = {"package": lambda: "my_app", "folder": lambda: str(app), "path": lambda: app}
        name = names.get(by, lambda: import_module("my_app"))()
        assert dep.load(name) == {"elsewhere:hidden", "sub/deep:f", "tasks:list"}
        assert [dep.query("tasks:list"), dep.query("sub/deep:f"), dep.query("elsewhere:hidden")] == ["tasks", "deep", 1]
        assert dep.load(name) == frozenset()


def test_a_folder_that_is_no_package_is_loaded_as_well(app: Path) -> None:
    (app / "__init__.py").unlink()
    (app / "sub" / "__init__.py").unlink()
    with convex_nb.open() as dep:
        assert "sub/deep:f" in dep.load(str(app))


def test_nothing_else_is_loaded() -> None:
    with convex_nb.open() as dep, pytest.raises(InvalidValueError, match=r"a folder, not 5\. Nothing changed"):
        dep.load(5)  # type: ignore[arg-type]


def test_a_single_module_goes_by_its_own_name(app: Path) -> None:
    with convex_nb.open() as dep:
        assert dep.load("my_app.sub.deep") == {"deep:f"}


def test_changed_files_are_loaded_anew_and_live_queries_follow(app: Path) -> None:
    with convex_nb.open() as dep:
        dep.load("my_app")
        seen: list[str] = []
        dep.subscribe("sub/deep:f", {}, seen.append)
        (app / "sub" / "deep.py").write_text(
            "from convex_nb import query\n\n@query\ndef f(ctx):\n    return 'deeper'\n"
        )
        later = app.stat().st_mtime + 10
        os.utime(app / "sub" / "deep.py", (later, later))
        assert dep.load("my_app") == {"sub/deep:f"}
        assert seen == ["deep", "deeper"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def broken(:", SyntaxError),
        ("import nowhere_to_be_found", ImportError),
        ("from convex_nb import query\n@query\ndef f(): ...", SchemaDefinitionError),
    ],
)
def test_a_broken_module_changes_nothing(app: Path, text: str, error: type[Exception]) -> None:
    with convex_nb.open() as dep:
        (app / "zzz.py").write_text(text)
        with pytest.raises(error):
            dep.load("my_app")
        assert list(dep.functions) == []


@pytest.mark.parametrize("name", ["nowhere_to_be_found", "json", "./nowhere", "./empty", ""])
def test_where_there_are_no_functions(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with convex_nb.open() as dep, pytest.raises(FunctionNotFoundError):
        dep.load(name)


SCHEMA = """
from convex_nb import define_schema, define_table, v

schema = define_schema({{"tasks": define_table({{"n": {}}}).index("by_n", ["n"])}})
"""


def test_a_schema_is_put_in_force(app: Path, tmp_path: Path) -> None:
    # Who imports it has the same one.
    (app / "reading.py").write_text("from convex_nb import query\nfrom my_app.schema import schema\n")
    (app / "schema.py").write_text(SCHEMA.format("v.number()"))
    file = tmp_path / "app.convex"
    with convex_nb.open(file) as dep:
        dep.load("my_app")
        assert list(dep.table("tasks").indexes) == ["by_id", "by_creation_time", "by_n"]
        dep.transact(lambda db: db.insert("tasks", {"n": 1}))
        (app / "schema.py").write_text(SCHEMA.format("v.string()"))
        (app / "tasks.py").write_text(TASKS.replace("return TITLE", "return 'new'"))
        with pytest.raises(SchemaValidationError):
            dep.load("my_app")
        assert dep.query("tasks:list") == "tasks"
        (app / "schema.py").write_text(SCHEMA.format("v.any()"))
        dep.load("my_app")
        assert dep.query("tasks:list") == "new"
        dep.transact(lambda db: db.insert("tasks", {"n": "one"}))
    (app / "schema.py").write_text(SCHEMA.format("v.union(v.string(), v.number())"))
    with convex_nb.open(file, read_only=True) as dep:
        dep.load("my_app")
        assert dep.schema is not None
        assert "v.any()" in dep.schema.to_code()


def test_two_schemas_are_refused(app: Path) -> None:
    for name in ("one", "two"):
        (app / f"{name}.py").write_text(SCHEMA.format("v.any()"))
    with convex_nb.open() as dep, pytest.raises(SchemaDefinitionError, match=r"one and two .* each define `schema`"):
        dep.load("my_app")
