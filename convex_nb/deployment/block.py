"""A transaction as a `with` block."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

from convex_nb.engine.reading.reader import DatabaseWriter
from convex_nb.functions.execution import ENDED
from convex_nb.language.errors import ReadOnlyError

if TYPE_CHECKING:
    from convex_nb.engine.transaction import Transaction

SOURCE: Final = "transaction"
"""What others that conflict with a block are told."""


class Committing(Protocol):
    """What a block needs of a deployment."""

    def begin_block(self) -> Transaction: ...
    def commit_block(self, transaction: Transaction) -> None: ...


class TransactionBlock:
    """`with dep.transaction() as db:`; what it wrote is committed when the block ends, and nothing if it raises.

    It runs once. Several may be open at the same time. Raises `WriteConflictError` at its end if what it read has
    been changed meanwhile.
    """

    def __init__(self, deployment: Committing) -> None:
        self._deployment = deployment
        self._transaction: Transaction | None = None
        self._db: DatabaseWriter | None = None

    def __enter__(self) -> DatabaseWriter:
        if self._transaction is not None:
            raise ReadOnlyError("This transaction has been used: a new block needs a new `dep.transaction()`.")
        self._transaction = self._deployment.begin_block()
        self._db = DatabaseWriter(self._transaction)
        return self._db

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._transaction is not None
        assert self._db is not None
        self._db._transaction = ENDED
        self._transaction.over = True
        if error is None:
            self._deployment.commit_block(self._transaction)
        elif isinstance(error, Exception):
            error.add_note("Nothing was written.")
