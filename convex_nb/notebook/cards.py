"""Cards: one line for what a cell defined or wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from convex_nb.language.describing import counted
from convex_nb.views.card import Card, Part
from convex_nb.views.cells import one_line

if TYPE_CHECKING:
    from convex_nb.functions.definition import Function


PRINTED_MOST: Final = 5
"""Printed lines that a card shows."""


def definition_line(function: Function, note: str = "") -> list[Part]:
    """`messages:send  mutation  (author: str, body: str)`, and what is worth saying about it."""
    kind = function.kind if function.visibility == "public" else f"internal {function.kind}"
    line: list[Part] = [("name", str(function.path)), ("soft", f" {kind} "), ("code", function.signature)]
    return [*line, ("soft", f" {note}")] if note else line


def shadow_line(name: str, function: Function) -> list[Part]:
    """The warning about a function that bears the name of one of Python's own."""
    path = str(function.path)
    root = "api" if function.visibility == "public" else "internal"
    reference = f"{root}.{path.replace('/', '.').replace(':', '.')}"
    return [
        ("warn", "warning:"),
        ("plain", f"`{name}` is a Python builtin, so this notebook's `{name}` stays Python's."),
        ("plain", f"Call it by `dep.{function.kind}({reference}, ...)`, or rename the function."),
    ]


def call_card(
    path: str,
    duration_ms: float,
    writes: Sequence[Any],
    retries: int = 0,
    printed: Sequence[str] = (),
    before: int = 0,
    warnings: Sequence[str] = (),
) -> Card:
    """`messages:send ok in 1.4 ms, wrote 1 (messages +1)`, and the first lines that it printed.

    `before` is how many commits the cell had made when this one began; each of `warnings` is a line.
    """
    text = f"ok in {milliseconds(duration_ms)}, wrote {written(writes)}"
    if retries:
        text += f", after {counted(retries, 'conflict')}"
    lines: list[list[Part]] = [[("ok", "✓"), ("name", path), ("plain", text)]]
    if before:
        lines[0].append(("soft", f"after {counted(before, 'other commit')} of this cell"))
    lines += [[("warn", "warning:"), ("plain", warning)] for warning in warnings]
    lines += [[("soft", "│"), ("code", one_line(line))] for line in printed[:PRINTED_MOST]]
    if len(printed) > PRINTED_MOST:
        lines.append([("soft", f"│ … {len(printed) - PRINTED_MOST:,} lines more: %convex logs")])
    return Card(lines)


def needs_arguments_card(function: Function, missing: Sequence[str]) -> Card:
    """What a query cell says instead of an answer when it cannot know the arguments."""
    example = ", ".join(f"{name}=..." for name in missing)
    return Card([[("soft", "to see it:"), ("code", f"live({function.__name__}, {example})")]])


def once_card(name: str) -> Card:
    """What `--once` says the second time."""
    return Card([[("soft", f"once {name}: has run already, nothing written")]])


def milliseconds(duration: float) -> str:
    """Return a duration in milliseconds with the digits that matter."""
    return f"{duration:.1f} ms" if duration < 100 else f"{duration:,.0f} ms"


def written(writes: Sequence[Any]) -> str:
    """Return how many documents were inserted, changed and deleted: `3 (messages +1 ~1, users -1)`."""
    if not writes:
        return "nothing"
    tables: dict[str, list[int]] = {}
    for write in writes:
        counts = tables.setdefault(write.table, [0, 0, 0])
        counts[0 if write.old is None else 2 if write.new is None else 1] += 1
    parts = [
        f"{table} {' '.join(f'{sign}{number:,}' for sign, number in zip('+~-', counts, strict=True) if number)}"
        for table, counts in tables.items()
    ]
    return f"{len(writes):,} ({', '.join(parts)})"
