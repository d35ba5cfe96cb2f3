"""Immutable rows of one table in Arrow columns, sorted by creation time."""

from __future__ import annotations

from itertools import islice, pairwise
from operator import lt
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy
import pyarrow.compute as pc

from convex_nb.engine.garbage import no_collections
from convex_nb.engine.segments.batch_decoder import batch_decoder
from convex_nb.engine.segments.columns import Column
from convex_nb.engine.segments.id_lookup import IdLookup
from convex_nb.engine.segments.layout import MISSING, Field, Layout, field_names, field_of, rest_of
from convex_nb.engine.segments.row_decoder import row_decoder
from convex_nb.engine.steps import finished
from convex_nb.language.keys import key_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from convex_nb.engine.segments.columns import ArrowTable
    from convex_nb.engine.steps import Steps
    from convex_nb.language.documents import Document

    Rows: TypeAlias = NDArray[Any]


_BATCH: Final = 16
"""From so many rows on, column by column is quicker than row by row."""
_MANY: Final = 2000
"""From so many rows on, the garbage collector is told to wait."""


class Segment:
    """Rows of one table, ordered by ``(_creationTime, _id)``; never changed.

    Every document comes back exactly as it went in: values, ``int`` and ``float``, which fields it has; its own
    fields in the order in which the segment first saw them. ``document(row)`` costs about a microsecond.
    """

    __slots__ = ("__weakref__", "_documents", "_lookup", "columns", "derived", "document", "find", "layout", "num_rows")

    document: Callable[[int], Document]
    find: Callable[[str], int]

    def __init__(self, columns: Sequence[Column]) -> None:
        """Of columns whose rows are in order; ``from_documents`` and ``concat`` see to that."""
        self.columns = {column.field.name: column for column in columns}
        self.layout: Layout = tuple(column.field for column in columns)
        self.num_rows = len(columns[0].values)
        self.document = row_decoder(columns)
        self._documents = batch_decoder(columns)
        self._lookup: IdLookup | None = None
        self.derived: dict[Any, Any] = {}
        """What was made of the rows and can be made of them again: what searches look into, by what it is."""

    def __getattr__(self, name: str) -> Any:
        # ``find`` is a slot that is empty until somebody looks for an id: many segments are only read and dropped.
        if name == "find":
            self.find = self.lookup.find
            return self.find
        raise AttributeError(f"a Segment has no attribute {name!r}")

    @property
    def lookup(self) -> IdLookup:
        """The rows by id; built when it is first asked for, which costs O(n log n)."""
        lookup = self._lookup
        if lookup is None:
            ids = self.columns["_id"]
            # Two threads may both build it; either is right, so no lock.
            lookup = self._lookup = IdLookup(ids.values, ids.data)
        return lookup

    def building_lookup(self) -> Steps[None]:
        """Build ``lookup`` in steps, unless it is there."""
        if self._lookup is None:
            ids = self.columns["_id"]
            self._lookup = yield from IdLookup.building(ids.values, ids.data)

    @classmethod
    def from_documents(cls, documents: Sequence[Document], table: str | None = None) -> Segment:
        """A segment of at least one document, in any order; their ids belong to ``table`` (default: as they say)."""
        documents = in_creation_order(documents)
        return cls(columns_of(documents, *field_names(documents), table))

    @classmethod
    def concat(cls, parts: Sequence[tuple[Segment, Rows | None]], documents: Sequence[Document] = ()) -> Segment:
        """One segment of the chosen rows of every part (``None``: all) and of ``documents``; at least one row."""
        from convex_nb.engine.segments.concatenation import joining

        masks = [(segment, None if rows is None else _mask(segment, rows)) for segment, rows in parts]
        if documents:
            masks.append((cls.from_documents(documents, parts[0][0].table if parts else None), None))
        return finished(joining(masks)).segment

    def slice(self, start: int, stop: int, fields: Iterable[str] | None = None) -> Segment:
        """The rows from ``start`` to ``stop``, copied; only the columns of ``fields``, if they are given."""
        names = self.columns.keys() if fields is None else [name for name in self.columns if name in set(fields)]
        return Segment([self.columns[name].slice(start, stop) for name in names])

    def __repr__(self) -> str:
        return f"Segment({self.num_rows} rows, {len(self.columns)} columns, {self.nbytes} bytes)"

    @property
    def table(self) -> str | None:
        """The table that the ids belong to, as far as the documents said."""
        return self.columns["_id"].field.table

    def documents(self, rows: Sequence[int] | Rows) -> list[Document]:
        """The documents of ``rows``, in that order. Costs about 0.7 microseconds each."""
        if len(rows) < _BATCH:
            document = self.document
            return [document(row) for row in (rows.tolist() if isinstance(rows, numpy.ndarray) else rows)]
        if isinstance(rows, range):
            rows = numpy.arange(rows.start, rows.stop, rows.step)
        rows = numpy.asarray(rows)
        if len(rows) < _MANY:
            return self._documents(rows)
        with no_collections():
            return self._documents(rows)

    def to_arrow(self, rows: Rows | None = None, fields: Sequence[str] | None = None) -> ArrowTable:
        """The columns that DataFrames and SQL see: `public_table` of this segment alone."""
        from convex_nb.engine.segments.public_columns import Chosen, public_table

        return public_table([Chosen(self, rows)], fields)

    @property
    def nbytes(self) -> int:
        """Bytes of the columns, and of the id lookup and what else was made of them."""
        lookup = 0 if self._lookup is None else self._lookup.nbytes
        derived: int = sum([made.nbytes for made in tuple(self.derived.values())])
        return sum(column.nbytes for column in self.columns.values()) + lookup + derived

    def check(self) -> None:
        """Verifies every invariant, by reading every document. Costs O(n)."""
        documents = self.documents(range(self.num_rows))
        state = f"{self!r} of {self.layout}"
        keys = [_creation_key(document) for document in documents]
        assert all(before < after for before, after in pairwise(keys)), f"{state}: rows are not in creation order"
        for row, document in enumerate(documents):
            assert self.find(document["_id"]) == row, f"{state}: {document['_id']} is not found in row {row}"
        for column in self.columns.values():
            marks = column.null_marks()
            assert len(column) == self.num_rows, f"{state}: {column.field} has {len(column)} rows"
            assert marks is None or not pc.any(pc.and_(marks, column.values.is_valid())).as_py(), (
                f"{state}: {column.field} has rows that hold both null and a value"
            )


_creation_key = key_function(("_creationTime",))


def columns_of(documents: Sequence[Document], names: Sequence[str], has_rest: bool, table: str | None) -> list[Column]:
    """The columns of documents that are in order: of each of these fields, and of the others if there are others."""
    columns = []
    for name in names:
        values = [document.get(name, MISSING) for document in documents]
        field = field_of(name, values)
        if name == "_id" and table is not None:
            field = field._replace(kind="id", table=table)
        columns.append(Column.from_values(field, values))
    if has_rest:
        columns.append(Column.from_values(Field("", "rest", optional=True), rest_of(documents, names)))
    return columns


def _mask(segment: Segment, rows: Rows) -> NDArray[numpy.bool_]:
    mask = numpy.zeros(segment.num_rows, numpy.bool_)
    mask[rows] = True
    return mask


def in_creation_order(documents: Sequence[Document]) -> Sequence[Document]:
    """The documents by ``(_creationTime, _id)``; the same sequence where they are in order already."""
    times = [document["_creationTime"] for document in documents]
    if all(map(lt, times, islice(times, 1, None))):
        return documents
    return sorted(documents, key=_creation_key)
