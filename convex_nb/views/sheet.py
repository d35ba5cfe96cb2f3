"""A static table: what a result looks like where no kernel runs, in a saved file, a terminal, a plain-text client."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

Align = Literal["left", "right"]
TEXT_COLUMN_MOST = 40
HTML_CELL_MOST = 120


@dataclass(frozen=True, slots=True)
class Heading:
    name: str
    align: Align = "left"


@dataclass(frozen=True)
class Sheet:
    """Headings, rows of text, a title above and a caption below. Shows itself as HTML and as plain text."""

    headings: Sequence[Heading]
    rows: Sequence[Sequence[str]]
    title: str = ""
    caption: str = ""
    hint: str = field(default="", kw_only=True)
    """Said after the caption in HTML only: what a reader of a saved page may do."""
    mark: str = field(default="", kw_only=True)
    """The value of `data-convex-static`, by which a live widget finds and hides its static twin."""

    def html(self) -> str:
        """Return the table as HTML without scripts and without styles that a sanitiser would miss."""
        mark = f' data-convex-static="{escape(self.mark)}"' if self.mark else ""
        rule = without_widgets(".convex-static", "+") if self.mark else ""
        title = f"<div><code>{escape(self.title)}</code></div>" if self.title else ""
        said = "; ".join(filter(None, (self.caption, self.hint)))
        caption = f"<div><small>{escape(said)}</small></div>" if said else ""
        return f'<div class="convex-static"{mark}>{title}{self._table() if self.headings else ""}{caption}{rule}</div>'

    def _table(self) -> str:
        head = "".join(f"<th{_side(heading)}>{escape(heading.name)}</th>" for heading in self.headings)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td{_side(heading)}>{escape(_cut(text, HTML_CELL_MOST))}</td>"
                for heading, text in zip(self.headings, row, strict=True)
            )
            + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def text(self) -> str:
        """Return the table as lines of text, columns aligned."""
        lines = [self.title] if self.title else []
        if self.headings:
            table = [[heading.name for heading in self.headings], *self.rows]
            cells = [[_cut(text, TEXT_COLUMN_MOST) for text in row] for row in table]
            widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
            for number, row in enumerate(cells):
                lines.append(self._line(row, widths))
                if number == 0:
                    lines.append("  ".join("─" * width for width in widths))
        if self.caption:
            lines.append(self.caption)
        return "\n".join(lines)

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        padded = [
            " " * (width - _width(text)) + text if heading.align == "right" else text + " " * (width - _width(text))
            for heading, text, width in zip(self.headings, row, widths, strict=True)
        ]
        return "  ".join(padded).rstrip()

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:  # noqa: ARG002
        return {"text/plain": self.text(), "text/html": self.html()}


def without_widgets(before: str, relation: str) -> str:
    """Return a rule for JupyterLab that hides what it says of a widget without a kernel, in the outputs that follow the
    one that has `before`: the next one (`+`) or all (`~`). A widget that is there has elements, and is not touched."""
    follows = f".jp-OutputArea-child:has({before}) {relation} .jp-OutputArea-child"
    return f"<style>{follows} > .jupyter-widgets:not(:has(*)) {{ display: none; }}</style>"


def _side(heading: Heading) -> str:
    return f' style="text-align: {heading.align}"'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _width(text: str) -> int:
    """Return how many columns a terminal gives to a text."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
