"""The tables of a deployment in PostgreSQL, created in the first schema of the search path, and their format.

``convex_nb_root`` has one row, where everything begins; ``convex_nb_head`` has one, the position of the log's newest
record, which whoever appends moves. ``convex_nb_log`` has the commits. ``convex_nb_chunk`` has what is larger, and
checkpoints; ``convex_nb_file`` the bytes of files; ``convex_nb_kernel`` who is there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from convex_nb.language.errors import StorageError, StorageExistsError, StorageVersionError

if TYPE_CHECKING:
    import psycopg

    from convex_nb.engine.postgres.address import Address

FORMAT: Final = 1
"""The version of what this module describes. A newer one is refused; `UPGRADES` is to lead from older ones."""

UPGRADES: Final[dict[int, str]] = {}
"""What brings the tables from a format to the next one. There is no older one yet."""

LOCK: Final = 0x434E4244
"""The class of this package's advisory locks: with 1, for whoever creates or upgrades; with 2, for upkeep."""

_TABLES: Final = """
create table convex_nb_root (
    only_one boolean primary key default true check (only_one), format integer not null, retention bigint not null,
    data text not null
);
create table convex_nb_head (position bigint not null);
create table convex_nb_log (
    position bigint primary key, timestamp bigint not null, kernel text not null, blobs bigint[] not null,
    data bytea not null
);
create table convex_nb_chunk (
    number bigint, place integer, written timestamptz not null default now(), data bytea not null,
    primary key (number, place)
);
create table convex_nb_file (
    number bigint, place integer, written timestamptz not null default now(), data bytea not null,
    primary key (number, place)
);
create table convex_nb_kernel (name text primary key, seen timestamptz not null default now());
create sequence convex_nb_blob;
alter table convex_nb_chunk alter column data set storage external;
alter table convex_nb_file alter column data set storage external;
insert into convex_nb_head values (0);
"""


def prepare_tables(
    connection: psycopg.Connection[Any], address: Address, root: dict[str, Any], retention: int, *, read_only: bool
) -> None:
    """Create what is missing, or upgrade it. Raises ``StorageVersionError``, ``StorageError``, ``psycopg.Error``."""
    version = _format(connection)
    if version is None and read_only:
        raise StorageError(
            f"There is no deployment in {address.text}: nothing was opened. Open it for writing to begin one.",
            path=address.text,
        )
    if (version is None or version < FORMAT) and not read_only:
        # Two kernels may begin at once: the second one finds everything there. A transaction that had begun before
        # would not, for it may remember that there is no such table.
        connection.execute("select pg_advisory_lock(%s, 1)", (LOCK,))
        try:
            with connection.transaction():
                version = _create_or_upgrade(connection, root, retention)
        finally:
            connection.execute("select pg_advisory_unlock(%s, 1)", (LOCK,))
    if version != FORMAT:
        newer = version is not None and version > FORMAT
        raise StorageVersionError(
            f"{address.text} has a deployment of {'a newer' if newer else 'an older'} convex_nb: its format is "
            f"{version}, and this one reads {FORMAT}. Nothing was changed. "
            + ("Install the newer version." if newer else "Open it for writing once, which brings it up to date."),
            path=address.text,
            version=version or 0,
            newest=FORMAT,
        )


def _create_or_upgrade(connection: psycopg.Connection[Any], root: dict[str, Any], retention: int) -> int:
    version = _format(connection)
    if version is None:
        _create(connection, root, retention)
        return FORMAT
    for older in range(version, FORMAT):
        connection.execute(UPGRADES[older])
        connection.execute("update convex_nb_root set format = %s", (older + 1,))
    return max(version, FORMAT)


def create_tables(connection: psycopg.Connection[Any], address: Address, root: dict[str, Any], retention: int) -> None:
    """Create them inside a transaction; whoever opens the deployment waits for its end. Raises ``StorageExistsError``
    and ``psycopg.Error``."""
    connection.execute("select pg_advisory_xact_lock(%s, 1)", (LOCK,))
    if _format(connection) is not None:
        raise StorageExistsError(
            f"There is a deployment in {address.text} already, and it was left as it is. Save to another database, or "
            "to another schema of this one, `?options=-csearch_path%3Dname`; or open the one that is there.",
            path=address.text,
        )
    _create(connection, root, retention)


def _create(connection: psycopg.Connection[Any], root: dict[str, Any], retention: int) -> None:
    connection.execute(_TABLES)
    connection.execute(
        "insert into convex_nb_root (format, retention, data) values (%s, %s, %s)",
        (FORMAT, retention, json.dumps(root)),
    )


def _format(connection: psycopg.Connection[Any]) -> int | None:
    if connection.execute("select to_regclass('convex_nb_root')").fetchone() == (None,):
        return None
    row = connection.execute("select format from convex_nb_root").fetchone()
    return None if row is None else int(row[0])
