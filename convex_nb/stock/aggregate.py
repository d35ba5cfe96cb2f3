"""Counts, sums, ranks and places of documents by a key, kept up to date in a component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

from convex_nb import (
    InvalidValueError,
    components,
    define_component,
    define_schema,
    encode_key,
    v,
)
from convex_nb.stock.counted_tree import NODES, CountedTree
from convex_nb.stock.place import place

if TYPE_CHECKING:
    from convex_nb import ActionCtx, Document, MutationCtx, QueryCtx
    from convex_nb.stock.triggers import Change

_component = define_component("aggregate", define_schema({"nodes": NODES}))
_ITEM = v.object({"key": v.any(), "id": v.string(), "sum": v.number()})
_ENTRY = {"tree": v.bytes(), "position": v.bytes(), "item": _ITEM}
_STRETCH = {"tree": v.bytes(), "lo": v.bytes(), "hi": v.union(v.null(), v.bytes())}


class Item(TypedDict):
    """What an aggregate knows of a document: its key, its id, and what it adds to sums."""

    key: Any
    id: str
    sum: float


class Aggregate:
    """Documents in the order of `key(document)`, then of their ids.

    `sum(document)` is what sums add up, and `namespace(document)` divides documents into lists that have nothing to do
    with one another. Whatever is not said to cost more costs O(log n). It knows only what it is told:
    `triggers.on("scores")(aggregate.trigger)` tells it all that `@triggers.mutation` writes.

    Reads take `namespace=`, and bounds of the key: `gt=` or `gte=`, and `lt=` or `lte=`.
    """

    definition: Final = _component
    """What to install: `dep.push(components=[Aggregate.definition])`."""

    def __init__(
        self,
        component: Any = components.aggregate,
        *,
        key: Callable[[Document], Any],
        sum: Callable[[Document], float] | None = None,
        namespace: Callable[[Document], Any] | None = None,
    ) -> None:
        self._component = place(component, "Aggregate", components.aggregate)
        self._key = key
        self._sum = sum
        self._namespace = namespace

    def __repr__(self) -> str:
        return f"Aggregate({self._component!r})"

    def trigger(self, ctx: MutationCtx, change: Change) -> None:
        """Follow a change of a document."""
        self.replace(ctx, change.old, change.new)

    def insert(self, ctx: MutationCtx | ActionCtx, document: Document) -> None:
        """Count a document. One that is counted already, under the same key, is counted once."""
        ctx.run_mutation(self._component.insert, self._entry(document))

    def delete(self, ctx: MutationCtx | ActionCtx, document: Document) -> None:
        """Count a document no more; it has to be as it was when it was counted. One that is not counted is no error."""
        entry = self._entry(document)
        ctx.run_mutation(self._component.remove, tree=entry["tree"], position=entry["position"])

    def replace(self, ctx: MutationCtx | ActionCtx, old: Document | None, new: Document | None) -> None:
        """Count a document as it is now, and no more as it was."""
        if old is not None and (new is None or self._entry(old) != self._entry(new)):
            self.delete(ctx, old)
        if new is not None:
            self.insert(ctx, new)

    def clear(self, ctx: MutationCtx | ActionCtx, *, namespace: Any = None) -> None:
        """Forget all documents of a namespace. O(n)."""
        ctx.run_mutation(self._component.clear, tree=encode_key(namespace))

    def count(self, ctx: QueryCtx | ActionCtx, *, namespace: Any = None, **bounds: Any) -> int:
        """How many documents there are, or are between these bounds."""
        return int(ctx.run_query(self._component.total, _stretch(namespace, bounds))["size"])

    def sum(self, ctx: QueryCtx | ActionCtx, *, namespace: Any = None, **bounds: Any) -> float:
        """The sum over all documents, or over those between these bounds. Raises `InvalidValueError` without `sum=`."""
        if self._sum is None:
            raise InvalidValueError(
                "This aggregate has nothing to add up: make it with sum=, a function of a document."
            )
        total: float = ctx.run_query(self._component.total, _stretch(namespace, bounds))["sum"]
        return total

    def at(self, ctx: QueryCtx | ActionCtx, offset: int, *, namespace: Any = None) -> Item | None:
        """The document at this place, 0 for the first and -1 for the last; `None` if there are not so many."""
        item: Item | None = ctx.run_query(self._component.at, tree=encode_key(namespace), offset=offset)
        return item

    def rank(self, ctx: QueryCtx | ActionCtx, key: Any, *, namespace: Any = None) -> int:
        """How many documents have a lesser key: the place of the first that has this one."""
        return self.count(ctx, namespace=namespace, lt=key)

    def min(self, ctx: QueryCtx | ActionCtx, *, namespace: Any = None, **bounds: Any) -> Item | None:
        """The first document, or the first between these bounds; `None` if there is none. O(1)."""
        item: Item | None = ctx.run_query(self._component.first, _stretch(namespace, bounds), order="asc")
        return item

    def max(self, ctx: QueryCtx | ActionCtx, *, namespace: Any = None, **bounds: Any) -> Item | None:
        """The last document, or the last between these bounds; `None` if there is none. O(1)."""
        item: Item | None = ctx.run_query(self._component.first, _stretch(namespace, bounds), order="desc")
        return item

    def _entry(self, document: Document) -> dict[str, Any]:
        key, id = self._key(document), document["_id"]
        return {
            "tree": encode_key(None if self._namespace is None else self._namespace(document)),
            "position": encode_key(key, id),
            "item": {"key": key, "id": id, "sum": 0 if self._sum is None else self._sum(document)},
        }


def _stretch(namespace: Any, bounds: Mapping[str, Any]) -> dict[str, Any]:
    for names in (("gt", "gte"), ("lt", "lte")):
        if len(bounds.keys() & names) > 1:
            raise InvalidValueError(f"A bound is `{names[0]}=` or `{names[1]}=`, not both. Nothing was read.")
    unknown = sorted(bounds.keys() - {"gt", "gte", "lt", "lte"})
    if unknown:
        raise InvalidValueError(f"There is no bound `{unknown[0]}=`: gt, gte, lt and lte are. Nothing was read.")

    def edge(before: str, behind: str) -> bytes | None:
        if before in bounds:
            return encode_key(bounds[before])
        # Behind all positions that begin with this key: no key goes on with this byte.
        return encode_key(bounds[behind]) + b"\xff" if behind in bounds else None

    return {"tree": encode_key(namespace), "lo": edge("gte", "gt") or b"", "hi": edge("lt", "lte")}


@_component.mutation(args=_ENTRY, returns=v.null())
def insert(ctx: MutationCtx, tree: bytes, position: bytes, item: Item) -> None:
    CountedTree(ctx.db, tree).insert(position, item["sum"], item)


@_component.mutation(returns=v.null())
def remove(ctx: MutationCtx, tree: bytes, position: bytes) -> None:
    CountedTree(ctx.db, tree).remove(position)


@_component.mutation(returns=v.null())
def clear(ctx: MutationCtx, tree: bytes) -> None:
    CountedTree(ctx.db, tree).clear()


@_component.query(args=_STRETCH, returns={"size": v.number(), "sum": v.number()})
def total(ctx: QueryCtx, tree: bytes, lo: bytes, hi: bytes | None) -> Any:
    if hi is not None and hi <= lo:
        return {"size": 0, "sum": 0}
    return CountedTree(ctx.db, tree).total(lo, hi)._asdict()


@_component.query(returns=v.union(v.null(), _ITEM))
def at(ctx: QueryCtx, tree: bytes, offset: int) -> Any:
    items = CountedTree(ctx.db, tree)
    if offset < 0:
        offset += int(items.total().size)
    return _item(items.at(offset)) if offset >= 0 else None


@_component.query(args={**_STRETCH, "order": v.string()}, returns=v.union(v.null(), _ITEM))
def first(ctx: QueryCtx, tree: bytes, lo: bytes, hi: bytes | None, order: str) -> Any:
    return _item(CountedTree(ctx.db, tree).first(lo, hi, order=order))


def _item(node: Document | None) -> Any:
    return None if node is None else node["item"]
