"""`ctx.db.system`: reading for everybody; and what the system itself writes its tables through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from convex_nb.engine.namespaces import managed_by
from convex_nb.engine.reading.planner import Range
from convex_nb.engine.reading.query import QueryInitializer
from convex_nb.language.values import Id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.engine.database import Database
    from convex_nb.engine.reading.reader import DatabaseReader
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

_MISSING: Any = object()


class SystemReader:
    """Reads the public system tables, with everything that `db` has for reading. They are live like any table."""

    __slots__ = ("_db",)

    def __init__(self, db: DatabaseReader) -> None:
        self._db = db

    def __repr__(self) -> str:
        return "the system tables of " + repr(self._db)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            hint = ""
            if name in ("insert", "insert_many", "patch", "replace", "delete"):
                hint = " System tables are read-only: `ctx.scheduler` and `ctx.storage` change them."
            raise AttributeError(f"db.system has no {name!r}.{hint}", name=name, obj=self)

    @overload
    def get(self, table: str, id: str, /) -> Document | None: ...
    @overload
    def get(self, id: str, /) -> Document | None: ...
    def get(self, table_or_id: str, id: str = _MISSING, /) -> Document | None:
        """The document with this id, or ``None``. Raises ``InvalidIdError`` for what is no id of a system table."""
        transaction, namespace = self._db._transaction, self._db._namespace.system
        if id is _MISSING:
            return transaction.get(table_or_id, None, namespace)
        namespace.table(table_or_id)
        return transaction.get(id, table_or_id, namespace)

    def query(self, table: str) -> QueryInitializer:
        """Start a query of a system table."""
        return QueryInitializer(self._db._transaction, Range.whole(self._db._namespace.system.table(table)))

    def normalize_id(self, table: str, text: str) -> Id | None:
        """``text`` as an id if it is one of ``table``, else ``None``. Does not look whether the document exists."""
        name = self._db._namespace.system.table(table)
        return Id(text, name) if self._db._transaction.database.register.named_by(text) == name else None


class SystemWriter:
    """Reads and writes the system's tables for a component, or for the application, in a transaction, as a part of it.

    Not for user code: by its id every document of a system table can be had, whichever component it is of.
    """

    __slots__ = ("_transaction", "namespace")

    def __init__(self, transaction: Transaction, component: str = "") -> None:
        self._transaction = transaction
        self.namespace = managed_by(component)

    @property
    def database(self) -> Database:
        """The database that it writes to."""
        return self._transaction.database

    def get(self, id: str) -> Document | None:
        """The document with this id, or ``None``."""
        return self._transaction.get(id, None, self.namespace)

    def query(self, table: str) -> QueryInitializer:
        """Start a query of a system table."""
        return QueryInitializer(self._transaction, Range.whole(self.namespace.table(table, public=False)))

    def insert(self, table: str, fields: Mapping[str, Any]) -> Id:
        """Add a document; its new id."""
        return self._transaction.insert(self.namespace.table(table, public=False), fields)

    def patch(self, id: str, fields: Mapping[str, Any]) -> None:
        """Merge fields into a document, shallowly. Raises ``DocumentNotFoundError``."""
        self._transaction.patch(id, fields, None, self.namespace)

    def delete(self, id: str) -> None:
        """Remove a document. Raises ``DocumentNotFoundError``."""
        self._transaction.delete(id, None, self.namespace)
