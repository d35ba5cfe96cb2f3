from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from scripts import demo
from scripts.demo import Claim


def test_the_tour_is_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "PAGE", tmp_path / "tour.html")
    assert demo.main() == 0
    html = (tmp_path / "tour.html").read_text(encoding="utf-8")
    assert "336,776" in capsys.readouterr().out
    # Where no kernel runs a reader sees the last rows of both subjects, and nothing is fetched or run.
    assert "message 99" in html
    assert html.count("data-convex-static=") == 3
    assert "<script" not in html


@pytest.mark.parametrize(
    ("low", "high", "seen", "holds"), [(3, 3, 3, True), (3, 3, 4, False), (7, 30, 6, False), (7, 30, 30, True)]
)
def test_a_claim_is_a_range(low: float, high: float, seen: float, holds: bool) -> None:
    assert Claim("figure", "", low, high, "").holds(seen) == holds


def test_a_wrong_figure_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "QUESTION", 'print({"rows imported": 1})')
    monkeypatch.setattr(demo, "PAGE", tmp_path / "tour.html")
    monkeypatch.setattr(demo, "TOUR", tmp_path / "tour.ipynb")
    table = nbformat.v4.new_markdown_cell("| rows imported | 2 |", id=demo.CLAIMS_CELL)
    nbformat.write(nbformat.v4.new_notebook(cells=[table]), tmp_path / "tour.ipynb")
    assert demo.main() == 1
    assert "not as the tour says: rows imported" in capsys.readouterr().err
