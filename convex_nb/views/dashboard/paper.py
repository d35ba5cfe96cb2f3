"""A page as a saved notebook shows it: plain HTML without scripts, and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from convex_nb.views.cells import time_text
from convex_nb.views.dashboard.blocks import Block
from convex_nb.views.messages import Cell
from convex_nb.views.sheet import Heading, Sheet

_COLOURS = {"bad": "#c62828", "warn": "#8a5a00", "ok": "#2e7d32", "soft": "#666666"}


@dataclass(frozen=True)
class Paper(Sheet):
    """Blocks under a title. What only a live page can do, forms and buttons, is left out."""

    blocks: Sequence[Block] = field(default=(), kw_only=True)
    sheets: Mapping[str, Sheet] = field(default_factory=dict, kw_only=True)
    """The views inside, by their model."""

    def html(self) -> str:
        """Return the page as HTML; every text is escaped."""
        parts = [f"<div><code>{escape(self.title)}</code></div>", *(self._html(block) for block in self.blocks)]
        said = "; ".join(filter(None, (self.caption, self.hint)))
        mark = f' data-convex-static="{escape(self.mark)}"' if self.mark else ""
        caption = f"<div><small>{escape(said)}</small></div>" if said else ""
        return f'<div class="convex-static"{mark}>{"".join(parts)}{caption}</div>'

    def text(self) -> str:
        """Return the page as lines of text."""
        lines = [self.title]
        for block in self.blocks:
            lines += self._lines(block)
        return "\n".join([*lines, self.caption] if self.caption else lines)

    def _html(self, block: Block) -> str:
        if block["kind"] == "cards":
            return _cards(block).html()
        if block["kind"] in ("grid", "list"):
            return _table(block).html()
        if block["kind"] == "view":
            found = self.sheets.get(block["model"])
            return "" if found is None else found.html()
        text = escape(block.get("text", ""))
        if block["kind"] == "words":
            colour = _COLOURS.get(block.get("tone", ""), "")
            return f'<div style="color: {colour}">{text}</div>' if colour else f"<div>{text}</div>"
        if block["kind"] == "picture":
            return f'<img src="{escape(block["source"])}" alt="{text}" style="max-width: 100%; max-height: 420px">'
        if block["kind"] == "code":
            return f"<details><summary>{escape(block['title'])}</summary><pre>{text}</pre></details>"
        return ""

    def _lines(self, block: Block) -> Iterator[str]:
        if block["kind"] == "cards":
            yield _cards(block).text()
        elif block["kind"] in ("grid", "list"):
            yield _table(block).text()
        elif block["kind"] == "view" and block["model"] in self.sheets:
            yield self.sheets[block["model"]].text()
        elif block["kind"] == "words":
            yield block["text"]
        elif block["kind"] == "code":
            yield f"{block['title']}:"
            yield block["text"]


def _cards(block: Block) -> Sheet:
    rows = [[card["title"], card["figure"], card.get("note", "")] for card in block["cards"]]
    return Sheet([Heading(""), Heading("now"), Heading("")], rows)


def _table(block: Block) -> Sheet:
    if block["kind"] == "list":
        rows = [[item["label"], item.get("note", "")] for item in block["items"]]
        return Sheet([Heading(block["title"]), Heading("")], rows)
    heads = [Heading(head.removeprefix(">"), "right" if head.startswith(">") else "left") for head in block["heads"]]
    lines = [[_text(cell) for cell in line["cells"]] for line in block["lines"]]
    return Sheet(heads if lines else [], lines, title=block["title"], caption="" if lines else block["text"])


def _text(cell: Cell) -> str:
    if isinstance(cell, dict):
        value = cell.get("v", "")
        return time_text(float(value)) if cell["k"] == "time" else str(value)
    return "" if cell is None else str(cell)
