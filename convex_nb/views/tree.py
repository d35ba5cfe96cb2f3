"""A nested value as a tree of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from convex_nb.language.describing import counted
from convex_nb.views.cells import encode_cell, one_line, preview
from convex_nb.views.messages import Node

ITEMS_MOST: Final = 100
"""Items of one branch that are shown; the rest is counted."""
NODES_MOST: Final = 2000
PREVIEW_MOST: Final = 60


def tree_of(value: Any) -> Node:
    """Return the tree of a value: at most `NODES_MOST` nodes, so that no result is too large to be looked at."""
    return _Planter().node("", value)


class _Planter:
    def __init__(self) -> None:
        self._left = NODES_MOST

    def node(self, label: str, value: Any) -> Node:
        self._left -= 1
        if isinstance(value, Mapping):
            return self._branch(label, ((one_line(str(key)), item) for key, item in value.items()), value)
        if isinstance(value, (list, tuple)):
            return self._branch(label, ((str(number), item) for number, item in enumerate(value)), value)
        return {"label": label, "cell": encode_cell(value)}

    def _branch(self, label: str, items: Iterable[tuple[str, Any]], value: Mapping[str, Any] | list[Any] | Any) -> Node:
        nodes: list[Node] = []
        for name, item in items:
            if len(nodes) == ITEMS_MOST or self._left <= 0:
                break
            nodes.append(self.node(name, item))
        count = len(value)
        kind = "field" if isinstance(value, Mapping) else "item"
        size = counted(count, kind)
        node: Node = {"label": label, "preview": preview(value, PREVIEW_MOST), "size": size, "items": nodes}
        if count > len(nodes):
            node["more"] = count - len(nodes)
        return node
