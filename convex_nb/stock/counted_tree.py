"""A sorted list that counts and sums any stretch of it in O(log n), in documents of one table.

Items are in order of their positions, which are bytes. They are level 0. A node of level 1 stands for a stretch of some
sixteen items, a node of level 2 for some sixteen nodes of level 1, and so on. Whether a stretch begins at an item is
said by a hash of its position: the shape depends on what is in the list and not on its history, so nothing is ever
rebalanced, and a node is always the sum of those below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb import define_table, v

if TYPE_CHECKING:
    from convex_nb import Document

NODES: Final = define_table(
    {
        "tree": v.bytes(),
        "level": v.number(),
        "position": v.bytes(),
        "size": v.number(),
        "sum": v.number(),
        "item": v.any(),
    }
).index("by_position", ["tree", "level", "position"])


class Total(NamedTuple):
    """How many items there are, and the sum of their values."""

    size: float
    sum: float


class CountedTree:
    """The list called `tree` in the table "nodes", which is made of `NODES`. The first node of each level is at `b""`.

    `db` is a mutation's, or a query's for reading.
    """

    def __init__(self, db: Any, tree: bytes) -> None:
        self._db = db
        self._tree = tree

    def insert(self, position: bytes, value: float, item: Mapping[str, Any]) -> None:
        """Put an item at a position that is not empty, in the place of the one that is there. O(log n)."""
        old = self._at(0, position)
        if old is not None:
            self._db.delete(old["_id"])
        self._add(0, position, Total(1, value), item)
        height = 0 if old is not None else height_of(position)
        top = self._top()
        for level in range(1, max(height, top) + 1):
            if level > top:
                self._add(level, b"", Total(0, 0))
            if level <= height:
                self._add(level, position, Total(0, 0))
                self._refresh(level, position, inclusive=False)
            self._refresh(level, position)

    def remove(self, position: bytes) -> bool:
        """Take an item out; whether there was one. O(log n)."""
        item = self._at(0, position)
        if item is None:
            return False
        self._db.delete(item["_id"])
        for level in range(1, self._top() + 1):
            node = self._at(level, position)
            if node is not None:
                self._db.delete(node["_id"])
            self._refresh(level, position)
        # A level whose only node is its first says nothing that the level below does not.
        for level in range(self._top(), 0, -1):
            nodes = self._range(level, b"").take(2)
            if len(nodes) > 1:
                break
            self._db.delete(nodes[0]["_id"])
        return True

    def total(self, lo: bytes = b"", hi: bytes | None = None) -> Total:
        """Of the items from `lo` on and before `hi`. O(log n)."""
        return self._total(self._top(), lo, hi)

    def at(self, offset: int) -> Document | None:
        """The item that has `offset` others before it. O(log n)."""
        start, end = b"", None
        for level in range(self._top(), -1, -1):
            found = None
            for node in self._range(level, start, end):
                if found is not None:
                    end = node["position"]
                    break
                if offset < node["size"]:
                    found = node
                else:
                    offset -= node["size"]
            if found is None:
                return None
            start = found["position"]
        return found

    def first(self, lo: bytes = b"", hi: bytes | None = None, *, order: str = "asc") -> Document | None:
        """The item nearest to the one end of a stretch, or to the other. Costs one document."""
        found: Document | None = self._range(0, lo, hi).order(order).first()
        return found

    def clear(self) -> None:
        """Take everything out. O(n)."""
        for node in self._db.query("nodes").with_index("by_position", tree=self._tree).collect():
            self._db.delete(node["_id"])

    def _total(self, level: int, lo: bytes, hi: bytes | None) -> Total:
        if lo == hi:
            return Total(0, 0)
        nodes = self._range(level, lo, hi).collect()
        if level == 0 or not nodes:
            return _sum(nodes) if level == 0 else self._total(level - 1, lo, hi)
        parts = [self._total(level - 1, lo, nodes[0]["position"])]
        if hi is not None:
            # The last stretch goes on behind the end.
            parts += [_sum(nodes[:-1]), self._total(level - 1, nodes[-1]["position"], hi)]
        else:
            parts += [_sum(nodes)]
        return Total(sum(each.size for each in parts), sum(each.sum for each in parts))

    def _refresh(self, level: int, position: bytes, *, inclusive: bool = True) -> None:
        """Sum up the node whose stretch a position is in, or ends before."""
        before = self._range(level, b"", position, inclusive=inclusive).order("desc").first()
        after = self._range(level, position + b"\0").first()
        end = position if not inclusive else None if after is None else after["position"]
        total = _sum(self._range(level - 1, before["position"], end).collect())
        if (before["size"], before["sum"]) != total:
            self._db.patch(before["_id"], total._asdict())

    def _top(self) -> int:
        highest = self._db.query("nodes").with_index("by_position", tree=self._tree).order("desc").first()
        return 0 if highest is None else int(highest["level"])

    def _at(self, level: int, position: bytes) -> Document | None:
        index = self._db.query("nodes").with_index("by_position", tree=self._tree, level=level, position=position)
        found: Document | None = index.unique()
        return found

    def _range(self, level: int, lo: bytes, hi: bytes | None = None, *, inclusive: bool = False) -> Any:
        def between(q: Any) -> Any:
            start = q.eq("tree", self._tree).eq("level", level).gte("position", lo)
            if hi is None:
                return start
            return start.lte("position", hi) if inclusive else start.lt("position", hi)

        return self._db.query("nodes").with_index("by_position", between)

    def _add(self, level: int, position: bytes, total: Total, item: Mapping[str, Any] | None = None) -> None:
        node = {"tree": self._tree, "level": level, "position": position, "item": item, **total._asdict()}
        self._db.insert("nodes", node)


def height_of(position: bytes) -> int:
    """The highest level at which a stretch begins at this position: above each level for one in sixteen."""
    number = int.from_bytes(blake2b(position, digest_size=16).digest(), "big") or 1
    return ((number & -number).bit_length() - 1) // 4


def _sum(nodes: list[Document]) -> Total:
    return Total(sum(each["size"] for each in nodes), sum(each["sum"] for each in nodes))
