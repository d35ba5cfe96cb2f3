"""What `render` makes, and that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb.views.card import Card
from convex_nb.views.drawing import Picture, draw


@pytest.fixture
def plt() -> Iterator[Any]:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_what_is_no_figure_is_shown_as_it_is() -> None:
    assert draw(lambda value: value + 1, 1) == 2
    assert draw(lambda value: None, 1) is None


def bars(plt: Any, value: Any) -> tuple[Any, Any]:
    figure, axes = plt.subplots(figsize=(4, 3), dpi=100)
    axes.bar(range(len(value)), value)
    return figure, axes


@pytest.mark.parametrize("part", ["figure", "axes", "grid", "nothing"])
def test_a_figure_is_drawn_and_closed(plt: Any, part: str) -> None:
    def render(value: Any) -> Any:
        figure, axes = bars(plt, value)
        return {"figure": figure, "axes": axes, "grid": [[axes]], "nothing": None}[part]

    for _ in range(2):
        picture = draw(render, [1, 2, 3])
    assert isinstance(picture, Picture)
    data, metadata = picture._repr_mimebundle_()
    assert metadata == {"image/png": {"width": 400, "height": 300}}
    assert data["image/png"].startswith("iVBORw0KGgo")
    assert plt.get_fignums() == []


def test_a_figure_of_the_users_own_stays_open(plt: Any) -> None:
    figure, axes = bars(plt, [1])

    def render(value: Any) -> Any:
        axes.clear()
        axes.plot(value)
        return figure

    assert isinstance(draw(render, [1, 2]), Picture)
    assert plt.get_fignums() == [figure.number]


def test_what_render_raises_is_shown_and_its_figure_is_closed(plt: Any) -> None:
    def render(value: Any) -> Any:
        bars(plt, [1])
        raise KeyError("<script>")

    card = draw(render, 1)
    assert isinstance(card, Card)
    assert "render: KeyError: '<script>'" in card.text()
    assert "in render" in card.text()
    assert "<script>" not in card.html()
    assert plt.get_fignums() == []


def test_a_chart_of_altair_is_shown_as_it_is() -> None:
    altair = pytest.importorskip("altair")
    chart = draw(lambda rows: altair.Chart(altair.Data(values=rows)).mark_bar(), [{"a": 1}])
    assert isinstance(chart, altair.Chart)
