"""The connection that commits go through: made anew when it is lost, and a commit in doubt is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.engine.postgres.address import driver
from convex_nb.engine.postgres.postgres_errors import refusal
from convex_nb.language.errors import CommitInDoubtError, StorageError

if TYPE_CHECKING:
    import psycopg

    from convex_nb.engine.postgres.address import Address

PATIENCE_SECONDS: Final = 10.0
"""So long a commit waits for a server that has gone, before it fails."""
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5
_PAGE: Final = 500

# Whoever moves the head from where it was expected to be appends; everybody else finds it moved, and nothing is
# written. The row is what they wait for in turn: no statement holds it for longer than the server takes for this one.
_APPEND: Final = """
with moved as (
    update convex_nb_head set position = %(last)s where position = %(expected)s returning position
), written as (
    insert into convex_nb_log (position, timestamp, kernel, blobs, data)
    select entry.position, entry.timestamp, %(kernel)s, string_to_array(entry.blobs, ',')::bigint[], entry.data
    from moved, unnest(%(positions)s::bigint[], %(timestamps)s::bigint[], %(blobs)s::text[], %(data)s::bytea[])
        as entry (position, timestamp, blobs, data)
)
select pg_notify(%(channel)s, moved.position::text) from moved
"""

# The same for one record, which is what nearly every append has: lists take the server as long as all the rest.
_APPEND_ONE: Final = """
with moved as (
    update convex_nb_head set position = %s where position = %s returning position
), written as (
    insert into convex_nb_log (position, timestamp, kernel, blobs, data)
    select position, %s, %s, string_to_array(%s, ',')::bigint[], %b from moved
)
select pg_notify(%s, position::text) from moved
"""

_READ: Final = """
select head.position, log.position, log.timestamp, log.data
from convex_nb_head head left join convex_nb_log log on log.position > %s
order by log.position limit %s
"""


class NewRecord(NamedTuple):
    """A record on its way into the log, and the numbers of the blobs that it refers to."""

    position: int
    timestamp: int
    data: bytes
    blobs: tuple[int, ...]


class Tail(NamedTuple):
    """The end of the log: the position of its newest record, and some of the records after a place."""

    head: int
    records: list[tuple[int, int, bytes]]


class Session:
    """Appends to the log and reads its end. One thread at a time."""

    def __init__(self, address: Address, channel: str, kernel: str, *, relaxed: bool) -> None:
        self._address = address
        self._channel = channel
        self._kernel = kernel
        self._relaxed = relaxed
        self._connection: psycopg.Connection[Any] | None = None

    def append(self, expected: int, records: Sequence[NewRecord]) -> bool:
        """Append records after position ``expected``; ``False`` where that is not the newest one any more.

        Raises ``StorageError``, and none of them is in the log then; ``CommitInDoubtError`` where that is not known.
        """
        statement, parameters = self._statement(expected, records)
        deadline = inf
        pause = _FIRST_PAUSE
        in_doubt = False
        while True:
            connection: psycopg.Connection[Any] | None = None
            try:
                connection = self._connected()
                if connection.execute(statement, parameters).fetchone() is not None:
                    return True
                # The same statement once more does nothing if the first one has done it.
                return in_doubt and self._is_there(connection, records)
            except driver().Error as error:
                # From when it was lost: that a server is silent is found out long after the beginning.
                deadline = min(deadline, monotonic() + PATIENCE_SECONDS)
                if connection is not None and not connection.closed:
                    if not in_doubt:
                        raise refusal(self._address, "commit", error) from None
                    outcome = self._outcome(connection, expected, records)
                    if outcome is not None:
                        return outcome
                in_doubt |= connection is not None
                if monotonic() + pause > deadline:
                    raise self._given_up(error, in_doubt) from None
            sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _statement(self, expected: int, records: Sequence[NewRecord]) -> tuple[str, Sequence[Any] | dict[str, Any]]:
        last = records[-1]
        if len(records) == 1:
            blobs = ",".join(map(str, last.blobs))
            return _APPEND_ONE, (last.position, expected, last.timestamp, self._kernel, blobs, last.data, self._channel)
        return _APPEND, {
            "expected": expected,
            "last": last.position,
            "kernel": self._kernel,
            "positions": [record.position for record in records],
            "timestamps": [record.timestamp for record in records],
            "blobs": [",".join(map(str, record.blobs)) for record in records],
            "data": [record.data for record in records],
            "channel": self._channel,
        }

    def _outcome(self, connection: psycopg.Connection[Any], expected: int, records: Sequence[NewRecord]) -> bool | None:
        """What became of records that may have arrived, though the server refuses to append any now.

        ``None`` where nothing is in their place: a server that has not noticed yet that a connection is lost may still
        be at it.
        """
        with suppress(driver().Error):
            row = connection.execute("select position from convex_nb_head").fetchone()
            if row != (expected,):
                return self._is_there(connection, records)
        return None

    def _is_there(self, connection: psycopg.Connection[Any], records: Sequence[NewRecord]) -> bool:
        first = records[0].position
        found = connection.execute(
            "select position, timestamp, kernel from convex_nb_log where position >= %s order by position limit %s",
            (first, len(records)),
        ).fetchall()
        if not found or found[0][0] != first:
            # Others have been there since, and more than that: what was at this place is gone.
            raise self._given_up(None, in_doubt=True)
        return found == [(record.position, record.timestamp, self._kernel) for record in records]

    def _given_up(self, error: psycopg.Error | None, in_doubt: bool) -> StorageError:
        if error is not None and not in_doubt:
            return refusal(self._address, "commit", error)
        return CommitInDoubtError(
            f"The connection to {self._address.text} was lost while a commit was on its way, and it could not be found "
            f"out in {PATIENCE_SECONDS:.0f} seconds whether it arrived. Look before you run it again: as soon as the "
            "server answers, this deployment has what is there.",
            path=self._address.text,
        )

    def tail(self, after: int, *, patience: float = 0.0) -> Tail:
        """The end of the log after a position. Raises ``StorageError``, of a server that is gone after so many seconds
        only."""
        deadline = monotonic() + patience
        while True:
            was_lost = self._is_lost()
            try:
                with self._connected().cursor(binary=True) as cursor:
                    rows = cursor.execute(_READ, (after, _PAGE)).fetchall()
            except driver().Error as error:
                # That it was lost since the last time is not known before somebody tries.
                if not self._is_lost() or (was_lost and monotonic() > deadline):
                    raise refusal(self._address, "read the log", error) from None
                if was_lost:
                    sleep(_FIRST_PAUSE)
                continue
            return Tail(rows[0][0], [row[1:] for row in rows if row[1] is not None])

    def _is_lost(self) -> bool:
        return self._connection is None or self._connection.closed

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._address.connect(limited=True)
            if self._relaxed:
                self._connection.execute("set synchronous_commit = off")
            else:
                self._connection.execute(
                    "select set_config('synchronous_commit', 'on', false) "
                    "where current_setting('synchronous_commit') = 'off'"
                )
            self._connection.execute("set default_transaction_isolation = 'read committed'")
            # Whoever has a row of ours in a transaction that does not end must not hold up commits for ever.
            self._connection.execute(f"set lock_timeout = {PATIENCE_SECONDS * 1000:.0f}")
        return self._connection

    def close(self) -> None:
        """Close the connection. Twice is fine."""
        if self._connection is not None:
            self._connection.close()
