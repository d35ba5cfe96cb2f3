"""Mutations that were asked for over a network: each runs once, however often it is asked for.

A client that lost its connection cannot know whether its mutation was committed, and asks again. So the answer is
committed along with what the mutation wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.engine.reading.system_reader import SystemWriter
from convex_nb.language.errors import ConvexNbError
from convex_nb.language.values import size_of
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.transaction import Transaction

TABLE: Final = "_session_requests"
KEPT_MS: Final = 86_400_000.0
"""How long a client may be away and still be recognised."""
LARGEST: Final = 256 * 1024
"""Answers above this size are not kept."""
_SWEPT_AT_ONCE: Final = 1000
_SOURCE: Final = "sync"


class SessionRequest(NamedTuple):
    """A mutation as its client names it: the session is the client's own, numbers count up in it."""

    session: str
    number: int


class Repeated(NamedTuple):
    """The answer of the first time."""

    value: Any


def find_answer(transaction: Transaction, request: SessionRequest) -> Repeated | None:
    """The answer that was given, if the request was committed before. Raises if that was too large to be kept."""
    query = SystemWriter(transaction).query(TABLE)
    known = query.with_index("by_request", session=request.session, number=request.number).first()
    if known is None:
        return None
    if "result" not in known:
        raise ConvexNbError(
            "The mutation was committed when it was asked for the first time. It did not run again; what it returned "
            "was too large to be kept."
        )
    return Repeated(known["result"])


def keep_answer(transaction: Transaction, request: SessionRequest, value: Any) -> None:
    """Write an answer down, as a part of the mutation. One that wrote nothing may as well run again."""
    if transaction.has_writes:
        fields: dict[str, Any] = {"session": request.session, "number": request.number}
        if size_of(value) <= LARGEST:
            fields["result"] = value
        SystemWriter(transaction).insert(TABLE, fields)


def sweep(database: Database) -> None:
    """Forget requests of clients that have been away for long, a thousand at most."""
    upto = database.clock.now_ns() / 1e6 - KEPT_MS

    def change(writer: SystemWriter) -> None:
        old = writer.query(TABLE).with_index("by_creation_time", lambda q: q.lte("_creationTime", upto))
        for each in old.take(_SWEPT_AT_ONCE):
            writer.delete(each["_id"])

    write_system(database, change, _SOURCE)
