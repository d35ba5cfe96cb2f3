"""Which kernels have the deployment open, and word from them: each says now and then that it is there."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.postgres.address import driver

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from convex_nb.engine.postgres.address import Address

POLL_SECONDS: Final = 1.0
"""So often it is looked, though nobody has said anything: word gets lost with a connection, or in a pooler."""
BEAT_SECONDS: Final = 5.0
_CLOSING_SECONDS: Final = 5.0
GONE_SECONDS: Final = 30.0
"""Who has said nothing for so long is not there any more."""


class Presence:
    """Listens for others, and lets them know that this kernel is there. One thread waits; any may wake it."""

    def __init__(self, address: Address, channel: str, kernel: str, *, silent: bool) -> None:
        """``silent``: this kernel only looks on, and may not write."""
        self._address = address
        self._channel = channel
        self._kernel = kernel
        self._silent = silent
        self._connection: psycopg.Connection[Any] | None = None
        self._next_beat = 0.0
        self._others = frozenset({kernel})
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._is_closed = False
        # Held by whoever waits: what it waits on is closed when it has returned.
        self._using = threading.Lock()

    def begin(self) -> None:
        """Be there. Raises ``psycopg.Error``."""
        with self._using:
            if not self._is_closed:
                self._beat(self._connected())

    def wait(self, known: Callable[[], int]) -> bool:
        """Return when the log has got longer than ``known()``, when somebody wakes this, or after a second.

        Whether it is time to look. A server that has gone is looked for again each time.
        """
        with self._using:
            if self._is_closed:
                return False
            try:
                connection = self._connected()
                if monotonic() >= self._next_beat:
                    self._beat(connection)
                self._rest(connection)
                said = [int(each.payload) for each in connection.notifies(timeout=0) if each.payload.isdecimal()]
            except driver().Error:
                self._rest(None)
                said = []
        return not said or max(said) > known()

    def _rest(self, connection: psycopg.Connection[Any] | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._here, selectors.EVENT_READ)
            if connection is not None:
                selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.select(POLL_SECONDS)
        with suppress(BlockingIOError):
            self._here.recv(1024)

    def wake(self) -> None:
        """Let whoever waits return."""
        with suppress(OSError):
            self._there.send(b"!")

    def kernels(self) -> frozenset[str]:
        """Who is there, as of a few seconds ago."""
        return self._others

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._address.connect(limited=True)
            # A standby lets nobody listen. Then it is looked now and then.
            with suppress(driver().Error):
                self._connection.execute(driver().sql.SQL("listen {}").format(driver().sql.Identifier(self._channel)))
        return self._connection

    def _beat(self, connection: psycopg.Connection[Any]) -> None:
        if not self._silent:
            connection.execute(
                "insert into convex_nb_kernel (name) values (%s) on conflict (name) do update set seen = now()",
                (self._kernel,),
            )
            connection.execute("delete from convex_nb_kernel where seen < now() - interval '1 day'")
        rows = connection.execute(
            "select name from convex_nb_kernel where seen > now() - make_interval(secs => %s)", (GONE_SECONDS,)
        ).fetchall()
        self._others = frozenset({self._kernel, *[name for (name,) in rows]})
        self._next_beat = monotonic() + BEAT_SECONDS

    def close(self) -> None:
        """Be gone; nobody waits any more. Twice is fine."""
        if self._is_closed:
            return
        self._is_closed = True
        self.wake()
        if not self._using.acquire(timeout=_CLOSING_SECONDS):
            # A server that does not answer is being asked. The others will find that this kernel is gone.
            return
        with suppress(driver().Error):
            if self._connection is not None and not self._connection.closed:
                if not self._silent:
                    self._connection.execute("delete from convex_nb_kernel where name = %s", (self._kernel,))
                self._connection.close()
        self._here.close()
        self._there.close()
        self._using.release()
