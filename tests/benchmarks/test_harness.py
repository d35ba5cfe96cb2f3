from __future__ import annotations

import pytest

from benchmarks.harness import MIN_ROUNDS, SLOW_ROUNDS, Figure, Line, Unmeasured, measure
from benchmarks.report import amount, as_text, page, summary

MACHINE = {"cores": 2, "system": "s", "machine": "m", "python": "3", "libraries": {"lib": "1"}}


def test_both_sides_take_turns_and_neither_is_always_first() -> None:
    calls: list[str] = []
    line = Line(
        "x",
        lambda: calls.append("ours"),
        lambda: calls.append("peer"),
        "y",
        before=lambda: calls.append("before"),
        seconds=0.0,
    )
    figure = measure(line)
    rounds = [calls[start : start + 4] for start in range(len(calls) - 4 * MIN_ROUNDS, len(calls), 4)]
    first, second = ["before", "peer", "before", "ours"], ["before", "ours", "before", "peer"]
    assert rounds == [first, second, first, second, first]
    assert figure.rounds == MIN_ROUNDS


def test_long_rounds_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.harness.SLOW_SECONDS", 0.0)
    line = Line("x", lambda: None, lambda: None, "y", seconds=0.0)
    assert measure(line).rounds == SLOW_ROUNDS
    monkeypatch.setattr("benchmarks.harness.LONG_SECONDS", 0.0)
    assert measure(line).rounds == 1


def test_a_line_of_bytes_takes_the_returned_figures() -> None:
    figure = measure(Line("x", lambda: 300, lambda: 200, "y", 1.0, unit="bytes"))
    assert (figure.ours, figure.peer, figure.ratio, figure.met) == (300, 200, 1.5, False)


def test_a_line_of_bytes_must_return_a_figure() -> None:
    with pytest.raises(TypeError, match="not str"):
        measure(Line("x", lambda: "300", lambda: 200, "y", unit="bytes"))


def test_figures_are_per_operation() -> None:
    assert measure(Line("x", lambda: 300, lambda: 200, "y", unit="bytes", calls=100)).ours == 3


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.5, "seconds", "2.50 s"),
        (0.0123, "seconds", "12.3 ms"),
        (4.56e-6, "seconds", "4.56 µs"),
        (5e-10, "seconds", "0.50 ns"),
        (123_456_789, "bytes", "123 MB"),
        (12, "bytes", "12.0 B"),
    ],
)
def test_an_amount_has_a_unit_that_suits_it(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


def test_the_page_shows_what_was_missed() -> None:
    def figure(name: str, ratio: float) -> Figure:
        return Figure(name, "peer", "seconds", ratio, 1.0, ratio, 1.0, 5)

    text = page(
        {"engine": [figure("fast", 0.5), figure("slow", 2.0)]},
        MACHINE,
    )
    assert "| fast | 500 ms | 1.00 s | peer | 0.50 | 1 |" in text
    assert "| slow | 2.00 s | 1.00 s | peer | **2.00** | 1 |" in text


def test_what_a_machine_cannot_measure_is_no_failure() -> None:
    met = Figure("a", "b", "seconds", 1.0, 2.0, 0.5, 1.0, 5)
    missing = Unmeasured("until it is painted", "no browser")
    figures: dict[str, list[Figure | Unmeasured]] = {"views": [missing, met]}
    assert "| until it is painted | not measured | | no browser | | |" in page(figures, MACHINE)
    assert as_text("views", missing).endswith("not measured: no browser")
    assert summary(figures, 3) == "1 of 1 targets met, 3 s"
