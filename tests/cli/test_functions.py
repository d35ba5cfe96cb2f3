from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli


def test_functions_are_listed_without_a_deployment(app: Path, cli: Cli) -> None:
    said = cli("functions", "my_app")
    assert said.code == 0
    assert [
        line.split() for line in said.out.splitlines() if line.startswith(("messages:send", "messages:values"))
    ] == [
        ["messages:send", "mutation", "(author:", "str,", "body:", "str)"],
        ["messages:values", "internal", "query", "()"],
    ]


def test_for_machines_with_their_validators(project: Path, cli: Cli) -> None:
    functions = {function["path"]: function for function in cli("functions", "--json").json}
    send = functions["messages:send"]
    assert (send["kind"], send["visibility"], send["returns"]) == ("mutation", "public", None)
    assert send["args"]["value"]["body"] == {"fieldType": {"type": "string"}, "optional": False}
    assert functions["messages:values"]["visibility"] == "internal"
