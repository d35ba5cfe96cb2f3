from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb.cli import main as main_module
from convex_nb.cli.main import COMMANDS
from tests.cli.conftest import Cli

HEAVY = ("pandas", "pyarrow", "numpy", "duckdb", "IPython", "ipywidgets", "traitlets")


def test_without_a_command_it_says_what_there_is(cli: Cli) -> None:
    said = cli()
    assert said.code == 0
    assert convex_nb.__version__ in said.out
    assert all(re.search(rf"^  {name} ", said.out, re.MULTILINE) for name in COMMANDS)
    assert cli("--help").out == cli("-h").out == cli("help").out == said.out


def test_the_version(cli: Cli) -> None:
    assert cli("--version").out == f"convex_nb {convex_nb.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(cli: Cli, name: str) -> None:
    said = cli(name, "--help")
    assert said.code == 0
    assert said.out.split()[:3] == ["usage:", "convex-nb", name]
    assert f"\nexamples:\n  convex-nb {name} " in said.out
    assert max(map(len, said.out.splitlines())) <= 120
    assert cli("help", name).out == said.out
    assert cli(name, "anything", "--nonsense", "--help").out == said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dta"], "There is no command 'dta'. Did you mean data?"),
        (["qqqqq"], "There is no command 'qqqqq'."),
        (["app.convex", "data"], "The command comes before the file: convex-nb COMMAND app.convex."),
        (["--debug"], "The command comes first: convex-nb COMMAND [FILE] [...]."),
        (
            ["data", "--limt", "3"],
            "convex-nb data has no option --limt. Did you mean --limit? See convex-nb data --help.",
        ),
        (["data", "a.convex", "b", "c"], "'c' is one word too many. See convex-nb data --help."),
        (["data", "a", "b"], "'b' is one word too many."),
        (["data", "--limit"], "Argument --limit: expected one argument. See convex-nb data --help."),
        (["data", "a.convex", "--file", "b.convex"], "Two deployments are named, a.convex and b.convex: which one?"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_wrong_usage_is_refused_in_a_line(cli: Cli, words: list[str], message: str) -> None:
    said = cli(*words)
    assert (said.code, said.out, said.err) == (2, "", f"error: {message}\n")
    assert "Traceback" not in cli(*words, "--debug").err


def test_where_no_deployment_is_named_it_says_how(folder: Path, cli: Cli) -> None:
    assert "Here there is" not in cli("data").err
    (folder / "notes.convex").touch()
    said = cli("data")
    assert "Here there is: notes.convex." in said.err
    assert said.code == 2
    assert "Which deployment?" in said.err
    assert "[tool.convex_nb]" in said.err


def test_debug_shows_the_traceback_of_an_error(cli: Cli) -> None:
    said = cli("data", "missing.convex", "--debug")
    assert said.err.startswith("Traceback")
    assert said.err.splitlines()[-1].startswith("error: There is no file")
    assert "Traceback" not in cli("data", "missing.convex").err


def test_an_interrupt_is_no_error(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module, "_run", interrupted)
    assert cli("data") == (130, "", "Interrupted.\n")


def run(*words: str, environment: dict[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **(environment or {})},
        **options,
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["data", "--help"], ["nonsense"]], ids=" ".join)
def test_what_needs_no_data_imports_none_of_the_big_packages(words: list[str]) -> None:
    code = (
        "import sys\nfrom convex_nb.cli.main import main\n"
        f"main({words!r})\nprint(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    assert run("-c", code).stderr.splitlines()[-1] == ""


def test_the_console_script_is_declared(root: Path) -> None:
    assert 'convex-nb = "convex_nb.cli.main:main"' in (root / "pyproject.toml").read_text(encoding="utf-8")


def test_as_a_process_it_has_the_same_exit_codes(app: Path) -> None:
    assert run("-m", "convex_nb", "data", "app.convex").returncode == 0
    assert run("-m", "convex_nb", "dta").returncode == 2
    said = run("-m", "convex_nb", "data", "missing.convex")
    assert said.returncode == 1
    assert said.stdout == ""


def test_a_reader_that_goes_away_is_no_error(app: Path) -> None:
    with convex_nb.open(app / "app.convex") as dep, dep.transaction() as db:
        db.insert_many("messages", [{"body": "x" * 1000}] * 1000)
    command = f"{sys.executable} -m convex_nb data app.convex messages --limit 1000 --format jsonl"
    said = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1 > first; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (said.stdout, said.stderr) == ("141\n", "")
    assert (app / "first").read_text().startswith("{")


def test_another_process_that_writes_is_named(app: Path, cli: Cli) -> None:
    with convex_nb.open(app / "app.convex"):
        said = cli(
            "run", "app.convex", "messages:send", '{"author": "Ada", "body": "hi"}', "--load", "my_app", "--json"
        )
        assert said.code == 3
        assert said.out == ""
        assert said.problem["type"] == "DeploymentLockedError"
        assert said.problem["process_id"] == os.getpid()
        assert cli("data", "app.convex", "--json").json[0]["documents"] == 3


def test_a_file_that_is_no_deployment_is_told_apart(folder: Path, cli: Cli) -> None:
    (folder / "notes.convex").write_text("hello")
    said = cli("data", "notes.convex")
    assert (said.code, said.out) == (4, "")
    assert "is no database of convex_nb" in said.err
    assert (folder / "notes.convex").read_text() == "hello"
