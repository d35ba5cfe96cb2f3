"""What the engine should do, said naively: dicts, sorted and searched whenever somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import Any

from hypothesis import strategies as st

from convex_nb.engine.database import Database
from convex_nb.engine.indexes.index_range import IndexRangeBuilder
from convex_nb.engine.snapshot import Snapshot
from convex_nb.language.keys import field_at
from convex_nb.language.ordering import compare_values, same_value
from convex_nb.language.values import UNDEFINED, Int64
from convex_nb.testing.strategies import values

Fields = tuple[str, ...]
Bounds = tuple[tuple[str, str, Any], ...]
"""Comparisons of an index range: operator, field and value."""
Contents = dict[str, dict[str, Any]]
"""Documents by id, by table."""
Changes = list[tuple[str, Any, Any]]
"""Table, document before and document after; ``None`` where there is none."""

TABLES = ("items", "notes")
INDEXES: tuple[Fields, ...] = (("a",), ("b",), ("a", "b"), ("b", "a"), ("c.d",), ("c", "a"))
# So few that documents share them, of every type, with the pairs that equality and sameness tell apart.
SCALARS = (None, True, False, -1, 0, 1, 2, 1.0, -0.0, 0.5, float("nan"), float("inf"), Int64(1), "", "a", "a\x00", "b")
SHARED = st.sampled_from([*SCALARS, b"", b"a\x00", [], [1], [1, "a"], {}, {"d": 1}, {"d": "a"}, {"d": [None]}])
VALUES = st.one_of(SHARED, SHARED, SHARED, values(max_leaves=3))
DOCUMENTS = st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES, "c": VALUES})

_VERDICTS: dict[str, Callable[[int], bool]] = {
    "eq": lambda order: order == 0,
    "gt": lambda order: order > 0,
    "gte": lambda order: order >= 0,
    "lt": lambda order: order < 0,
    "lte": lambda order: order <= 0,
}


def index_name(fields: Fields) -> str:
    """How the tests name an index over ``fields``."""
    return "by_creation_time" if fields == ("_creationTime",) else "by_" + "_".join(fields).replace(".", "_")


@st.composite
def bounds_of(draw: st.DrawFn, fields: Fields) -> Bounds:
    """Legal comparisons on an index, in any order."""
    equal = draw(st.integers(0, len(fields)))
    bound = VALUES | st.just(UNDEFINED)
    bounds = [("eq", name, draw(bound)) for name in fields[:equal]]
    if equal < len(fields):
        chosen = [choice for choice in (("gt", "gte"), ("lt", "lte")) if draw(st.booleans())]
        bounds += [(draw(st.sampled_from(choice)), fields[equal], draw(bound)) for choice in chosen]
    return tuple(draw(st.permutations(bounds)))


def range_function(bounds: Bounds) -> Callable[[IndexRangeBuilder], IndexRangeBuilder]:
    """The comparisons as a user writes them."""

    def build(q: IndexRangeBuilder) -> IndexRangeBuilder:
        for operator, name, value in bounds:
            q = getattr(q, operator)(name, value)
        return q

    return build


def in_bounds(document: Mapping[str, Any], bounds: Bounds) -> bool:
    """Whether a document lies in an index range."""
    return all(_VERDICTS[operator](compare_values(field_at(document, name), value)) for operator, name, value in bounds)


def order_of(fields: Fields) -> Callable[[Mapping[str, Any], Mapping[str, Any]], int]:
    """How an index orders two documents."""
    paths = [*fields, "_creationTime", "_id"]

    def order(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
        for path in paths:
            verdict = compare_values(field_at(one, path), field_at(other, path))
            if verdict:
                return verdict
        return 0

    return order


def select(documents: Iterable[Any], fields: Fields, bounds: Bounds = (), reverse: bool = False) -> list[Any]:
    """The documents of an index range, in order."""
    chosen = [document for document in documents if in_bounds(document, bounds)]
    return sorted(chosen, key=cmp_to_key(order_of(fields)), reverse=reverse)


@dataclass(frozen=True)
class Consumed:
    """What one read of a range depends on: the range, up to and including ``last`` where it stopped there."""

    table: str
    fields: Fields
    bounds: Bounds
    reverse: bool = False
    last: Any = None

    def holds(self, document: Any) -> bool:
        """Whether the read would have met a document like this."""
        if document is None or not in_bounds(document, self.bounds):
            return False
        if self.last is None:
            return True
        order = order_of(self.fields)(document, self.last)
        return order >= 0 if self.reverse else order <= 0


@dataclass
class Reads:
    """Everything that an execution depends on."""

    ids: set[str] = field(default_factory=set)
    ranges: list[Consumed] = field(default_factory=list)

    def touched_by(self, changes: Changes) -> bool:
        """Whether one of the changes is to something that was read, or would have been."""
        return any(
            (old or new)["_id"] in self.ids
            or any(each.table == table and (each.holds(old) or each.holds(new)) for each in self.ranges)
            for table, old, new in changes
        )


def copied(contents: Contents) -> Contents:
    """The same documents in dicts of their own."""
    return {table: dict(documents) for table, documents in contents.items()}


def changed(contents: Contents, changes: Changes) -> Contents:
    """The contents after ``changes``."""
    after = copied(contents)
    for table, old, new in changes:
        if new is None:
            del after[table][old["_id"]]
        else:
            after[table][new["_id"]] = new
    return after


def same_documents(found: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Whether both hold the same documents in the same order, exact in type and bits."""
    return len(found) == len(expected) and all(map(same_value, found, expected))


def assert_holds(database: Database, snapshot: Snapshot, contents: Contents) -> None:
    """Every index of every table of a snapshot yields exactly these documents, and each is found by its id."""
    transaction = database.begin(snapshot, writable=False)
    for name, documents in contents.items():
        state = snapshot.tables.get(name)
        if state is None:
            assert not documents, f"{snapshot!r} lacks {name!r}"
            continue
        for position, index in enumerate(state.indexes):
            expected = select(documents.values(), () if index.name == "by_id" else index.fields)
            if index.name == "by_id":
                expected.sort(key=lambda document: document["_id"])
            found = transaction.read(name, index.name, b"", b"\xff")
            assert same_documents(found, expected), f"{snapshot!r} {name}.{index.name}: {found}, not {expected}"
            assert state.count(position) == len(expected)
        for id, document in documents.items():
            found_by_id = transaction.get(id)
            assert found_by_id is not None, f"{snapshot!r} {name}: {id} is not found"
            assert same_value(found_by_id, document), f"{snapshot!r} {name}: {found_by_id}, not {document}"
    for name in snapshot.tables.keys() - contents.keys():
        assert not len(snapshot.tables[name]), f"{snapshot!r} has {name!r} as well"
