from __future__ import annotations

from pathlib import Path

import pytest

import convex_nb
from convex_nb import define_schema, define_table, v
from tests.cli.conftest import Cli


def test_functions_for_other_programs(project: Path, cli: Cli) -> None:
    spec = cli("function-spec", "--json").json
    assert {each["identifier"] for each in spec["functions"]} >= {"messages:send", "messages:values"}
    assert cli("function-spec", "my_app").json == spec
    paths = set(cli("openapi", "my_app").json["paths"])
    assert "/api/run/messages/send" in paths
    assert not any("values" in path for path in paths)


def test_a_module_is_written_once_and_checked(project: Path, cli: Cli) -> None:
    with convex_nb.open("app.convex") as dep:
        dep.push(define_schema({"messages": define_table({"author": v.string(), "body": v.string()})}))
    first = cli("codegen", "convex_api.py")
    assert (first.code, first.err) == (0, "convex_api.py was written.\n")
    text = Path("convex_api.py").read_text()
    assert "class MessagesDocument(TypedDict):" in text
    assert "def send(self, /, **args: Unpack[MessagesSendArgs]) -> Any:" in text
    assert cli("codegen").out == text
    assert cli("codegen", "convex_api.py", "--json").json == {
        "path": "convex_api.py",
        "upToDate": True,
        "written": False,
    }
    assert cli("codegen", "convex_api.py", "--check").code == 0
    Path("convex_api.py").write_text("")
    stale = cli("codegen", "convex_api.py", "--check")
    assert (stale.code, stale.err) == (1, "convex_api.py is not up to date: run convex-nb codegen convex_api.py.\n")
    assert Path("convex_api.py").read_text() == ""


def test_a_project_that_has_no_deployment_yet_has_functions_only(project: Path, cli: Cli) -> None:
    Path("app.convex").unlink()
    assert "Document(" not in cli("codegen").out


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("codegen", "--check"), "Which module is to be checked?", 2),
        (("codegen", "other.convex", "api.py"), "other.convex: nothing was opened", 1),
        (("codegen", "my_app"), "my_app cannot be written: Is a directory", 1),
        (("codegen", "api.py", "x.py"), "'x.py' is one word too many", 2),
    ],
)
def test_what_cannot_be_written(project: Path, cli: Cli, words: tuple[str, ...], said: str, code: int) -> None:
    outcome = cli(*words)
    assert outcome.code == code
    assert said in outcome.err
