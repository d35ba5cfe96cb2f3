"""Saving a deployment to PostgreSQL, where it goes on and can be shared from then on."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.files.moving import Move
from convex_nb.engine.postgres.address import Address, driver
from convex_nb.engine.postgres.copies import SharedCopies
from convex_nb.engine.postgres.opening import shared_log
from convex_nb.engine.postgres.postgres_chunks import PostgresChunks
from convex_nb.engine.postgres.postgres_errors import refusal, talking
from convex_nb.engine.postgres.session import PATIENCE_SECONDS
from convex_nb.engine.postgres.store import PostgresStore
from convex_nb.engine.postgres.tables import LOCK, create_tables
from convex_nb.engine.steps import finished
from convex_nb.engine.wal.checkpoint import Checkpoint, write_checkpoint
from convex_nb.engine.wal.milestones import Milestones
from convex_nb.language.errors import CommitInDoubtError, StorageError

if TYPE_CHECKING:
    import psycopg

    from convex_nb.engine.database import Database
    from convex_nb.engine.postgres.postgres_log import PostgresLog
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.wal.storage_file import Durability

_PURPOSE: Final = "save to PostgreSQL"
_PAUSE: Final = 0.2


def save_shared_database(database: Database, uri: str, kernel: str, *, durability: Durability = "full") -> None:
    """Write a database to PostgreSQL, where there is none yet, and go on there as ``kernel``.

    All of it is one transaction of the server's: others see it complete, or not at all. Commits go on meanwhile and
    wait only for the end. Raises ``InvalidValueError``, ``StorageExistsError``, ``StorageError`` and
    ``MissingDependencyError``; the database stays where it was then.
    """
    address = Address(uri)
    before = database.log
    try:
        connection = address.connect()
    except driver().Error as error:
        raise refusal(address, _PURPOSE, error) from None
    store = PostgresStore(address, connection, lasts=False)
    try:
        with talking(address, _PURPOSE):
            log = _save(database, store, connection, kernel, durability)
    except BaseException:
        store.close()
        raise
    before.close()
    with suppress(StorageError):
        # Otherwise whoever follows the others does so, with its first word.
        log.begin()


def _save(
    database: Database, store: PostgresStore, connection: psycopg.Connection[Any], kernel: str, durability: Durability
) -> PostgresLog:
    copies = SharedCopies(store)
    retention = database.history.retention
    root = {"file": secrets.token_hex(16), **Milestones.beginning(database.head.timestamp).root()}

    def checkpoint_of(head: Snapshot) -> Generator[None, None, Checkpoint]:
        beginning = Milestones.beginning(head.timestamp)
        return write_checkpoint(store, copies, root, beginning, head, database.mint.last_creation_time)

    connection.execute("begin")
    create_tables(connection, store.address, root, retention)
    finished(checkpoint_of(database.head))
    chunks = PostgresChunks(store)
    files = Move(database, chunks)
    files.copy()

    logs: list[PostgresLog] = []

    def finish(head: Snapshot) -> PostgresLog:
        checkpoint = finished(checkpoint_of(head))
        # Whoever finds the deployment there finds that this kernel has it open, and that its jobs go on.
        connection.execute("insert into convex_nb_kernel (name, seen) values (%s, clock_timestamp())", (kernel,))
        with files.rest(head):
            _commit(store.address, connection, root["file"])
            store.lasts = True
            files.finish(chunks)
        logs.append(shared_log(database, store, copies, checkpoint, kernel, durability, retention))
        return logs[0]

    # The first checkpoint has nearly everything; commits wait only for what came since.
    database.committer.change_log(finish)
    return logs[0]


def _commit(address: Address, connection: psycopg.Connection[Any], file: str) -> None:
    """End the transaction. Where the connection is lost with it, it is looked whether the server has done so."""
    try:
        connection.execute("commit")
    except driver().OperationalError as error:
        if not connection.closed:
            raise
        if not _is_there(address, file):
            raise refusal(address, _PURPOSE, error) from None


def _is_there(address: Address, file: str) -> bool:
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        with suppress(driver().OperationalError), address.connect() as connection:
            # Until the server knows that the connection is lost it may go on to commit: whoever creates has this lock.
            connection.execute("select pg_advisory_lock(%s, 1)", (LOCK,))
            if connection.execute("select to_regclass('convex_nb_root')").fetchone() == (None,):
                return False
            # Somebody else may have begun a deployment there since.
            row = connection.execute("select data::json ->> 'file' from convex_nb_root").fetchone()
            return row == (file,)
        if monotonic() > deadline:
            raise CommitInDoubtError(
                f"The connection to {address.text} was lost at the very end of saving, and it could not be found out "
                f"in {PATIENCE_SECONDS:.0f} seconds whether everything arrived. This deployment goes on where it was. "
                "Look whether there is one in that place before you save again.",
                path=address.text,
            )
        sleep(_PAUSE)
