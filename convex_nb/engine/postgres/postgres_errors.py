"""What PostgreSQL refuses, in the words and classes of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from convex_nb.engine.postgres.address import Address, driver
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.language.errors import StorageCorruptError, StorageError

if TYPE_CHECKING:
    import psycopg

_ADVICE: Final = {
    "28P01": "Check the user and the password: PGPASSWORD or ~/.pgpass keep it out of notebooks.",
    "28000": "Check the user, and what pg_hba.conf lets in.",
    "3D000": "Create the database first, as in `createdb {database}`; tables are created by themselves.",
    "42501": "Grant the role that privilege, or open the deployment with `read_only=True`.",
    "25006": "The server lets nobody write: it may be a standby. `read_only=True` looks at it.",
    "53100": "When there is room on the server, it can be written again.",
    "55P03": "A transaction of another program has a row of `convex_nb_head` and does not end: see pg_locks.",
    "53300": "Every kernel takes up to three connections: raise `max_connections`, or close some.",
}


@contextmanager
def talking(address: Address, purpose: str) -> Iterator[None]:
    """What PostgreSQL or the driver cannot do is said in words; ``purpose`` ends "could not ..."."""
    try:
        yield
    except driver().Error as error:
        raise refusal(address, purpose, error) from None


def refusal(address: Address, purpose: str, error: psycopg.Error) -> StorageError:
    """The error for something that PostgreSQL has not done."""
    state = error.sqlstate or ""
    said = address.without_secrets(error.diag.message_primary or str(error)).strip()
    # To connect, each address of a host is tried, and libpq has a line for each.
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    advice = _ADVICE.get(state, "") or _advice_of(said)
    advice = f" {advice.format(database=address.database)}" if advice else ""
    return StorageError(
        f"Could not {purpose} ({address.text}): {said.rstrip('.')}. Nothing was written.{advice}",
        path=address.text,
    )


def _advice_of(said: str) -> str:
    """Advice for what is said before there is a connection, when there is no code yet."""
    if "password authentication failed" in said or "no password supplied" in said:
        return _ADVICE["28P01"]
    if "does not exist" in said and "database" in said:
        return _ADVICE["3D000"]
    if "too many clients" in said or "remaining connection slots" in said:
        return _ADVICE["53300"]
    if (
        "resolve" in said
        or "refused" in said
        or "No such file" in said
        or "could not translate" in said
        or "timeout" in said
    ):
        return "Is the server running, and does it listen there?"
    return ""


@contextmanager
def refusing_damage(address: Address) -> Iterator[None]:
    """What the tables do not have, or cannot be read, is reported to the user."""
    try:
        yield
    except DamagedError as error:
        where = "" if error.table is None else f", of the table {error.table!r}"
        raise StorageCorruptError(
            f"{address.text} is damaged: {error.what}{where} is not as it was written. Nothing of it was opened, and "
            "nothing was changed. Restore the database from a backup.",
            path=address.text,
            table=error.table,
        ) from None
