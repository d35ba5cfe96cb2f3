"""Queries as user code writes them: a table, an index range, filters, an order, and then a read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from convex_nb.engine.indexes.index_range import Bound, RangeFunction, collect_bounds, key_interval
from convex_nb.engine.reading.explanation import Explanation, as_it_went, explain, record, recorded
from convex_nb.engine.reading.filters import Expression, FilterBuilder, build_filter
from convex_nb.engine.reading.pagination import Page, Source, page_options, paginate
from convex_nb.engine.reading.planner import Range, count_filtered, passes, read_columns, read_filtered
from convex_nb.engine.reading.reading_calls import check_columns, check_number, only_document
from convex_nb.engine.search.upkeep import search_definitions
from convex_nb.language.errors import IndexNotFoundError, InvalidValueError
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from convex_nb.engine.reading.search_query import SearchQuery
    from convex_nb.engine.search.text_search import TextFunction
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

T = TypeVar("T")
_INSTEAD: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("where", "filterby"), ' Filter with .filter(lambda q: q.field("n") > 2), or read a range of an index.'
    ),
    **dict.fromkeys(
        ("sort", "sortby", "orderby"), ' A query has the order of its index: .with_index(name).order("desc").'
    ),
    **dict.fromkeys(("limit", "head"), " The first n documents are .take(n)."),
    **dict.fromkeys(("all", "tolist", "fetchall", "run", "execute"), " All documents are .collect()."),
    **dict.fromkeys(("topandas", "dataframe"), " A DataFrame of it is .df()."),
    "withindex": " In Python it is .with_index(name, lambda q: ...).",
    **dict.fromkeys(
        ("withsearchindex", "search"), " Text is searched by .with_search_index(name, lambda q: q.search(field, text))."
    ),
    "fulltablescan": " In Python it is .full_table_scan().",
    "size": " How many there are is .count().",
}
"""By names that other libraries, or other languages, have."""
_FIRST: Final = ("with_index", "with_search_index", "full_table_scan")
_BEFORE: Final = " What it reads is said once, before its order: db.query(table).with_index(...).order(...)."


class OrderedQuery:
    """A query whose order is settled. Nothing is read before one of the reading methods is called."""

    __slots__ = ("_bounds", "_filters", "_range", "_transaction")

    def __init__(
        self,
        transaction: Transaction,
        range: Range,
        bounds: tuple[Bound, ...] = (),
        filters: tuple[Expression, ...] = (),
    ) -> None:
        self._transaction = transaction
        self._range = range
        # The range as it was written.
        self._bounds = bounds
        self._filters = filters

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            hint = _BEFORE if name in _FIRST else _INSTEAD.get(name.lower().replace("_", ""), "")
            if not hint and (
                near := get_close_matches(name, [each for each in dir(type(self)) if each[0] != "_"], n=1)
            ):
                hint = f" Did you mean .{near[0]}?"
            # Without its `obj`, from which Python would make a suggestion of its own.
            raise AttributeError(f"A query has no {name!r}.{hint}", name=name)

    def __repr__(self) -> str:
        calls = "".join([f".{bound.operator}({bound.field!r}, {bound.value!r})" for bound in self._bounds])
        bounds = f", lambda q: q{calls}" if calls else ""
        text = f"query({self._range.table!r}).with_index({self._range.index_name!r}{bounds})"
        text += "".join([f".filter(lambda q: {expression!r})" for expression in self._filters])
        return text + (".order('desc')" if self._range.reverse else "")

    def filter(self, predicate: Callable[[FilterBuilder], Any]) -> Self:
        """Keep the documents for which the expression is true; several filters must all hold.

        A document that is filtered out was read all the same: it counts for limits and for what the query depends on.
        """
        limit = self._transaction.database.limits.query_operators
        used = sum([expression.size for expression in self._filters])
        filters = (*self._filters, build_filter(predicate, limit=limit, used=used))
        return type(self)(self._transaction, self._range, self._bounds, filters)

    def order(self, direction: str) -> OrderedQuery:
        """An order can be given once: this raises ``InvalidValueError``."""
        raise InvalidValueError(
            f"This query is ordered already, .order({direction!r}) cannot be added: order a query once.",
            value=direction,
        )

    def collect(self) -> list[Document]:
        """All documents, in order. Costs about a microsecond a document."""
        return self._read(self._collect, "collect")

    def _collect(self) -> list[Document]:
        if self._filters:
            return read_filtered(self._transaction, self._range, self._filters).documents
        return self._transaction.read(*self._range)

    def take(self, n: int) -> list[Document]:
        """The first ``n`` documents that pass the filters; later ones are not read."""
        check_number("take(n)", n)
        return self._read(lambda: self._take(n), "take", n)

    def _take(self, n: int) -> list[Document]:
        if not self._filters:
            return self._transaction.read(*self._range, limit=n)
        return read_filtered(self._transaction, self._range, self._filters, n).documents if n else []

    def first(self) -> Document | None:
        """The first document, or ``None``."""
        documents = self._read(lambda: self._take(1), "first")
        return documents[0] if documents else None

    def unique(self) -> Document | None:
        """The only document, or ``None``. Raises ``NotUniqueError`` if there is a second one."""
        return only_document(self._range.table, self._read(lambda: self._take(2), "unique"))

    def count(self) -> int:
        """How many documents there are; none is made. Costs O(log documents), with filters O(documents)."""
        return self._read(self._count, "count")

    def _count(self) -> int:
        if self._filters:
            return count_filtered(self._transaction, self._range, self._filters)
        return self._transaction.count(*self._range[:4])

    def arrow(self, *, fields: Sequence[str] | None = None, limit: int | None = None) -> pyarrow.Table:
        """The documents, or the first ``limit`` of them, as an Arrow table in the query's order; none is made.

        A column for each field that the schema declares or some document has (or for each of ``fields``): text, bytes,
        booleans, ``int64`` where all numbers are whole, else ``float64``, lists and structs of these; JSON text where
        values are of several types. Missing and null are both null. ``_creationTime`` is a ``float64`` of
        milliseconds. Flat columns are shared with the storage where possible.
        """
        return self._columns("arrow", fields, limit, times=False)

    def df(self, *, fields: Sequence[str] | None = None, limit: int | None = None) -> pandas.DataFrame:
        """The same as a DataFrame, in which ``_creationTime`` is a UTC timestamp.

        Whole numbers and booleans that some documents lack have pandas' nullable types.
        """
        from convex_nb.engine.reading.columnar import to_frame

        return to_frame(self._columns("df", fields, limit, times=True))

    def _columns(self, call: str, fields: Sequence[str] | None, limit: int | None, *, times: bool) -> pyarrow.Table:
        check_columns(call, fields, limit)
        return self._read(
            lambda: read_columns(self._transaction, self._range, self._filters, fields, limit, times=times), call
        )

    def explain(self) -> Explanation:
        """How ``collect`` would read this: the range, what DuckDB does and what Python, and why. Reads no document."""
        return explain(self._transaction, self._range, self._bounds, self._filters)

    def paginate(
        self,
        options: int | Mapping[str, Any] | None = None,
        /,
        cursor: str | None = None,
        *,
        num_items: int | None = None,
    ) -> Page:
        """One page: ``paginate(num_items=20, cursor=None)``, or ``paginate(opts)`` with the wire's ``paginationOpts``.

        The result has ``page``, ``isDone`` and ``continueCursor``, from which the next page goes on. A page may be
        shorter than asked for: only ``isDone`` says that nothing follows. Raises ``InvalidCursorError``.
        """
        chosen = page_options(num_items if options is None else options, cursor)
        state = self._transaction.table_or_new(self._range.table)
        index = state.indexes[state.position(self._range.index_name)]
        source = Source(self._range, self._filters, index.fields, index.key_of)
        return self._read(lambda: paginate(self._transaction, source, chosen), "paginate", chosen.num_items)

    def __iter__(self) -> Iterator[Document]:
        """One document after another; what is not asked for is not read."""
        self._transaction.check_going_on()
        plans = recorded.get()
        if plans is None:
            yield from self._iterate()
            return
        usage = self._transaction.usage
        planned, before = self.explain(), usage.documents_read
        try:
            yield from self._iterate()
        finally:
            plans.append(as_it_went(planned, "for", usage.documents_read - before))

    def _iterate(self) -> Iterator[Document]:
        filters = self._filters
        with closing(self._transaction.scan(*self._range)) as scan:
            for document in scan:
                if passes(filters, document):
                    yield document

    def _read(self, read: Callable[[], T], method: str, *arguments: object) -> T:
        """What ``read`` gives; where somebody wants to know how, that is recorded."""
        self._transaction.check_going_on()
        plans = recorded.get()
        if plans is None:
            return read()
        return record(
            plans, self.explain(), f"{method}({', '.join(map(repr, arguments))})", read, self._transaction.usage
        )


class Query(OrderedQuery):
    """A query that may still be ordered."""

    __slots__ = ()

    def order(self, direction: str) -> OrderedQuery:
        """Read in ascending (``"asc"``, the default) or descending (``"desc"``) order of the index."""
        if direction not in ("asc", "desc"):
            raise InvalidValueError(f'order() takes "asc" or "desc", got {direction!r}.', value=direction)
        range = self._range
        if (direction == "desc") is not range.reverse:
            range = Range(range.table, range.index_name, range.lo, range.hi, not range.reverse)
        return OrderedQuery(self._transaction, range, self._bounds, self._filters)


class QueryInitializer(Query):
    """A query of a whole table in creation order, until an index is chosen."""

    __slots__ = ()

    def full_table_scan(self) -> Query:
        """The whole table in creation order: what is read when no index is chosen."""
        return Query(self._transaction, self._range, filters=self._filters)

    def with_index(self, index: str, range_function: RangeFunction | None = None, /, **equalities: Any) -> Query:
        """Read an index, in its order, all of it or a range of it.

        The range is ``lambda q: q.eq("channel", c).gt("_creationTime", t)`` or, for equalities, ``channel=c``.
        Raises ``IndexNotFoundError`` and ``IndexRangeError``.
        """
        transaction = self._transaction
        table = self._range.table
        state = transaction.table_or_new(table)
        definition = state.definition
        if definition is not None and any(each.staged and each.name == index for each in definition.indexes):
            raise IndexNotFoundError(table, index, staged=True)
        if any(each.name == index for each in search_definitions(definition)):
            raise IndexNotFoundError(table, index, kind="searched")
        fields = state.indexes[state.position(index)].fields
        bounds = collect_bounds(table, index, range_function, equalities)
        lo, hi = key_interval(table, index, fields, bounds) if bounds else (MIN_KEY, MAX_KEY)
        return Query(transaction, Range(table, index, lo, hi, False), bounds, self._filters)

    def with_search_index(self, index: str, search_function: TextFunction, /) -> SearchQuery:
        """Search text: ``with_search_index(name, lambda q: q.search("body", text).eq("channel", c))``.

        Documents that have one of the words, best first; the last word may be the beginning of one. Raises
        ``SearchError``, ``IndexNotFoundError`` and ``LimitError``.
        """
        from convex_nb.engine.reading.search_query import SearchQuery
        from convex_nb.engine.search.text_search import text_search

        transaction = self._transaction
        state = transaction.table_or_new(self._range.table)
        search = text_search(state, index, search_function, transaction.database.limits)
        return SearchQuery(transaction, search, self._filters)
