"""Queries as user code writes them: a table, an index range, filters, an order, and then a read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from convex_nb.engine.filters import Expression, FilterBuilder, build_filter, matches
from convex_nb.engine.index_range import RangeFunction, collect_bounds, key_interval
from convex_nb.engine.pagination import Page, Source, page_options, paginate
from convex_nb.engine.table import BY_CREATION_TIME
from convex_nb.language.errors import IndexNotFoundError, InvalidValueError, NotUniqueError
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document


class OrderedQuery:
    """A query whose order is settled. Nothing is read before one of the reading methods is called."""

    __slots__ = ("_filters", "_hi", "_index", "_lo", "_reverse", "_table", "_transaction")

    def __init__(
        self,
        transaction: Transaction,
        table: str,
        index: str = BY_CREATION_TIME,
        lo: bytes = MIN_KEY,
        hi: bytes = MAX_KEY,
        reverse: bool = False,
        filters: tuple[Expression, ...] = (),
    ) -> None:
        self._transaction = transaction
        self._table = table
        self._index = index
        self._lo = lo
        self._hi = hi
        self._reverse = reverse
        self._filters = filters

    def __repr__(self) -> str:
        text = f"query({self._table!r}).with_index({self._index!r})"
        for expression in self._filters:
            text += f".filter({expression!r})"
        return text + (".order('desc')" if self._reverse else "")

    def _state(self) -> tuple[Any, ...]:
        return (
            self._transaction,
            self._table,
            self._index,
            self._lo,
            self._hi,
            self._reverse,
            self._filters,
        )

    def filter(self, predicate: Callable[[FilterBuilder], Any]) -> Self:
        """Keep the documents for which the expression is true; several filters must all hold.

        A document that is filtered out was read all the same: it counts for limits and for what the query depends on.
        """
        limit = self._transaction.database.limits.query_operators
        query = type(self)(*self._state())
        query._filters = (*self._filters, build_filter(predicate, limit=limit))
        return query

    def order(self, direction: str) -> OrderedQuery:
        """An order can be given once: this raises ``InvalidValueError``."""
        raise InvalidValueError(
            f"This query is ordered already, .order({direction!r}) cannot be added: order a query once.",
            value=direction,
        )

    def collect(self) -> list[Document]:
        """All documents, in order. Costs about a microsecond a document."""
        if self._filters:
            return list(self)
        return self._transaction.read(self._table, self._index, self._lo, self._hi, self._reverse)

    def take(self, n: int) -> list[Document]:
        """The first ``n`` documents that pass the filters; later ones are not read."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise InvalidValueError(f"take(n) takes a whole number that is not negative, got {n!r}.", value=n)
        if not self._filters:
            return self._transaction.read(self._table, self._index, self._lo, self._hi, self._reverse, n)
        documents: list[Document] = []
        if n:
            for document in self:
                documents.append(document)
                if len(documents) == n:
                    break
        return documents

    def first(self) -> Document | None:
        """The first document, or ``None``."""
        documents = self.take(1)
        return documents[0] if documents else None

    def unique(self) -> Document | None:
        """The only document, or ``None``. Raises ``NotUniqueError`` if there is a second one."""
        documents = self.take(2)
        if len(documents) > 1:
            ids = [document["_id"] for document in documents]
            raise NotUniqueError(
                f"unique() query returned more than one result from table {self._table}: [{', '.join(ids)}]. "
                "Use first() or take(n) where several are expected.",
                table=self._table,
                document_ids=ids,
            )
        return documents[0] if documents else None

    def count(self) -> int:
        """How many documents there are. Without filters none is read: costs O(log documents)."""
        if self._filters:
            return sum([1 for _ in self])
        return self._transaction.count(self._table, self._index, self._lo, self._hi)

    def paginate(
        self,
        options: int | Mapping[str, Any] | None = None,
        /,
        *,
        num_items: int | None = None,
        cursor: str | None = None,
    ) -> Page:
        """One page: ``paginate(num_items=20, cursor=None)``, or ``paginate(opts)`` with the wire's ``paginationOpts``.

        The result has ``page``, ``isDone`` and ``continueCursor``, from which the next page goes on. A page may be
        shorter than asked for: only ``isDone`` says that nothing follows. Raises ``InvalidCursorError``.
        """
        chosen = page_options(num_items if options is None else options, cursor)
        state = self._transaction.table(self._table)
        filters = self._filters
        source = Source(
            self._table,
            self._index,
            self._lo,
            self._hi,
            self._reverse,
            None if state is None else state.indexes[state.position(self._index)].key_of,
            (lambda document: all(matches(each, document) for each in filters)) if filters else None,
            repr(filters),
        )
        return paginate(self._transaction, source, chosen)

    def __iter__(self) -> Iterator[Document]:
        """One document after another; what is not asked for is not read."""
        scan = self._transaction.scan(self._table, self._index, self._lo, self._hi, self._reverse)
        filters = self._filters
        try:
            for document in scan:
                if all(matches(expression, document) for expression in filters):
                    yield document
        finally:
            scan.close()


class Query(OrderedQuery):
    """A query that may still be ordered."""

    __slots__ = ()

    def order(self, direction: str) -> OrderedQuery:
        """Read in ascending (``"asc"``, the default) or descending (``"desc"``) order of the index."""
        if direction not in ("asc", "desc"):
            raise InvalidValueError(f'order() takes "asc" or "desc", got {direction!r}.', value=direction)
        ordered = OrderedQuery(*self._state())
        ordered._reverse = direction == "desc"
        return ordered


class QueryInitializer(Query):
    """A query of a whole table in creation order, until an index is chosen."""

    __slots__ = ()

    def full_table_scan(self) -> Query:
        """The whole table in creation order: what is read when no index is chosen."""
        return Query(*self._state())

    def with_index(self, index: str, range_function: RangeFunction | None = None, /, **equalities: Any) -> Query:
        """Read an index, in its order, all of it or a range of it.

        The range is ``lambda q: q.eq("channel", c).gt("_creationTime", t)`` or, for equalities, ``channel=c``.
        Raises ``IndexNotFoundError`` and ``IndexRangeError``.
        """
        transaction = self._transaction
        state = transaction.table(self._table)
        if state is None:
            state = transaction.database.new_table(self._table, transaction.snapshot.catalog)
        definition = state.definition
        if definition is not None and any(each.staged and each.name == index for each in definition.indexes):
            raise IndexNotFoundError(self._table, index, staged=True)
        fields = state.indexes[state.position(index)].fields
        query = Query(*self._state())
        query._index = index
        bounds = collect_bounds(self._table, index, range_function, equalities)
        if bounds:
            query._lo, query._hi = key_interval(self._table, index, fields, bounds)
        return query
