"""A connection that is given up when the server answers nothing for too long, though nothing says that it is lost."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import Any, Final

import psycopg

ANSWER_SECONDS: Final = 20.0
"""So long a server may be silent about a statement: longer than it waits for a lock, which it says itself."""


class LimitedConnection(psycopg.Connection[Any]):
    """Closes itself and raises ``psycopg.OperationalError`` when the server is silent about a statement for too long.

    The process behind a connection may be suspended, or wait for a standby that is gone: the network is in order then,
    and the driver would wait for ever.
    """

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Drive what waits for the server, for as long as it may be silent."""
        return super().wait(self._limited(gen), *args, **kwargs)

    def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        deadline = monotonic() + ANSWER_SECONDS
        try:
            waits_for = next(gen)
            while True:
                ready = yield waits_for
                if ready:
                    # A large record on a slow line takes longer, and some of it is taken all the time.
                    deadline = monotonic() + ANSWER_SECONDS
                elif monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(
                        f"the server has not answered for {ANSWER_SECONDS:.0f} seconds: its process may be suspended, "
                        "or wait for a standby"
                    )
                waits_for = gen.send(ready)
        except StopIteration as end:
            return end.value
