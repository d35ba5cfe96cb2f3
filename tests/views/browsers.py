"""What the browser does, in Python."""

from __future__ import annotations

from collections.abc import Sequence

from convex_nb.views.messages import Delta, Row


def apply_delta(page: Sequence[Row], delta: Delta) -> list[Row]:
    """Return the page that `delta` makes of `page`: what the browser does."""
    removed = set(delta["remove"])
    rows = {key: list(cells) for key, cells in page if key not in removed}
    order = list(rows)
    for place, key, cells in delta["insert"]:
        rows[key] = list(cells)
        order.insert(place, key)
    for key, changed in delta["change"]:
        for number, cell in changed.items():
            rows[key][number] = cell
    return [(key, rows[key]) for key in delta.get("order", order)]
