"""A few lines that say what just happened: as HTML for a notebook, as text everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, TypeAlias

from convex_nb.views.sheet import without_widgets

Style: TypeAlias = Literal["plain", "name", "code", "soft", "ok", "warn", "bad"]
Part: TypeAlias = tuple[Style, str]

# Plain styles on plain elements: what a sanitiser strips is only colour.
_TAGS: dict[Style, tuple[str, str]] = {
    "plain": ("", ""),
    "name": ("<code><b>", "</b></code>"),
    "code": ("<code>", "</code>"),
    "soft": ('<span style="color: var(--jp-ui-font-color2, GrayText)">', "</span>"),
    "ok": ('<span style="color: var(--jp-success-color1, #2e7d32)">', "</span>"),
    "warn": ('<span style="color: var(--jp-warn-color1, #b26a00)">', "</span>"),
    "bad": ('<span style="color: var(--jp-error-color1, #c62828)">', "</span>"),
}


@dataclass(frozen=True)
class Card:
    """Lines of parts, each a style and a text."""

    lines: Sequence[Sequence[Part]]
    has_widgets: bool = False
    """Whether widgets follow it, of which nothing is to be seen where there is no kernel."""

    def html(self) -> str:
        """Return the card as HTML; every text is escaped."""
        lines = "".join(f"<div{_inset(line)}>{' '.join(map(_marked, line))}</div>" for line in self.lines)
        rule = without_widgets(".convex-card", "~") if self.has_widgets else ""
        return f'<div class="convex-card">{lines}{rule}</div>'

    def text(self) -> str:
        """Return the card as lines of text."""
        return "\n".join(" ".join(text for _, text in line) for line in self.lines)

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:  # noqa: ARG002
        return {"text/plain": self.text(), "text/html": self.html()}


def _inset(line: Sequence[Part]) -> str:
    """A line that says more of the one before it stands below it, a step to the right."""
    return ' style="padding-left: 1.5em"' if line and line[0][1].startswith("· ") else ""


def _marked(part: Part) -> str:
    style, text = part
    before, after = _TAGS[style]
    return f"{before}{escape(text)}{after}"
