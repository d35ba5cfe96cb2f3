from __future__ import annotations

import json
import sys
from io import StringIO

import pytest

from convex_nb import ConvexError, DeploymentLockedError
from convex_nb.cli.console import Console


class Terminal(StringIO):
    """A stream with somebody at its other end."""

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Terminal:
    """From now on stderr is a terminal. (A fixture could not: pytest has streams of its own for each phase.)"""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    return stream


@pytest.mark.parametrize(
    ("answer", "meant"), [("y\n", True), ("Yes\n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_a_question(monkeypatch: pytest.MonkeyPatch, answer: str, meant: bool) -> None:
    stderr = terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert Console().confirm("Really?") is meant
    assert stderr.getvalue() == "Really? [y/N] "


def test_a_script_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO())
    assert Console().confirm("Really?")


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch, plain: dict[str, str]) -> None:
    stderr = terminal(monkeypatch, **plain)
    Console().problem(ConvexError("no"))
    assert ("\x1b[" in stderr.getvalue()) == (not plain)


def test_no_colours_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    Console().problem(ConvexError("no"))
    assert capsys.readouterr().err == "error: ConvexError: no\n"


def test_machines_get_the_parts_of_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    Console(json=True).problem(DeploymentLockedError("in use", path="a.convex", holder="process 7", process_id=7))
    assert json.loads(capsys.readouterr().err) == {
        "error": {
            "type": "DeploymentLockedError",
            "message": "in use",
            "path": "a.convex",
            "holder": "process 7",
            "process_id": 7,
        }
    }


def test_a_part_that_is_no_json_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Console(json=True).problem(ConvexError({"data": b"bytes"}))
    assert json.loads(capsys.readouterr().err)["error"].keys() == {"type", "message"}


def test_an_error_whose_text_fails(capsys: pytest.CaptureFixture[str]) -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    Console().problem(OddError())
    assert capsys.readouterr().err == "error: OddError\n"


def test_people_are_told_and_machines_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    Console().say("done")
    assert capsys.readouterr().err == "done\n"
    Console(json=True).say("done")
    assert capsys.readouterr().err == ""


def test_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Console().logged([("m:f", "LOG", "hello")])
    Console(json=True).logged([("m:f", "WARN", "careful")])
    said, form = capsys.readouterr().err.splitlines()
    assert said == "m:f LOG  hello"
    assert json.loads(form) == {"log": {"function": "m:f", "level": "WARN", "message": "careful"}}


def test_a_stdout_that_is_not_unicode_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    class Latin(StringIO):
        encoding = "latin-1"

    out = Latin()
    monkeypatch.setattr(sys, "stdout", out)
    Console(json=True).value(["\u2713"])
    assert out.getvalue() == '["\\u2713"]\n'
