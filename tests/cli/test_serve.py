from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.until import PATIENCE


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    command = [sys.executable, "-m", "convex_nb", *words, "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline() or "{}")
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(PATIENCE) == 130
        finally:
            process.kill()


def ask(url: str, kind: str, path: str, args: dict[str, Any]) -> Any:
    body = json.dumps({"path": path, "args": args}).encode()
    request = urllib.request.Request(f"{url}/api/{kind}", body, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=PATIENCE))


def test_apps_connect_until_it_is_interrupted(project: Path, cli: Cli) -> None:
    with serving("serve") as (process, said):
        assert set(said) == {"url", "siteUrl", "adminKey"}
        assert ask(said["url"], "mutation", "messages:send", {"author": "Bob", "body": "four"})["status"] == "success"
        assert len(ask(said["url"], "query", "messages:recent", {})["value"]) == 4
        assert "no luck" in ask(said["url"], "mutation", "messages:broken", {})["errorMessage"]
        assert process.stderr is not None
        log = json.loads(process.stderr.readline())
        assert log == {"log": {"function": "messages:send", "level": "LOG", "message": "sending four"}}
        # It has the file for itself.
        assert cli("run", "messages:send", '{"author": "Eve", "body": "five"}').code == 3
    assert len(cli("run", "messages:recent", "--json").json) == 4


def test_in_production_clients_are_told_less(project: Path) -> None:
    with serving("serve", "--prod") as (_, said):
        answer = ask(said["url"], "mutation", "messages:broken", {})
        assert answer["errorMessage"].endswith("Server Error")


def test_code_is_taken_over_as_it_is_edited(project: Path) -> None:
    file = project / "my_app" / "messages.py"
    before = file.read_text()
    with serving("dev") as (process, said):
        assert process.stderr is not None
        assert len(ask(said["url"], "query", "messages:recent", {})["value"]) == 3
        assert "reading" in process.stderr.readline()
        file.write_text(before + "\n(")
        assert "error" in json.loads(process.stderr.readline())
        assert len(ask(said["url"], "query", "messages:recent", {})["value"]) == 3
        file.write_text(before.replace("take(10)", "take(2)"))
        while len(ask(said["url"], "query", "messages:recent", {})["value"]) != 2:
            pass


def test_a_function_runs_before_clients_connect(project: Path) -> None:
    file = project / "my_app" / "messages.py"
    file.write_text(
        file.read_text()
        + """
@mutation
def seed(ctx):
    print("seeding")
    return ctx.run_mutation("messages:send", {"author": "seed", "body": "first"})
"""
    )
    with serving("dev", "--run", "messages:seed") as (process, said):
        assert process.stderr is not None
        logs = [json.loads(process.stderr.readline())["log"]["message"] for _ in range(2)]
        assert logs == ["seeding", "sending first"]
        assert ask(said["url"], "query", "messages:recent", {})["value"][0]["author"] == "seed"
        assert json.loads(process.stderr.readline())["log"]["message"] == "reading"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serve", "absent.convex", "--load", "my_app"], "Add --create to begin a new one."),
        (["serve", "app.convex", "--load", "my_app", "--port", "70000"], "--port is a number from 0 to 65535"),
        (["serve", "app.convex"], "Where are the functions?"),
        (["dev", "app.convex", "--load", "nothing"], "no module and no folder 'nothing'"),
        (["serve", "app.convex", "--load", "my_app", "--host", "203.0.113.1"], "Nothing is served"),
        (["dev", "app.convex", "--load", "my_app", "--run", "messages:sede"], "messages:sede"),
        (["dev", "app.convex", "--load", "my_app", "--run", "messages:broken"], "no luck"),
        (["dev", "app.convex", "--load", "my_app", "--run", "messages:send"], "author"),
        (["serve", "functions"], "'functions' is one word too many."),
    ],
)
def test_what_cannot_be_served(app: Path, cli: Cli, words: list[str], message: str) -> None:
    said = cli(*words)
    assert said.code != 0
    assert message in said.err
