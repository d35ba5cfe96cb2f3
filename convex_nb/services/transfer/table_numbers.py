"""The numbers that ids carry: a table takes over those of the ids that it is given, so that they stay what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from convex_nb.engine.interrupts import deferred
from convex_nb.engine.system_tables import SYSTEM_TABLES
from convex_nb.language.errors import InvalidIdError
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.transaction import Transaction

SOURCE = "import"
"""What others that conflict with an import are told."""


class TableNumbers:
    """Which table has which number once an import is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables = dict(database.table_names)
        self._changed: dict[str, int] = {}

    @property
    def names(self) -> Mapping[int, str]:
        """The tables by their numbers, for validators."""
        return self._tables

    def number(self, table: str) -> int | None:
        """The number of a table; ``None`` for one that has none yet."""
        return next((number for number, name in self._tables.items() if name == table), None)

    def is_free(self, transaction: Transaction, number: int) -> bool:
        """Whether no table with documents has this number."""
        owner = self._tables.get(number)
        return owner is None or not self._is_in_use(transaction, owner)

    def claim(self, transaction: Transaction, table: str, number: int) -> None:
        """Give a table this number: one that has documents only if it has it already.

        A table without documents that has it now gets another one. Raises `InvalidIdError` if a table with documents
        has it.
        """
        state = transaction.table(table)
        if self._tables.get(number) == table and (state is None or state.number == number):
            return
        owner = self._tables.get(number, table)
        if (state is not None and len(state)) or (owner != table and self._is_in_use(transaction, owner)):
            raise self._refused(table, number, owner)
        self._database.register.take(number)
        if owner != table:
            self._tables.pop(number)
            if transaction.table(owner) is not None:
                self._move(transaction, owner, self._database.register.unused_number())
        self._move(transaction, table, number)

    def check(self, table: str, number: int) -> None:
        """Raise `InvalidIdError` if documents of a table carry another number than it has."""
        if self._tables.get(number) != table:
            raise self._refused(table, number, self._tables.get(number, table))

    def _is_in_use(self, transaction: Transaction, table: str) -> bool:
        state = transaction.table(table)
        return table in SYSTEM_TABLES or (state is not None and len(state) > 0)

    def _refused(self, table: str, number: int, owner: str) -> InvalidIdError:
        whose = f'of "{owner}"' if owner != table else "of another table than the documents that are there"
        return InvalidIdError(
            f'The ids for "{table}" carry the table number {number}, which makes them ids {whose}: nothing was '
            "imported. Import into a new deployment, or replace all tables, or leave `_id` out to get new ids.",
            id=str(number),
            table=table,
        )

    def _move(self, transaction: Transaction, table: str, number: int) -> None:
        transaction.recreate(table, number)
        self._tables = {each: name for each, name in self._tables.items() if name != table}
        self._tables[number] = table
        self._changed[table] = number

    def commit(self, transaction: Transaction) -> None:
        """Commit an import. Raises `Conflict`."""
        with deferred:
            self._database.commit(transaction, SOURCE)
            for table, number in self._changed.items():
                self._database.register.remember(table, number)


def document_count(transaction: Transaction, table: str) -> int:
    """How many documents a table has; a commit conflicts if that changes meanwhile."""
    return transaction.count(table, "by_creation_time", MIN_KEY, MAX_KEY)
