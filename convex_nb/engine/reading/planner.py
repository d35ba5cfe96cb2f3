"""Which way a read goes: document by document, or by columns with what SQL can decide of its filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from convex_nb.engine.reading.filters import FilterError, matches
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convex_nb.engine.reading.filters import Expression
    from convex_nb.engine.reading.selection import Numbers, Selection
    from convex_nb.engine.segments.columns import ArrowTable
    from convex_nb.engine.table import TableState
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

LONG = 1024
"""A range of more documents is filtered by columns: asking DuckDB costs what looking at so many documents does."""
_CHUNK = 4096
"""So many documents are decoded at a time for a filter that Python evaluates."""


class Range(NamedTuple):
    """What is read: an interval of the keys of an index, in its order or in reverse."""

    table: str
    index_name: str
    lo: bytes
    hi: bytes
    reverse: bool

    @classmethod
    def whole(cls, table: str) -> Range:
        """All of a table in creation order."""
        return cls(table, BY_CREATION_TIME, MIN_KEY, MAX_KEY, False)

    def after(self, key: bytes) -> Range:
        """What of it comes after ``key`` in the order of reading."""
        return self._replace(hi=key) if self.reverse else self._replace(lo=key + b"\x00")


def passes(filters: Sequence[Expression], document: Mapping[str, Any]) -> bool:
    """Whether all filters hold for a document. Raises ``FilterError``."""
    return all(matches(expression, document) for expression in filters)


def is_long(transaction: Transaction, state: TableState | None, where: Range) -> bool:
    """Whether the range is filtered by columns. Costs O(segments x log rows)."""
    # Where the bytes read are limited each document has to be looked at, and so decoded, anyway.
    if state is None or transaction.usage.sizes_reads:
        return False
    return state.count(state.position(where.index_name), where.lo, where.hi) > LONG


class Reading(NamedTuple):
    """What a read of a range with filters came to."""

    documents: list[Document]
    """Those that pass."""
    rows: int
    """How many were looked at."""
    complete: bool
    """Whether there are no more."""
    looked_at: Callable[[int], Document]
    """One of those that were looked at, by its number."""


def read_filtered(
    transaction: Transaction, where: Range, filters: Sequence[Expression], limit: int | None = None
) -> Reading:
    """The first ``limit`` documents (all, for ``None``) of a range that pass, recorded as looked at one by one."""
    state = transaction.table(where.table)
    if limit is None and is_long(transaction, state, where):
        return _read_by_columns(transaction, where, filters, None)
    found: list[Document] = []
    seen: list[Document] = []
    with closing(transaction.scan(*where)) as scan:
        for document in scan:
            seen.append(document)
            if passes(filters, document):
                found.append(document)
                if len(found) == limit:
                    return Reading(found, len(seen), False, seen.__getitem__)
            if len(seen) == LONG and state is not None:
                rest = where.after(state.indexes[state.position(where.index_name)].key_of(document))
                if is_long(transaction, state, rest):
                    break
        else:
            return Reading(found, len(seen), True, seen.__getitem__)
    assert limit is not None
    later = _read_by_columns(transaction, rest, filters, limit - len(found), continued=True)
    return Reading(
        found + later.documents,
        LONG + later.rows,
        later.complete,
        lambda number: seen[number] if number < LONG else later.looked_at(number - LONG),
    )


def _read_by_columns(
    transaction: Transaction,
    where: Range,
    filters: Sequence[Expression],
    limit: int | None,
    *,
    continued: bool = False,
) -> Reading:
    selection = transaction.select(*where, continued=continued)
    assert selection is not None, "a table that does not exist is not long"
    places = _matching(transaction, selection, filters, limit)
    consumed = _consumed(places, limit)
    transaction.consume(selection, consumed)
    documents: list[Any] = selection.documents(places)
    rows = len(selection) if consumed is None else consumed
    return Reading(documents, rows, consumed is None, selection.document)


def count_filtered(transaction: Transaction, where: Range, filters: Sequence[Expression]) -> int:
    """How many documents of a range pass. None is made where the filters compile to SQL."""
    if transaction.usage.sizes_reads:
        return len(read_filtered(transaction, where, filters).documents)
    selection = transaction.select(*where)
    if selection is None:
        return 0
    number = len(_matching(transaction, selection, filters))
    transaction.consume(selection)
    return number


def read_columns(
    transaction: Transaction,
    where: Range,
    filters: Sequence[Expression],
    fields: Sequence[str] | None = None,
    limit: int | None = None,
    *,
    times: bool = False,
) -> ArrowTable:
    """The public columns of the first ``limit`` documents (all, for ``None``) of a range that pass, in its order."""
    import numpy as np

    from convex_nb.engine.reading.columnar import documents_to_arrow

    if transaction.usage.sizes_reads:
        if filters:
            documents = read_filtered(transaction, where, filters, limit).documents
        else:
            documents = transaction.read(*where, limit=limit)
        return documents_to_arrow(transaction.table_or_new(where.table), documents, fields, times=times)
    selection = transaction.select(*where)
    if selection is None:
        return documents_to_arrow(transaction.table_or_new(where.table), (), fields, times=times)
    places: Numbers | None = None
    if filters:
        places = _matching(transaction, selection, filters, limit)
    elif limit is not None and limit <= len(selection):
        places = np.arange(limit)
    transaction.consume(selection, None if places is None else _consumed(places, limit))
    return selection.to_arrow(places, fields, times=times)


def _consumed(places: Numbers, limit: int | None) -> int | None:
    """How many documents had to be looked at to find these; ``None`` for all, and the end."""
    if limit is None or len(places) < limit:
        return None
    return int(places[-1]) + 1 if limit else 0


def _matching(
    transaction: Transaction, selection: Selection, filters: Sequence[Expression], limit: int | None = None
) -> Numbers:
    try:
        return matching(selection, filters, limit)
    except FilterError:
        # The error depends on what was read, too.
        transaction.consume(selection)
        raise


def matching(selection: Selection, filters: Sequence[Expression], limit: int | None = None) -> Numbers:
    """The places of the first ``limit`` documents (all, for ``None``) that pass, ascending. Raises ``FilterError``."""
    import numpy as np

    from convex_nb.engine.sql.expressions import compile_filter, conjuncts

    conditions = conjuncts(filters)
    marked = np.ones(len(selection), np.bool_)
    undecided = np.ones(len(selection), np.bool_)
    start = 0
    for stretch in selection.stretches:
        stop = start + len(stretch)
        if stop - start > LONG:
            compiled = compile_filter(conditions, stretch.segment)
            if compiled.conditions:
                marked[start:stop] = False
                marked[start + compiled.matching(stretch.rows)] = True
            undecided[start:stop] = bool(compiled.left)
        start = stop
    places = selection.places(marked)
    return _decided(selection, places, undecided, filters, limit) if undecided.any() else places[:limit]


def _decided(
    selection: Selection,
    places: Numbers,
    undecided: NDArray[np.bool_],
    filters: Sequence[Expression],
    limit: int | None,
) -> Numbers:
    """Those of ``places`` that pass, where Python has to look at the undecided entries."""
    import numpy as np

    fields = fields_of(filters)
    found = [places[:0]]
    missing = len(places) if limit is None else limit
    for start in range(0, len(places), _CHUNK):
        chunk = places[start : start + _CHUNK]
        kept = np.ones(len(chunk), np.bool_)
        at = np.flatnonzero(undecided[selection.entries(chunk)])
        failure: FilterError | None = None
        for number, document in zip(at.tolist(), selection.documents(chunk[at], fields), strict=True):
            try:
                kept[number] = passes(filters, document)
            except FilterError as error:
                # If enough was found before it, nobody would have looked at this document.
                kept[number:] = False
                failure = error
                break
        found.append(chunk[kept][:missing])
        missing -= len(found[-1])
        if not missing:
            break
        if failure is not None:
            raise failure
    return np.concatenate(found)


def fields_of(filters: Sequence[Expression]) -> set[str]:
    """The top-level fields that the filters look at."""
    found: set[str] = set()
    for expression in filters:
        if expression.operator == "field":
            found.add(expression.operands[0].partition(".")[0])
        elif expression.operator != "literal":
            found |= fields_of(expression.operands)
    return found
