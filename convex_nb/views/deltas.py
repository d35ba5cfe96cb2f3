"""How one page of rows becomes the next, in the fewest words."""

from __future__ import annotations

from collections.abc import Sequence

from convex_nb.views.messages import Cell, Delta, Row


def delta_between(old: Sequence[Row], new: Sequence[Row]) -> Delta:
    """Return what turns `old` into `new`, keyed by row. Both have the same columns. O(rows of both)."""
    before = dict(old)
    after = {key for key, _ in new}
    stayed = [key for key, _ in new if key in before]
    delta: Delta = {
        "remove": [key for key, _ in old if key not in after],
        "insert": [(place, key, cells) for place, (key, cells) in enumerate(new) if key not in before],
        "change": [
            (key, changed) for key, cells in new if key in before and (changed := changed_cells(before[key], cells))
        ],
    }
    if stayed != [key for key, _ in old if key in after]:
        delta["order"] = [key for key, _ in new]
    return delta


def changed_cells(old: Sequence[Cell], new: Sequence[Cell]) -> dict[int, Cell]:
    # `1 == True` and `1 == 1.0`: a cell that changes its type only is drawn anew as well.
    return {
        number: cell
        for number, (was, cell) in enumerate(zip(old, new, strict=True))
        if was is not cell and (was != cell or type(was) is not type(cell))
    }


def is_empty(delta: Delta) -> bool:
    return not (delta["remove"] or delta["insert"] or delta["change"] or "order" in delta)
