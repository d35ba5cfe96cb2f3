"""Follows the other kernels of a shared deployment: what they commit arrives here without anybody's commit."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Final, Protocol

from convex_nb.language.errors import ConvexNbError

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.wal.protocol import SharedLog

log: Final = logging.getLogger("convex_nb")


class Follows(Protocol):
    """A deployment, as what is told of others' commits."""

    def followed(self) -> None:
        """Others' commits have been published here."""
        ...

    def beat(self) -> None:
        """A second or so has passed."""
        ...


class Following:
    """A daemon thread that waits for others. It holds the deployment weakly, and not while it waits."""

    def __init__(self, owner: Follows, database: Database, shared: SharedLog) -> None:
        self._stop = threading.Event()
        self._shared = shared
        self._thread = threading.Thread(
            target=_run, args=(weakref.ref(owner), database, shared, self._stop), name="convex_nb follower", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Safe on the thread itself, and twice."""
        self._stop.set()
        self._shared.wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)


def _run(owner: weakref.ref[Follows], database: Database, shared: SharedLog, stop: threading.Event) -> None:
    is_lost = False
    while not stop.is_set() and database.log is shared:
        is_time = shared.wait()
        deployment = owner()
        if deployment is None or stop.is_set():
            return
        try:
            if is_time and database.follow(shared):
                deployment.followed()
            deployment.beat()
            is_lost = False
        except ConvexNbError as error:
            # Said once: the server may be away for long.
            if not is_lost and not stop.is_set():
                log.warning("convex_nb: other kernels cannot be followed for now; it is tried again. %s", error)
            is_lost = True
        except Exception:
            if not threading.main_thread().is_alive():
                # The interpreter is on its way out.
                return
            log.exception("convex_nb: following other kernels failed; it is tried again")
            stop.wait(1)
        del deployment
