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

ARGUMENTS = '{"author": "Bob", "body": "four"}'


def bodies(folder: Path) -> list[str]:
    with convex_nb.open(folder / "app.convex", read_only=True) as dep:
        return [document["body"] for document in dep.transact(lambda db: db.query("messages").collect())]


def test_the_result_is_on_stdout_and_what_was_printed_on_stderr(app: Path, cli: Cli) -> None:
    said = cli("run", "app.convex", "messages:send", ARGUMENTS, "--load", "my_app")
    assert said.code == 0
    assert convex_nb.Id(said.json)
    assert said.err == "messages:send LOG  sending four\n"
    assert bodies(app) == ["one", "two", "three", "four"]


def test_a_project_names_the_file_and_the_functions(project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "deeper").mkdir()
    monkeypatch.chdir(project / "deeper")
    assert [each["body"] for each in cli("run", "messages:recent").json] == ["three", "two", "one"]


@pytest.mark.parametrize(
    "path", ["messages:recent", "messages.py:recent", "my_app/messages.py:recent", "api.messages.recent"]
)
def test_the_ways_to_write_a_path(project: Path, cli: Cli, path: str) -> None:
    assert len(cli("run", path, "--json").json) == 3


@pytest.mark.parametrize("load", ["my_app", "./my_app", "my_app/messages.py"])
def test_the_ways_to_say_where_functions_are(app: Path, cli: Cli, load: str) -> None:
    said = cli("run", "app.convex", "messages:recent", "--load", load)
    assert said.code == 0, said.err


def test_an_action_and_an_argument_from_stdin(project: Path, cli: Cli) -> None:
    assert cli("run", "messages:twice", "-", stdin='{"body": "again"}').out == "null\n"
    assert bodies(project)[-2:] == ["again", "again"]


def test_arguments_are_json5_as_is_easy_to_type(project: Path, cli: Cli) -> None:
    assert cli("run", "messages:send", "{author: 'Ada', body: 'it\\'s', /* nothing */}").code == 0
    assert bodies(project)[-1] == "it's"
    assert cli("run", "messages:mine", "--identity", "{subject: 'ada'}").json["subject"] == "ada"


def test_values_are_lossless(project: Path, cli: Cli) -> None:
    said = cli("run", "messages:values", "--json")
    assert len(said.out.splitlines()) == 1
    value = convex_nb.loads(said.out)
    assert isinstance(value, list)
    assert convex_nb.same_value(value, [1.5, float("nan"), convex_nb.Int64(4), b"hello", None])


def test_a_function_that_raises(project: Path, cli: Cli) -> None:
    said = cli("run", "messages:broken")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: ValueError: no luck\n")
    assert "my_app/messages.py, line 17, in broken" in said.err
    assert bodies(project) == ["one", "two", "three"]
    problem = cli("run", "messages:refuse", "--json").problem
    assert (problem["type"], problem["data"]) == ("ConvexError", {"code": 7})


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["messages:snd"], 1, 'Could not find function "messages:snd". Did you mean "messages:send"'),
        (["qqqqqq"], 1, 'Could not find function "qqqqqq". There are: messages:broken, messages:mine, messages:recent'),
        (["messages:send", "{author: Ada}"], 2, "The arguments are one JSON object in one pair of quotes"),
        (["messages:send", "[1]"], 2, "The arguments are one JSON object in one pair of quotes"),
        (["messages:send", '{"author": 1, "body": ""}'], 1, "Value does not match validator. Path: .author"),
        (["messages:send", "{}", "--watch"], 2, "messages:send is a mutation: only queries can be watched."),
        ([], 2, "Which function?"),
        (["messages:send", "--load", "nothing"], 1, "There is no module and no folder 'nothing'"),
        (["messages:send", "--load", "nothing.py"], 2, "There is no file"),
        (["other.convex", "messages:send", ARGUMENTS], 1, "Add --create to begin a new one."),
        (["other.convex", "messages:recent"], 1, "There is no file"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_what_cannot_be_run(project: Path, cli: Cli, words: list[str], code: int, message: str) -> None:
    said = cli("run", *words)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(f"error: {message}") or message in said.err
    assert bodies(project) == ["one", "two", "three"]
    assert not (project / "other.convex").exists()


def test_as_a_user(project: Path, cli: Cli) -> None:
    assert cli("run", "messages:mine").out == "null\n"
    assert cli("run", "messages:mine", "--identity", '{"subject": "ada", "name": "Ada"}').json["name"] == "Ada"
    said = cli("run", "messages:values", "--identity", "{}")
    assert (said.code, said.out) == (1, "")
    assert "messages:values" in said.err
    said = cli("run", "messages:mine", "--identity", "ada")
    assert said.code == 2
    assert said.err.startswith("error: --identity takes one JSON object")


def test_where_functions_are_must_be_said(app: Path, cli: Cli) -> None:
    said = cli("run", "app.convex", "messages:recent")
    assert said.code == 2
    assert "--load" in said.err


def test_a_deployment_is_begun_where_that_is_wanted(project: Path, cli: Cli) -> None:
    assert cli("run", "new.convex", "messages:send", ARGUMENTS, "--create").code == 0
    assert cli("data", "new.convex", "--json").json[0]["documents"] == 1


def test_what_user_code_writes_by_itself_does_not_spoil_the_result(project: Path, cli: Cli) -> None:
    module = project / "my_app" / "messages.py"
    module.write_text("print('loading')\n" + module.read_text())
    said = cli("run", "messages:recent", "--json")
    assert len(said.json) == 3
    assert "loading" in said.err


def test_a_module_that_cannot_be_imported(project: Path, cli: Cli) -> None:
    (project / "my_app" / "messages.py").write_text("def broken(:\n")
    said = cli("run", "messages:recent")
    assert said.code == 1
    assert said.err.startswith("error: SyntaxError: ")
    assert "messages.py, line 1" in said.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.convex_nb]\nfiles = 'a'\n", "has no key 'files'. Did you mean file?"),
        ("[tool.convex_nb]\nfile = 3\n", 'file in [tool.convex_nb] is a text such as "app.convex", not 3.'),
        ("[tool]\nconvex_nb = 3\n", "tool.convex_nb is a table"),
        ("[tool.convex_nb\n", "is not TOML"),
    ],
)
def test_a_project_that_says_something_else(project: Path, cli: Cli, text: str, message: str) -> None:
    (project / "pyproject.toml").write_text(text)
    said = cli("run", "messages:recent")
    assert said.code == 2
    assert message in said.err


def test_a_query_is_followed_while_another_process_writes(project: Path) -> None:
    with convex_nb.open(project / "app.convex") as dep:
        command = [sys.executable, "-m", "convex_nb", "run", "messages:recent", "--watch", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                assert len(json.loads(process.stdout.readline())) == 3
                dep.transact(lambda db: db.insert("messages", {"body": "four"}))
                assert json.loads(process.stdout.readline())[0]["body"] == "four"
                os.kill(process.pid, signal.SIGINT)
                assert process.wait(PATIENCE) == 130
                assert process.stdout.read() == ""
            finally:
                process.kill()


def test_a_query_of_a_module_with_crons_leaves_those_of_the_file_as_they_are(project: Path, cli: Cli) -> None:
    crons = """
from convex_nb import cron_jobs, http_router

crons = cron_jobs()
crons.interval("sweep", {"minutes": 5}, "messages:refuse")
auth_config = {"providers": []}
http = http_router()
"""
    (project / "my_app" / "crons.py").write_text(crons)
    assert len(cli("run", "messages:recent").json) == 3
    with convex_nb.open(project / "app.convex", read_only=True) as dep:
        assert not dep.schedules.crons
