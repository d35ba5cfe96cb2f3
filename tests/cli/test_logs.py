from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import convex_nb
from tests.cli.conftest import Cli
from tests.until import PATIENCE


@pytest.fixture
def log(app: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a process that has called some functions has handed on."""
    monkeypatch.chdir(app)
    place = app / "app.log.jsonl"
    with convex_nb.open() as dep:
        dep.logs.add_sink(place)
        dep.load("./my_app")
        dep.mutation("messages:send", {"author": "Ada", "body": "\x1b[31mred"})
        with pytest.raises(ValueError, match="no luck"):
            dep.mutation("messages:broken")
        dep.query("messages:recent")
    return place


def test_lines_and_failures(log: Path, cli: Cli) -> None:
    said = cli("logs", log)
    assert said.code == 0
    assert [line.split("  ")[1:3] for line in said.out.splitlines()] == [
        ["messages:send", "LOG"],
        ["messages:broken", "FAILED"],
        ["messages:recent", "LOG"],
    ]
    assert "ValueError: no luck (" in said.out
    assert "\x1b" not in said.out


def test_calls_that_succeeded_too(log: Path, cli: Cli) -> None:
    assert cli("logs", log, "--success").out.count("  OK  ") == 2
    assert len(cli("logs", log, "--success", "--history", "2").out.splitlines()) == 2
    events = [json.loads(line) for line in cli("logs", log, "--success", "--json").out.splitlines()]
    assert events == [json.loads(line) for line in log.read_text().splitlines()]
    assert cli("logs", log, "--success", "--jsonl").out == cli("logs", log, "--success", "--json").out


def test_a_project_names_its_log(log: Path, cli: Cli) -> None:
    assert cli("logs").code == 2
    (log.parent / "pyproject.toml").write_text('[tool.convex_nb]\nlogs = "app.log.jsonl"\n')
    assert cli("logs").out == cli("logs", log).out


def test_insights_are_what_a_log_tells_of_problems(log: Path, cli: Cli) -> None:
    assert cli("insights", log).err == "Nothing to report.\n"
    usage = {"database_read_documents": 40_000}
    event = {"topic": "function_execution", "function": {"path": "m:all"}, "status": "success", "usage": usage}
    with log.open("a") as file:
        file.write(json.dumps(event) + "\n")
    said = cli("insights", log)
    assert "m:all         1  read up to 40,000 documents in one call" in said.out
    assert "Paginate" in said.err
    (insight,) = cli("insights", log, "--json").json
    assert (insight["kind"], insight["worst"]) == ("documentsRead", event)
    assert cli("insights").code == 2


def test_what_is_no_log(app: Path, cli: Cli) -> None:
    assert cli("logs", "absent.jsonl").code == 1
    (app / "rows.jsonl").write_text('{"topic": "console", "message": "hello"}\n{"a": 1}\n')
    said = cli("logs", "rows.jsonl")
    assert said.code == 1
    assert "Line 2 of rows.jsonl is no event of a log." in said.err
    (app / "half.jsonl").write_text('{"topic": "console", "message": "hello"}\n{"topic": "con')
    assert len(cli("logs", "half.jsonl").out.splitlines()) == 1


def test_it_is_followed_also_when_it_begins_anew(log: Path) -> None:
    first, second = log.read_text().splitlines(keepends=True)[:2]
    log.write_text(first)
    command = [sys.executable, "-m", "convex_nb", "logs", str(log), "--follow", "--success", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline()) == json.loads(first)
            with log.open("a") as file:
                file.write(second)
            assert json.loads(process.stdout.readline()) == json.loads(second)
            log.write_text(first)
            assert json.loads(process.stdout.readline()) == json.loads(first)
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(PATIENCE) == 130
        finally:
            process.kill()


def test_those_of_a_component(app: Path, cli: Cli) -> None:
    likes = convex_nb.define_component("likes")

    @likes.mutation("lib:add")
    def add(ctx: convex_nb.MutationCtx) -> None:
        print("adding")

    place = app / "app.log.jsonl"
    with convex_nb.open() as dep:
        dep.logs.add_sink(place)
        dep.use(likes)
        dep.load("./my_app")
        dep.mutation("messages:send", {"author": "Ada", "body": "hello"})
        dep.components["likes"].mutation("lib:add")
    assert [line.split("  ")[1] for line in cli("logs", place).out.splitlines()] == ["messages:send", "likes//lib:add"]
    assert [line.split("  ")[1:] for line in cli("logs", place, "--component", "likes").out.splitlines()] == [
        ["likes//lib:add", "LOG", "adding"]
    ]
