"""The contract between the committer and whatever keeps its commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit


class Moved(NamedTuple):
    """The log went on without us: the records that others appended since the head that we expected."""

    records: tuple[Commit, ...]


class WriteAheadLog(Protocol):
    """An ordered, append-only sequence of commits.

    ``append`` returns when every record is as durable as this log makes it. It is all or nothing: an exception
    means that none of the records is in the log.
    """

    def append(self, expected_head: int, records: Sequence[Commit]) -> Sequence[int] | Moved:
        """Append ``records`` after position ``expected_head``; their positions, or what others appended first."""
        ...

    @property
    def head(self) -> int:
        """The position of the newest record; 0 for an empty log."""
        ...

    def close(self) -> None:
        """Release what the log holds."""
        ...
