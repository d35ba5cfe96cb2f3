"""A project with functions and a deployment, and the command line run in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import convex_nb
from convex_nb.cli.main import main

MESSAGES = """
from convex_nb import ConvexError, Int64, action, internal_query, mutation, query

@query
def recent(ctx, author: str | None = None):
    print("reading")
    return ctx.db.query("messages").order("desc").take(10)

@mutation
def send(ctx, author: str, body: str):
    print("sending", body)
    return ctx.db.insert("messages", {"author": author, "body": body})

@mutation
def broken(ctx):
    ctx.db.insert("messages", {"body": "lost"})
    raise ValueError("no luck")

@action
async def twice(ctx, body: str):
    for _ in range(2):
        ctx.run_mutation("messages:send", {"author": "twice", "body": body})

@mutation
def refuse(ctx):
    raise ConvexError({"code": 7})

@query
def mine(ctx):
    return ctx.auth.get_user_identity()

@internal_query
def values(ctx):
    return [1.5, float("nan"), Int64(4), b"hello", None]
"""


class Outcome(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> dict[str, Any]:
        """The error that `--json` writes to stderr, which is its last line."""
        problem: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        return problem


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli("data", "app.convex", stdin="")`: runs `convex-nb data app.convex`."""

    def run(*words: str | Path, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", StringIO(stdin))
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, in which the command line is; modules that it loads are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(
            getattr(sys.modules[name], "__path__", "") or getattr(sys.modules[name], "__file__", "")
        ):
            del sys.modules[name]


@pytest.fixture
def app(folder: Path) -> Path:
    """A deployment `app.convex` with three messages, and functions in `my_app`."""
    (folder / "my_app").mkdir()
    (folder / "my_app" / "messages.py").write_text(MESSAGES)
    with convex_nb.open(folder / "app.convex") as dep:
        for body in ("one", "two", "three"):
            with dep.transaction() as db:
                db.insert("messages", {"author": "Ada", "body": body})
    return folder


@pytest.fixture
def project(app: Path) -> Path:
    """The same, described by a pyproject.toml."""
    (app / "pyproject.toml").write_text('[tool.convex_nb]\nfile = "app.convex"\nfunctions = "my_app"\n')
    return app
