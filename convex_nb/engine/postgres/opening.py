"""Opening a deployment that lives in PostgreSQL, begun if there is none."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from convex_nb.engine.database import Database, SystemClock
from convex_nb.engine.history import DEFAULT_RETENTION_NS
from convex_nb.engine.postgres.address import Address, driver
from convex_nb.engine.postgres.copies import SharedCopies
from convex_nb.engine.postgres.postgres_archive import PostgresArchive
from convex_nb.engine.postgres.postgres_chunks import PostgresChunks
from convex_nb.engine.postgres.postgres_errors import refusal, refusing_damage
from convex_nb.engine.postgres.postgres_log import PostgresLog
from convex_nb.engine.postgres.presence import Presence
from convex_nb.engine.postgres.session import Session
from convex_nb.engine.postgres.store import PostgresStore
from convex_nb.engine.postgres.tables import prepare_tables
from convex_nb.engine.postgres.upkeep import Upkeep
from convex_nb.engine.wal.checkpoint import Checkpoint
from convex_nb.engine.wal.kernels import new_kernel_name
from convex_nb.engine.wal.milestones import Milestones
from convex_nb.engine.wal.recovery import Recovery
from convex_nb.engine.wal.staging import Staging
from convex_nb.language.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convex_nb.engine.database import Clock
    from convex_nb.engine.wal.protocol import LoggedEntry
    from convex_nb.engine.wal.storage_file import Durability


def open_shared_database(
    uri: str,
    *,
    durability: Durability = "full",
    read_only: bool = False,
    retention: int | None = None,
    clock: Clock | None = None,
    **options: Any,
) -> Database:
    """The database of a deployment in PostgreSQL, begun if there is none; ``options`` are those of `Database`.

    ``retention`` becomes the deployment's own; without it that is what holds. Raises ``InvalidValueError``,
    ``StorageError``, ``StorageVersionError``, ``StorageCorruptError`` and ``MissingDependencyError``. Costs what
    reading its documents' bytes costs, and replaying the log.
    """
    address = Address(uri)
    beginning = Milestones.beginning((clock or SystemClock()).now_ns())
    root = {"file": secrets.token_hex(16), **beginning.root()}
    try:
        store = PostgresStore(address, address.connect())
    except driver().Error as error:
        raise refusal(address, "open it", error) from None
    try:
        with store.connected("open it") as connection:
            kept = DEFAULT_RETENTION_NS if retention is None else retention
            prepare_tables(connection, address, root, kept, read_only=read_only)
            if not read_only:
                _check_privileges(store)
                if retention is not None:
                    connection.execute("update convex_nb_root set retention = %s", (retention,))
            row = connection.execute("select retention from convex_nb_root").fetchone()
            kept = kept if row is None or retention is not None else int(row[0])
        return _open(store, durability, kept, clock, options, read_only=read_only)
    except BaseException:
        store.close()
        raise


def _open(
    store: PostgresStore,
    durability: Durability,
    retention: int,
    clock: Clock | None,
    options: dict[str, Any],
    *,
    read_only: bool,
) -> Database:
    address = store.address
    copies = SharedCopies(store)
    with refusing_damage(address), store.one_state():
        recovery = Recovery(store, copies)
        first, creation_time = recovery.first()
        database = Database(clock=clock, retention=retention, first=first, creation_time=creation_time, **options)
        recovery.replay(database)
    checkpoint = Checkpoint(recovery.root, recovery.milestones)
    log = shared_log(
        database,
        store,
        copies,
        checkpoint,
        new_kernel_name(),
        durability,
        retention,
        recovery.entries,
        recovery.logged_bytes,
        read_only=read_only,
    )
    try:
        log.begin()
        database.committer.change_log(lambda _: log)
    except BaseException:
        log.close()
        raise
    database.files.chunks = PostgresChunks(store, read_only=read_only)
    return database


def shared_log(
    database: Database,
    store: PostgresStore,
    copies: SharedCopies,
    checkpoint: Checkpoint,
    kernel: str,
    durability: Durability,
    retention: int,
    entries: Sequence[LoggedEntry] = (),
    logged_bytes: int = 0,
    *,
    read_only: bool = False,
) -> PostgresLog:
    """The log after a checkpoint and ``entries``."""
    address, file = store.address, checkpoint.root["file"]
    channel = f"convex_nb_{file}"
    staging = Staging(store, copies)
    return PostgresLog(
        database,
        kernel,
        Session(address, channel, kernel, relaxed=durability == "relaxed"),
        Presence(address, channel, kernel, silent=read_only),
        store,
        copies,
        staging,
        Upkeep(address, copies, staging, checkpoint, retention, entries, logged_bytes),
        PostgresArchive(address, file, copies, checkpoint.milestones.oldest.timestamp),
        (entries[-1] if entries else checkpoint.milestones.newest).position,
        read_only=read_only,
    )


def _check_privileges(store: PostgresStore) -> None:
    """A role that may only read is told so now, and not by its first commit."""
    with store.connected("open it") as connection:
        row = connection.execute(
            "select pg_is_in_recovery(), current_user, bool_and(has_table_privilege(name, 'insert, update, delete')) "
            "from unnest(%s::text[]) name",
            ([f"convex_nb_{name}" for name in ("root", "head", "log", "chunk", "file", "kernel")],),
        ).fetchone()
    assert row is not None
    standby, role, may_write = row
    if standby or not may_write:
        reason = "the server is a standby" if standby else f"the role {role} may not write its tables"
        raise StorageError(
            f"Could not open {store.address.text} for writing: {reason}. Nothing was opened. `read_only=True` looks at "
            "it, and follows what others commit.",
            path=store.address.text,
        )
