"""What `render` makes of a value, as a notebook shows it: figures of Matplotlib drawn once and closed again."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from convex_nb.views.card import Card, Part
from convex_nb.views.problem import problem_of

SHARPNESS: Final = 2
"""Pixels of a picture for each pixel of its place, for screens that have so many."""


@dataclass(frozen=True)
class Picture:
    """A PNG and the size at which it is shown. It is the same size each time, so that nothing below it jumps."""

    png: bytes
    text: str

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ARG002
        # The first chunk of a PNG begins with its width and height.
        width, height = (int.from_bytes(self.png[at : at + 4]) // SHARPNESS for at in (16, 20))
        data = {"image/png": b64encode(self.png).decode(), "text/plain": self.text}
        return data, {"image/png": {"width": width, "height": height}}


def draw(render: Callable[[Any], Any], value: Any) -> Any:
    """Return what is to be displayed for a value. What `render` raises is a card with the user's own lines."""
    before = _figure_numbers()
    try:
        return _drawn(render(value), before)
    except Exception as error:
        problem = problem_of(error)
        lines: list[list[Part]] = [[("bad", "render:"), ("plain", problem["message"])]]
        lines += [[("code", line)] for line in problem["traceback"].splitlines()]
        return Card(lines)
    finally:
        _close_new(before)


def _figure_numbers() -> frozenset[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return frozenset(pyplot.get_fignums()) if pyplot is not None else frozenset()


def _close_new(before: frozenset[int]) -> None:
    # A figure that pyplot still knows would be shown once more when a cell ends, and kept for ever.
    for number in _figure_numbers() - before:
        sys.modules["matplotlib.pyplot"].close(number)


def _drawn(result: Any, before: frozenset[int]) -> Any:
    figures = sys.modules.get("matplotlib.figure")
    if figures is None:
        return result
    new = _figure_numbers() - before
    figure = sys.modules["matplotlib.pyplot"].figure(max(new)) if result is None and new else _figure_of(result)
    if not isinstance(figure, figures.Figure):
        return result
    png = BytesIO()
    figure.savefig(png, format="png", dpi=SHARPNESS * figure.dpi)
    return Picture(png.getvalue(), repr(figure))


def _figure_of(result: Any) -> Any:
    """The figure of what a plotting function returns: a figure, its axes, an array of axes, a grid of Seaborn's."""
    while hasattr(result, "flat") or isinstance(result, (list, tuple)):
        result = next(iter(getattr(result, "flat", result)), None)
    own = getattr(result, "figure", None)
    return result if own is None or callable(own) else own
