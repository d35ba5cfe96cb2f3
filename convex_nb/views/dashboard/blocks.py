"""What pages are made of. The browser draws blocks and knows nothing else: `static/blocks.js` repeats these shapes.

Whatever a reader can do is an act: the page's method `do_<act>` runs in the kernel, with the `key` of what was clicked
and the `entries` of the form that it stood in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from convex_nb.views.messages import Cell

Tone: TypeAlias = Literal["plain", "soft", "ok", "warn", "bad"]
Choices: TypeAlias = Sequence[str] | Sequence[tuple[str, str]]


class Button(TypedDict):
    label: str
    act: str
    title: NotRequired[str]  # what it does, where the label does not say it
    key: NotRequired[str]
    tone: NotRequired[Tone]
    on: NotRequired[bool]  # of one that switches something
    submits: NotRequired[bool]  # it sends the entries of its form, and so does Enter
    copies: NotRequired[str]  # it copies this text, and asks the kernel nothing


class Field(TypedDict):
    """A field of a form; it is sent with the others by a button that submits, at once if it is `eager`."""

    name: str
    label: str
    kind: Literal["text", "area", "choice", "secret", "file"]  # of a file its content is sent, as a data: URL
    value: NotRequired[str]
    choices: NotRequired[list[tuple[str, str]]]
    hint: NotRequired[str]
    eager: NotRequired[str]  # the act
    wide: NotRequired[bool]


class Chart(TypedDict):
    """Lines over the last hour, a point for each minute; None where there is none."""

    label: str
    lines: list[tuple[str, list[float | None]]]
    unit: str


class Card(TypedDict):
    title: str
    figure: str
    note: NotRequired[str]
    tone: NotRequired[Tone]
    chart: NotRequired[Chart]


class Item(TypedDict):
    """A line of a list; one without a key heads those that follow."""

    label: str
    key: NotRequired[str]
    note: NotRequired[str]
    on: NotRequired[bool]


class Line(TypedDict):
    """A row of a grid."""

    key: str
    cells: list[Cell]
    buttons: NotRequired[list[Button]]
    tone: NotRequired[Tone]
    on: NotRequired[bool]


class Block(TypedDict):
    """One block; which of the entries it has is up to its kind."""

    key: str
    kind: Literal["cards", "list", "grid", "words", "code", "bar", "form", "view", "picture"]
    side: NotRequired[bool]  # it stands at the left of the others
    title: NotRequired[str]
    tone: NotRequired[Tone]
    text: NotRequired[str]  # of words and code
    open: NotRequired[bool]  # whether code is shown, or only its title until it is asked for
    cards: NotRequired[list[Card]]
    items: NotRequired[list[Item]]
    heads: NotRequired[list[str]]  # of a grid; ">" before it: its numbers stand at the right
    lines: NotRequired[list[Line]]
    act: NotRequired[str]  # what a click on an item or a line does
    buttons: NotRequired[list[Button]]
    rows: NotRequired[list[list[Field]]]  # of a form
    version: NotRequired[int]  # of a form: with another one, what was entered is forgotten
    asks: NotRequired[bool]  # of a form: it wants an answer before anything else is done
    model: NotRequired[str]  # of a view
    source: NotRequired[str]  # of a picture: a data: URL


def words(key: str, text: str, tone: Tone = "plain") -> Block:
    """A sentence or two."""
    return {"key": key, "kind": "words", "text": text, "tone": tone}


def code(key: str, title: str, text: str, *, open: bool = False) -> Block:
    """A text as it is written, with a button that copies it."""
    return {"key": key, "kind": "code", "title": title, "text": text, "open": open}


def picture(key: str, text: str, source: str) -> Block:
    """A picture, and what is said where it cannot be seen."""
    return {"key": key, "kind": "picture", "text": text, "source": source}


def cards(key: str, items: Iterable[Card]) -> Block:
    """Figures side by side."""
    return {"key": key, "kind": "cards", "cards": list(items)}


def listing(key: str, title: str, items: Iterable[Item], act: str) -> Block:
    """What there is to choose from, at the left."""
    return {"key": key, "kind": "list", "side": True, "title": title, "items": list(items), "act": act}


def grid(key: str, title: str, heads: Sequence[str], lines: Iterable[Line], empty: str, act: str = "") -> Block:
    """Rows under heads; `empty` is said where there is none, `act` opens one."""
    block: Block = {"key": key, "kind": "grid", "title": title, "heads": list(heads), "lines": list(lines)}
    return {**block, "text": empty, "act": act}


def bar(key: str, buttons: Iterable[Button]) -> Block:
    """Buttons side by side."""
    return {"key": key, "kind": "bar", "buttons": list(buttons)}


def form(
    key: str,
    rows: Iterable[Sequence[Field]],
    buttons: Iterable[Button],
    *,
    title: str = "",
    version: int = 0,
    tone: Tone = "plain",
    asks: bool = False,
) -> Block:
    """Fields, and the buttons that send them."""
    block: Block = {"key": key, "kind": "form", "rows": [list(row) for row in rows], "buttons": list(buttons)}
    return {**block, "title": title, "version": version, "tone": tone, "asks": asks}


def field(name: str, label: str, value: str = "", **rest: Any) -> Field:
    """A field of text."""
    made: Field = {"name": name, "label": label, "kind": "text", "value": value}
    return {**made, **rest}  # type: ignore[typeddict-item]


def choice(name: str, label: str, choices: Choices, value: str = "", **rest: Any) -> Field:
    """A field with a few choices, each a text or a value and its text."""
    pairs = [(each, each) if isinstance(each, str) else each for each in choices]
    made: Field = {"name": name, "label": label, "kind": "choice", "value": value, "choices": pairs}
    return {**made, **rest}  # type: ignore[typeddict-item]


def button(label: str, act: str, title: str = "", **rest: Any) -> Button:
    """A button that does something."""
    made: Button = {"label": label, "act": act, "title": title or label}
    return {**made, **rest}  # type: ignore[typeddict-item]


def copier(label: str, text: str, title: str) -> Button:
    """A button that copies a text."""
    return {"label": label, "act": "", "title": title, "copies": text}
