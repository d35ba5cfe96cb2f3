"""What user code sees as ``ctx.db``: reading for queries, reading and writing for mutations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from convex_nb.engine.bulk.import_frames import Frame, is_frame
from convex_nb.engine.namespaces import ROOT
from convex_nb.engine.reading.planner import Range
from convex_nb.engine.reading.query import QueryInitializer
from convex_nb.engine.reading.system_reader import SystemReader
from convex_nb.language.errors import InvalidValueError, ReadOnlyError
from convex_nb.language.values import Id

if TYPE_CHECKING:
    from convex_nb.engine.namespaces import Namespace
    from convex_nb.engine.search.vector_search import VectorFilterFunction, VectorMatches
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

_MISSING: Any = object()


class DatabaseReader:
    """Reads one snapshot, and a mutation's own writes on top of it."""

    __slots__ = ("_namespace", "_transaction")

    def __init__(self, transaction: Transaction, namespace: Namespace = ROOT) -> None:
        self._transaction = transaction
        self._namespace = namespace

    def __repr__(self) -> str:
        return f"{type(self).__name__}(at {self._transaction.snapshot.timestamp})"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in DatabaseWriter.__dict__:
                raise ReadOnlyError(
                    f"db has no {name!r}: a query only reads. Nothing was written. Write in a mutation."
                )
            raise AttributeError(f"db has no {name!r}.", name=name, obj=self)

    @overload
    def get(self, table: str, id: str, /) -> Document | None: ...
    @overload
    def get(self, id: str, /) -> Document | None: ...
    def get(self, table_or_id: str, id: str = _MISSING, /) -> Document | None:
        """The document with this id, or ``None``. Raises ``InvalidIdError`` for what is no id (of that table)."""
        if id is _MISSING:
            return self._transaction.get(table_or_id, None, self._namespace)
        return self._transaction.get(id, table_or_id, self._namespace)

    def query(self, table: str) -> QueryInitializer:
        """Start a query of a table. One that does not exist yet is empty."""
        return QueryInitializer(self._transaction, Range.whole(self._namespace.table(table)))

    def vector_search(
        self,
        table: str,
        index: str,
        *,
        vector: Sequence[float],
        limit: int = 10,
        filter: VectorFilterFunction | None = None,
    ) -> VectorMatches:
        """The ids of the ``limit`` documents whose vectors are nearest to ``vector``, and their ``_score``, -1 to 1.

        As `ctx.vector_search` of actions, at this transaction's moment; a live query runs again when a commit changes
        a document as near as the last one. Convex has no such search in queries. Raises `SearchError`.
        """
        from convex_nb.engine.search.nearness import search_in

        return search_in(self._transaction, self._namespace.table(table), index, vector, limit, filter)

    @property
    def system(self) -> SystemReader:
        """The system tables: `get`, `query` and `normalize_id`."""
        return SystemReader(self)

    def normalize_id(self, table: str, text: str) -> Id | None:
        """``text`` as an id if it is one of ``table``, else ``None``. Does not look whether the document exists."""
        name = self._namespace.table(table)
        return Id(text, name) if self._transaction.database.register.named_by(text) == name else None


class DatabaseWriter(DatabaseReader):
    """Reads and writes; all writes of a mutation become visible to others together, or not at all."""

    __slots__ = ()

    def insert(self, table: str, document: Mapping[str, Any]) -> Id:
        """Add a document; its new id. Raises ``SchemaValidationError`` and ``InvalidValueError``."""
        if not isinstance(document, Mapping):
            raise InvalidValueError(
                f"Invalid argument `value` for `db.insert`: it must be a dict, got {type(document).__name__}. "
                "Nothing was written."
            )
        return self._transaction.insert(self._namespace.table(table), document)

    def insert_many(self, table: str, documents: Iterable[Mapping[str, Any]] | Frame) -> list[Id]:
        """Add several documents, or the rows of a frame or Arrow table; their ids in the same order.

        The rows of a frame cost about a microsecond each and index, documents some tens.
        """
        if is_frame(documents):
            from convex_nb.engine.bulk.insert_frame import insert_frame

            return insert_frame(self._transaction, self._namespace.table(table), documents)
        return [self.insert(table, document) for document in documents]  # type: ignore[union-attr]

    @overload
    def patch(self, table: str, id: str, fields: Mapping[str, Any], /) -> None: ...
    @overload
    def patch(self, id: str, fields: Mapping[str, Any], /) -> None: ...
    def patch(self, first: str, second: Any, third: Any = _MISSING, /) -> None:
        """Merge fields into a document, shallowly; ``UNDEFINED`` removes one. Raises ``DocumentNotFoundError``."""
        if third is _MISSING:
            self._transaction.patch(first, second, None, self._namespace)
        else:
            self._transaction.patch(second, third, first, self._namespace)

    @overload
    def replace(self, table: str, id: str, document: Mapping[str, Any], /) -> None: ...
    @overload
    def replace(self, id: str, document: Mapping[str, Any], /) -> None: ...
    def replace(self, first: str, second: Any, third: Any = _MISSING, /) -> None:
        """Put a new content in place of a document's, system fields apart. Raises ``DocumentNotFoundError``."""
        if third is _MISSING:
            self._transaction.replace(first, second, None, self._namespace)
        else:
            self._transaction.replace(second, third, first, self._namespace)

    @overload
    def delete(self, table: str, id: str, /) -> None: ...
    @overload
    def delete(self, id: str, /) -> None: ...
    def delete(self, table_or_id: str, id: str = _MISSING, /) -> None:
        """Remove a document. Raises ``DocumentNotFoundError``."""
        if id is _MISSING:
            self._transaction.delete(table_or_id, None, self._namespace)
        else:
            self._transaction.delete(id, table_or_id, self._namespace)
