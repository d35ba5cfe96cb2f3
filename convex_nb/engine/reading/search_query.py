"""Text searches as user code reads them: the best document first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from convex_nb.engine.reading.explanation import recorded
from convex_nb.engine.reading.filters import Expression, FilterBuilder, build_filter
from convex_nb.engine.reading.pagination import Page, page_options
from convex_nb.engine.reading.planner import passes
from convex_nb.engine.reading.reading_calls import check_columns, check_number, only_document
from convex_nb.language.errors import LimitError

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from convex_nb.engine.reading.search_explanation import SearchExplanation
    from convex_nb.engine.search.ranking import Hit, Ranking
    from convex_nb.engine.search.text_search import TextSearch
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

T = TypeVar("T")


class SearchQuery:
    """A text search. Nothing is read before one of the reading methods is called.

    It has the order of relevance and no other: best first; of equally good documents the newest. Reading one costs a
    few passes over what is indexed under its words, and looks at ``limits.search_results`` documents at most.
    """

    __slots__ = ("_filters", "_search", "_transaction")

    def __init__(self, transaction: Transaction, search: TextSearch, filters: tuple[Expression, ...] = ()) -> None:
        self._transaction = transaction
        self._search = search
        self._filters = filters

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            hint = ""
            if name == "order":
                hint = " It is ordered by relevance."
            elif name == "count":
                hint = " How many documents match is in .explain()."
            elif name == "with_index":
                hint = " A search reads its own index: other conditions are .eq(...) of the search, or .filter(...)."
            raise AttributeError(f"A search has no {name!r}.{hint}", name=name, obj=self)

    def __repr__(self) -> str:
        text = f"query({self._search.table!r}).with_search_index({self._search.definition.name!r}, lambda q: "
        text += f"{self._search.written!r})"
        return text + "".join([f".filter(lambda q: {expression!r})" for expression in self._filters])

    def filter(self, predicate: Callable[[FilterBuilder], Any]) -> SearchQuery:
        """Keep the documents for which the expression is true; several filters must all hold.

        A document that is filtered out was read all the same. A condition on a filter field of the index is better
        said by ``.eq`` of the search: then documents that do not meet it are not even looked at.
        """
        limit = self._transaction.database.limits.query_operators
        used = sum([expression.size for expression in self._filters])
        filters = (*self._filters, build_filter(predicate, limit=limit, used=used))
        return type(self)(self._transaction, self._search, filters)

    def collect(self) -> list[Document]:
        """All documents. Raises ``LimitError`` where there are more than ``limits.search_results`` (1024)."""
        return self._reading("collect()", lambda: list(self._passing()))

    def take(self, n: int) -> list[Document]:
        """The first ``n`` documents that pass the filters."""
        check_number("take(n)", n)
        return self._reading(f"take({n})", lambda: self._take(n))

    def first(self) -> Document | None:
        """The best document, or ``None``."""
        documents = self._reading("first()", lambda: self._take(1))
        return documents[0] if documents else None

    def unique(self) -> Document | None:
        """The only document, or ``None``. Raises ``NotUniqueError`` if there is a second one."""
        return only_document(self._search.table, self._reading("unique()", lambda: self._take(2)))

    def __iter__(self) -> Iterator[Document]:
        """One document after another."""
        return self._reading("for", self._passing)

    def arrow(self, *, fields: Sequence[str] | None = None, limit: int | None = None) -> pyarrow.Table:
        """The documents, or the first ``limit`` of them, as an Arrow table, best first: see ``arrow`` of a query."""
        return self._columns("arrow", fields, limit, times=False)

    def df(self, *, fields: Sequence[str] | None = None, limit: int | None = None) -> pandas.DataFrame:
        """The same as a DataFrame, in which ``_creationTime`` is a UTC timestamp."""
        from convex_nb.engine.reading.columnar import to_frame

        return to_frame(self._columns("df", fields, limit, times=True))

    def paginate(
        self,
        options: int | Mapping[str, Any] | None = None,
        /,
        cursor: str | None = None,
        *,
        num_items: int | None = None,
    ) -> Page:
        """One page: ``paginate(num_items=20, cursor=None)``, or ``paginate(opts)`` with the wire's ``paginationOpts``.

        As ``paginate`` of a query, in the order of relevance: a page begins behind the last document of the one
        before, wherever that stands by now. Raises ``InvalidCursorError``.
        """
        from convex_nb.engine.reading.search_pages import paginate_search

        chosen = page_options(num_items if options is None else options, cursor)
        return self._reading(
            f"paginate({chosen.num_items})",
            lambda: paginate_search(self._transaction, self._search, self._filters, chosen, self._rank()),
        )

    def explain(self) -> SearchExplanation:
        """What is looked for: the terms and what each counts, how many documents match, the best ten and why."""
        from convex_nb.engine.reading.search_explanation import explain_search

        return explain_search(self._rank(), self._filters)

    def _rank(self) -> Ranking:
        from convex_nb.engine.search.ranking import Ranking

        transaction, search = self._transaction, self._search
        transaction.usage.add_range()
        transaction.depend_on(search.intervals())
        return Ranking(transaction.table_or_new(search.table), search)

    def _take(self, n: int) -> list[Document]:
        passing = self._passing(None if self._filters else n)
        return [document for document, _ in zip(passing, range(n), strict=False)] if n else []

    def _passing(self, wanted: int | None = None) -> Iterator[Document]:
        most = self._transaction.database.limits.search_results
        hits = self._rank().hits(most + 1 if wanted is None else min(wanted, most + 1))
        return self._looked_through(hits, most)

    def _looked_through(self, hits: Sequence[Hit], most: int) -> Iterator[Document]:
        from convex_nb.engine.search.ranking import documents_in_batches

        for number, document in enumerate(documents_in_batches(hits), 1):
            if number > most:
                raise too_many(most)
            self._transaction.usage.add_read((document,), 1)
            if passes(self._filters, document):
                yield document

    def _columns(self, call: str, fields: Sequence[str] | None, limit: int | None, *, times: bool) -> pyarrow.Table:
        from convex_nb.engine.reading.columnar import documents_to_arrow

        check_columns(call, fields, limit)
        documents = self._reading(f"{call}()", lambda: list(self._passing()) if limit is None else self._take(limit))
        return documents_to_arrow(self._transaction.table_or_new(self._search.table), documents, fields, times=times)

    def _reading(self, call: str, read: Callable[[], T]) -> T:
        """What ``read`` gives; where somebody wants to know how, that is recorded."""
        self._transaction.check_going_on()
        plans = recorded.get()
        if plans is not None:
            plans.append(self.explain().of_call(call))
        return read()


def too_many(most: int) -> LimitError:
    """The error of a search that was read too far."""
    return LimitError(
        f"Search query scanned too many documents (fetched {most}). Consider using a smaller limit, paginating the "
        "query, or using a filter field to limit the number of documents pulled from the search index.",
        kind="search_results",
        limit=most,
        used=most + 1,
    )
