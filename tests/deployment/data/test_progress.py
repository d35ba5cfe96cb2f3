from __future__ import annotations

import io

import pytest

from convex_nb.deployment.data import progress
from convex_nb.deployment.data.progress import ProgressLine, shown_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class KernelStream(io.StringIO):
    __module__ = "ipykernel.iostream"


def test_a_line_appears_when_it_takes_long_and_goes_away_again() -> None:
    now = [0.0]
    stream = Terminal()
    line = ProgressLine("importing trips", stream, lambda: now[0])
    line(0, 1000)
    assert stream.getvalue() == ""
    now[0] = 2.0
    line(500, 1000)
    line(501, 1000)
    assert stream.getvalue() == f"\rimporting trips {'█' * 12}{'░' * 12} 50% of 1,000, 2 s left"
    now[0] = 3.0
    line(1000, 0)
    assert "1,000 rows" in stream.getvalue()
    line.clear()
    assert stream.getvalue().endswith("\r")
    end = stream.getvalue()
    line.clear()
    assert stream.getvalue() == end


def test_nobody_looks_at_a_file() -> None:
    now = [0.0]
    stream = io.StringIO()
    line = ProgressLine("", stream, lambda: now[0])
    now[0] = 9.0
    line(1, 2)
    line.clear()
    assert stream.getvalue() == ""


def test_who_asks_is_told_instead() -> None:
    told: list[tuple[int, int]] = []
    with shown_progress("", lambda done, total: told.append((done, total))) as report:
        report(1, 2)
    assert told == [(1, 2)]


def test_the_line_is_taken_away_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", -1.0)
    with pytest.raises(RuntimeError), shown_progress("x", None) as report:
        report(1, 2)
        raise RuntimeError
    assert stream.getvalue().endswith("\r")


def test_a_notebook_is_told_by_its_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = KernelStream()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", -1.0)
    with shown_progress("x", None) as report:
        report(1, 2)
    assert "50%" in stream.getvalue()
