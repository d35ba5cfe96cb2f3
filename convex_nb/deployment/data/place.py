"""Where a deployment's documents are: in memory, or in a file."""

from __future__ import annotations

from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypeAlias

from convex_nb.engine.database import Database
from convex_nb.engine.history import DEFAULT_RETENTION_NS
from convex_nb.engine.postgres.address import is_address
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.database import Clock
    from convex_nb.engine.wal.repair import RepairReport
    from convex_nb.language.limits import Limits
    from convex_nb.services.backup import BackupReport

Durability: TypeAlias = Literal["full", "relaxed"]
"""`"full"`: a commit returns when it is on the disk. `"relaxed"`: sooner, and a power cut may take the last ones."""


def open_place(
    path: str | PathLike[str] | None,
    *,
    durability: Durability,
    read_only: bool,
    limits: Limits,
    retention: timedelta | None,
    clock: Clock | None,
) -> Database:
    """Return the database of a file, or an empty one in memory."""
    check_durability(durability)
    nanoseconds = None if retention is None else _nanoseconds(retention)
    if path is None:
        if read_only:
            raise InvalidValueError("open(read_only=True) needs the path of a file to look at.", value=path)
        kept = DEFAULT_RETENTION_NS if nanoseconds is None else nanoseconds
        return Database(limits=limits, retention=kept, clock=clock)
    if isinstance(path, str) and is_address(path):
        from convex_nb.engine.postgres.opening import open_shared_database

        return open_shared_database(
            path, durability=durability, read_only=read_only, limits=limits, retention=nanoseconds, clock=clock
        )
    if not isinstance(path, (str, PathLike)) or "://" in str(path):
        raise InvalidValueError(
            f"open() takes the path of a file, as in `open('app.convex')`, not {_shown(path)}.",
            value=None if "://" in str(path) else path,
        )
    from convex_nb.engine.wal.opening import open_database

    return open_database(
        path, durability=durability, read_only=read_only, limits=limits, retention=nanoseconds, clock=clock
    )


def _shown(path: object) -> str:
    """What was given for a path; of another kind of address, which may have a password, only which kind."""
    scheme, separator, _ = str(path).partition("://")
    return describe(path, 80) if not separator else f"{scheme}://...; the addresses that it takes are postgresql://..."


def _nanoseconds(retention: timedelta) -> int:
    if not isinstance(retention, timedelta) or retention < timedelta(0):
        raise InvalidValueError(
            f"retention is how far back the past is kept, a timedelta, not {describe(retention, 80)}.", value=retention
        )
    return retention // timedelta(microseconds=1) * 1000


def save_place(database: Database, path: str | PathLike[str], durability: Durability, claim: Callable[[], str]) -> None:
    """Go on in a new file, or in a PostgreSQL database as the kernel that `claim` gives the name of."""
    check_durability(durability)
    if isinstance(path, str) and is_address(path):
        from convex_nb.engine.postgres.saving import save_shared_database

        save_shared_database(database, path, claim(), durability=durability)
        return
    if "://" in str(path):
        raise InvalidValueError(f"save() takes the path of a file, not {_shown(path)}. Nothing was saved.", value=None)
    from convex_nb.engine.wal.opening import save_database

    save_database(database, path, durability=durability)


def repair_place(source: str | PathLike[str], target: str | PathLike[str]) -> RepairReport:
    """Save what verifies of a damaged file to a new one: see `convex_nb.repair`."""
    from convex_nb.engine.wal.repair import repair

    return repair(source, target)


def verify_place(path: str | PathLike[str]) -> BackupReport:
    """Read and check all that a durable file holds: see `convex_nb.verify_backup`."""
    from convex_nb.services.backup import verify_backup

    return verify_backup(path)


def address_text(uri: str) -> str:
    """The address of a PostgreSQL database without a password. Raises `InvalidValueError`, without repeating it."""
    from convex_nb.engine.postgres.address import Address

    return Address(uri).text


def check_durability(durability: str) -> None:
    """Raise `InvalidValueError` for a durability that there is not."""
    if durability not in ("full", "relaxed"):
        raise InvalidValueError(f'durability is "full" or "relaxed", not {durability!r}.', value=durability)
