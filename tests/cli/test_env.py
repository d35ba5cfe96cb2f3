from __future__ import annotations

from pathlib import Path

import pytest

import convex_nb
from tests.cli.conftest import Cli


def test_variables_are_set_listed_got_and_unset(app: Path, cli: Cli) -> None:
    assert cli("env", "app.convex", "list") == (0, "", "There are no environment variables.\n")
    assert cli("env", "app.convex", "set", "GREETING", "hello world") == (0, "", "GREETING was set.\n")
    assert cli("env", "app.convex", "set", "QUERY=a=b").code == 0
    assert cli("env", "app.convex", "set", "KEY", stdin="secret\n").code == 0
    assert cli("env", "app.convex", "list").out == "GREETING=hello world\nKEY=secret\nQUERY=a=b\n"
    assert cli("env", "app.convex", "list", "--json").json == {
        "GREETING": "hello world",
        "KEY": "secret",
        "QUERY": "a=b",
    }
    assert cli("env", "app.convex").out == cli("env", "app.convex", "list").out
    assert cli("env", "app.convex", "get", "KEY").out == "secret\n"
    assert cli("env", "app.convex", "get", "KEY", "--json").json == "secret"
    assert cli("env", "app.convex", "unset", "KEY", "--json").json == {"unset": "KEY"}
    assert cli("env", "app.convex", "remove", "QUERY").code == 0
    with convex_nb.open(app / "app.convex") as dep:
        assert dict(dep.env) == {"GREETING": "hello world"}


def test_reading_works_beside_a_notebook_and_writing_says_who_has_it(app: Path, cli: Cli) -> None:
    with convex_nb.open(app / "app.convex") as dep:
        dep.env["KEY"] = "value"
        assert cli("env", "app.convex", "get", "KEY").out == "value\n"
        assert cli("env", "app.convex", "set", "KEY", "other").code == 3
        assert dep.env["KEY"] == "value"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["sett", "A", "1"], 2, "env cannot 'sett'. Did you mean set? It can list, get, set and unset."),
        (["get"], 2, "Which variable?"),
        (["get", "A", "B"], 2, "'B' is one word too many after env get."),
        (["get", "KEX"], 1, "There is no environment variable 'KEX'. Did you mean KEY?"),
        (["unset", "KEX"], 1, "There is no environment variable 'KEX'. Did you mean KEY?"),
        (["set", "1A", "x"], 1, "1A"),
        (["set", "A", "x" * 9000], 1, "8192"),
    ],
    ids=lambda part: " ".join(part)[:20] if isinstance(part, list) else "",
)
def test_what_cannot_be_done(app: Path, cli: Cli, words: list[str], code: int, message: str) -> None:
    assert cli("env", "app.convex", "set", "KEY", "value").code == 0
    said = cli("env", "app.convex", *words)
    assert (said.code, said.out) == (code, "")
    assert message in said.err
    assert cli("env", "app.convex", "list").out == "KEY=value\n"
